/* content_test.c - what a message looks like in its file. RFC 5321 §4.4, RFC 9228; requirements 68 and 69. */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>

#include "rt/disk_sim.h"
#include "store/maildir/content.h"

static const struct maildir_delivery base = {
    .mailbox = "example.test/alice",
    .name = "1.M1P1Q1R1.host",
    .sender = {(const uint8_t *)"bob@example.org", 15},
    .recipient = {(const uint8_t *)"alice@example.test", 18},
};

#define FIELDS "Return-Path: <bob@example.org>\nDelivered-To: alice@example.test\n"

static const struct {
    const char *name;
    struct span content;
    const char *file;
    bool is_loop;
} rows[] = {
    {"plain", SPAN("Subject: x\r\n\r\nbody\r\n"), FIELDS "Subject: x\n\nbody\n", false},
    {"no body", SPAN("Subject: x\r\n\r\n"), FIELDS "Subject: x\n\n", false},
    {"no empty line", SPAN("Subject: x\r\n"), FIELDS "Subject: x\n", false},
    {"no header", SPAN("\r\nbody\r\n"), FIELDS "\nbody\n", false},
    {"nothing at all", SPAN(""), FIELDS, false},
    {"no final line end (BDAT)", SPAN("A: b\r\n\r\nx"), FIELDS "A: b\n\nx", false},
    {"incoming Return-Path goes (68)",
     SPAN("Return-Path: <x@y>\r\nA: b\r\nRETURN-PATH:\r\n <z>\r\nC: d\r\n\r\nRet: e\r\n"),
     FIELDS "A: b\nC: d\n\nRet: e\n", false},
    {"Return-Path in the body stays", SPAN("A: b\r\n\r\nReturn-Path: <x@y>\r\n"), FIELDS "A: b\n\nReturn-Path: <x@y>\n",
     false},
    {"blank before the colon", SPAN("Return-Path : <x@y>\r\nA: b\r\n\r\n"), FIELDS "A: b\n\n", false},
    {"a longer name stays", SPAN("Return-Path-X: y\r\n\r\n"), FIELDS "Return-Path-X: y\n\n", false},
    {"same Delivered-To is a loop (69)", SPAN("Delivered-To: alice@example.test\r\n\r\n"),
     FIELDS "Delivered-To: alice@example.test\n\n", true},
    {"the domain in any case", SPAN("A: b\r\nDELIVERED-TO:  alice@Example.Test \r\n\r\n"),
     FIELDS "A: b\nDELIVERED-TO:  alice@Example.Test \n\n", true},
    {"another Delivered-To is none", SPAN("Delivered-To: bob@example.test\r\n\r\n"),
     FIELDS "Delivered-To: bob@example.test\n\n", false},
    {"Delivered-To in the body is none", SPAN("A: b\r\n\r\nDelivered-To: alice@example.test\r\n"),
     FIELDS "A: b\n\nDelivered-To: alice@example.test\n", false},
    {"8-bit and NUL kept", {(const uint8_t *)"A: b\r\n\r\n\xff\0\xfe\r\n", 13}, NULL, false},
};

static void
test_messages(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct maildir_delivery d = base;
        struct buf file;
        bool is_loop = false;
        d.content = rows[i].content;
        buf_init(&file, 1 << 20);
        CHECK(rows[i].name, maildir_format(&d, &file, &is_loop) == ERR_OK);
        struct span wanted = rows[i].file != NULL
                                 ? span_from_cstr(rows[i].file)
                                 : span_of(FIELDS "A: b\n\n\xff\0\xfe\n", sizeof(FIELDS "A: b\n\n\xff\0\xfe\n") - 1);
        CHECK_SPAN(rows[i].name, buf_span(&file), wanted);
        CHECK(rows[i].name, is_loop == rows[i].is_loop);
        buf_done(&file);
    }
}

static void
test_bare_line_ends_keep_every_byte(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct span content;
    } bare[] = {
        {"bare LF", SPAN("A: b\r\n\r\nx\ny\r\n")},   {"bare CR", SPAN("A: b\r\n\r\nx\ry\r\n")},
        {"CR CR LF", SPAN("A: b\r\n\r\nx\r\r\n")},   {"CR at the end", SPAN("A: b\r\n\r\nx\r")},
        {"LF first", SPAN("\nA: b\r\n\r\n")},        {"LF CR", SPAN("A: b\r\n\r\nx\n\ry\r\n")},
    };
    for (size_t i = 0; i < ARRAY_LEN(bare); i++) {
        struct maildir_delivery d = base;
        struct buf file, wanted;
        bool is_loop = false;
        d.content = bare[i].content;
        buf_init(&file, 1 << 20);
        buf_init(&wanted, 1 << 20);
        buf_append_cstr(&wanted, "Return-Path: <bob@example.org>\r\nDelivered-To: alice@example.test\r\n");
        buf_append(&wanted, bare[i].content);
        CHECK(bare[i].name, maildir_format(&d, &file, &is_loop) == ERR_OK);
        CHECK_SPAN(bare[i].name, buf_span(&file), buf_span(&wanted));
        buf_done(&file);
        buf_done(&wanted);
    }
}

static void
test_addresses(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct span sender, original;
        enum err e;
        const char *fields;
    } addresses[] = {
        {"null sender", SPAN(""), SPAN(""), ERR_OK, "Return-Path: <>\nDelivered-To: alice@example.test\n"},
        {"original differs", SPAN("b@c"), SPAN("sales@example.test"), ERR_OK,
         "Return-Path: <b@c>\nX-Original-To: sales@example.test\nDelivered-To: alice@example.test\n"},
        {"original is the same", SPAN("b@c"), SPAN("alice@example.test"), ERR_OK,
         "Return-Path: <b@c>\nDelivered-To: alice@example.test\n"},
        {"line end in the sender", SPAN("b@c\r\nBcc: x@y"), SPAN(""), ERR_SYNTAX, ""},
        {"line end in the original", SPAN("b@c"), SPAN("x@y\nz: a"), ERR_SYNTAX, ""},
        {"NUL in the original", SPAN("b@c"), {(const uint8_t *)"x\0y", 3}, ERR_SYNTAX, ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(addresses); i++) {
        struct maildir_delivery d = base;
        struct buf file;
        bool is_loop;
        d.sender = addresses[i].sender;
        d.original = addresses[i].original;
        buf_init(&file, 1 << 20);
        CHECK(addresses[i].name, maildir_format(&d, &file, &is_loop) == addresses[i].e);
        CHECK_SPAN(addresses[i].name, buf_span(&file), span_from_cstr(addresses[i].fields));
        buf_done(&file);
    }
}

static enum err
append(void *ctx, struct span octets)
{
    return buf_append(ctx, octets);
}

/* A message of `lines` lines in CRLF, with a header of `fields` fields. */
static void
message_make(struct buf *to, unsigned fields, unsigned lines, const char *line_end)
{
    for (unsigned i = 0; i < fields; i++)
        assert_int_equal(buf_printf(to, "X-Field-%u: value %u\r\n", i, i), ERR_OK);
    buf_append_cstr(to, "\r\n");
    for (unsigned i = 0; i < lines; i++)
        assert_int_equal(buf_printf(to, "line %u of the body%s", i, line_end), ERR_OK);
}

/*
 * The same file from octets at hand, from a file, and from any division between the two; sizes as announced. Long
 * enough for line ends to fall on every position of a chunk's border.
 */
static void
test_content_from_a_file(void **state)
{
    (void)state;
    struct disk_sim *sim = disk_sim_new(1);
    struct disk_dir *root;
    assert_int_equal(disk_dir_open(disk_sim_disk(sim), NULL, "/", &root), ERR_OK);
    static const char *const ends[] = {"\r\n", "\n"};
    for (size_t k = 0; k < ARRAY_LEN(ends); k++) {
        struct buf message, wanted;
        bool is_loop;
        buf_init(&message, 1 << 24);
        buf_init(&wanted, 1 << 24);
        message_make(&message, 4000, 20000, ends[k]);
        struct maildir_delivery d = base;
        d.content = buf_span(&message);
        assert_int_equal(maildir_format(&d, &wanted, &is_loop), ERR_OK);
        static const size_t splits[] = {0, 1, 5, 100, 65535, 65536, 65537, 100001};
        for (size_t i = 0; i < ARRAY_LEN(splits); i++) {
            struct maildir_content c;
            struct buf file;
            char name[32];
            snprintf(name, sizeof(name), "body.%zu.%zu", k, i);
            assert_int_equal(disk_open(root, name, DISK_READ | DISK_WRITE | DISK_CREATE, &d.content_file), ERR_OK);
            assert_int_equal(disk_pwrite(d.content_file, 0, span_skip(buf_span(&message), splits[i])), ERR_OK);
            d.content = span_first(buf_span(&message), splits[i]);
            buf_init(&file, 1 << 24);
            assert_int_equal(maildir_content_open(&d, &c), ERR_OK);
            assert_int_equal(maildir_content_write(&c, append, &file), ERR_OK);
            assert_int_equal(c.size_bytes, file.len);
            assert_true(span_equal(buf_span(&file), buf_span(&wanted)));
            maildir_content_done(&c);
            disk_close(d.content_file);
            buf_done(&file);
        }
        buf_done(&message);
        buf_done(&wanted);
    }
    disk_dir_close(root);
    disk_sim_free(sim);
}

static void
test_sizes(void **state)
{
    (void)state;
    struct maildir_delivery d = base;
    struct maildir_content c;
    d.content = SPAN("A: b\r\n\r\nx\r\ny\r\n");
    assert_int_equal(maildir_content_open(&d, &c), ERR_OK);
    assert_true(c.is_clean);
    assert_int_equal(c.size_bytes, sizeof(FIELDS "A: b\n\nx\ny\n") - 1);
    assert_int_equal(c.virtual_bytes, c.size_bytes + 6);
    maildir_content_done(&c);
    d.content = SPAN("A: b\r\n\r\nx\ny\r\n");
    assert_int_equal(maildir_content_open(&d, &c), ERR_OK);
    assert_false(c.is_clean);
    assert_int_equal(c.size_bytes, sizeof(FIELDS) - 1 + 2 + d.content.len);
    assert_int_equal(c.virtual_bytes, c.size_bytes + 1);
    maildir_content_done(&c);
}

/* A header section without end is not gathered without end. */
static void
test_header_without_end(void **state)
{
    (void)state;
    struct maildir_delivery d = base;
    struct maildir_content c;
    struct buf message, file;
    buf_init(&message, 1 << 24);
    buf_init(&file, 1 << 24);
    while (message.len < 3 * MAILDIR_HEADER_BYTES_MAX)
        buf_append_cstr(&message, "X-Long: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n");
    d.content = buf_span(&message);
    assert_int_equal(maildir_content_open(&d, &c), ERR_OK);
    assert_true(c.head.len <= MAILDIR_HEADER_BYTES_MAX + 8192);
    assert_int_equal(maildir_content_write(&c, append, &file), ERR_OK);
    assert_int_equal(file.len, c.size_bytes);
    maildir_content_done(&c);
    buf_done(&message);
    buf_done(&file);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_bare_line_ends_keep_every_byte),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_content_from_a_file),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_header_without_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
