/* codec_test.c - messages to bytes and back; what is not an encoding is refused; frames. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "ipc/ipc_messages.h"

enum { MEM = 1024 * 1024 };

static const struct ipc_form *
form_of(const char *name)
{
    for (size_t i = 0; i < ipc_form_count; i++)
        if (strcmp(ipc_forms[i]->name, name) == 0)
            return ipc_forms[i];
    fail_msg("no form %s", name);
    return NULL;
}

/* Encode into an allocation of the exact size, so that the address sanitizer sees one octet too many. */
static uint8_t *
encode(const struct ipc_form *form, const void *message, size_t *ret_bytes, int fds[IPC_FORM_FDS_MAX],
       size_t *ret_fd_count)
{
    assert_int_equal(ipc_form_measure(form, message, ret_bytes), ERR_OK);
    uint8_t *bytes = malloc(*ret_bytes + 1);
    assert_non_null(bytes);
    bytes = realloc(bytes, *ret_bytes == 0 ? 1 : *ret_bytes);
    ipc_form_put(form, message, bytes, *ret_bytes, fds, ret_fd_count);
    return bytes;
}

static void
texts_lists_and_numbers_come_back(void **state)
{
    (void)state;
    struct ipc_target targets[2] = {
        {1, SPAN("alice@example.test"), SPAN("shop"), UINT64_MAX},
        {4, SPAN("example.org"), SPAN_EMPTY, 0},
    };
    struct ipc_source_ref rule = {SPAN("/etc/godwit/godwit.conf"), 12, 5};
    struct ipc_recipient_expand_reply reply = {.status = 3, .keeps_sender = true, .sender = SPAN("s\0r"),
                                               .targets = targets,
                                               .targets_count = 2, .more = false, .rule = &rule, .rule_count = 1};
    const struct ipc_form *form = form_of("recipient_expand_reply");
    size_t bytes, fd_count;
    int fds[IPC_FORM_FDS_MAX];
    uint8_t *encoded = encode(form, &reply, &bytes, fds, &fd_count);
    struct arena mem;
    arena_init(&mem, MEM);
    struct ipc_recipient_expand_reply back;
    assert_int_equal(ipc_form_decode(form, span_of(encoded, bytes), NULL, 0, &mem, true, &back), ERR_OK);
    free(encoded); /* copies: nothing may borrow from the bytes */
    assert_int_equal(back.status, 3);
    assert_true(back.keeps_sender);
    assert_false(back.more);
    assert_true(span_equal(back.sender, reply.sender));
    assert_int_equal(back.targets_count, 2);
    assert_true(span_equal(back.targets[0].name, targets[0].name));
    assert_true(span_equal(back.targets[0].detail, targets[0].detail));
    assert_true(back.targets[0].quota_bytes == UINT64_MAX);
    assert_true(span_equal(back.targets[1].name, targets[1].name));
    assert_true(span_is_empty(back.targets[1].detail));
    assert_int_equal(back.rule_count, 1);
    assert_int_equal(back.rule[0].line, 12);
    arena_clear(&mem);
}

static void
descriptors_travel_beside(void **state)
{
    (void)state;
    const struct ipc_form *form = form_of("endpoint");
    struct ipc_endpoint endpoint = {.role = ROLE_QUEUE, .instance = 513, .channel = 77}, back;
    size_t bytes, fd_count;
    int fds[IPC_FORM_FDS_MAX];
    uint8_t *encoded = encode(form, &endpoint, &bytes, fds, &fd_count);
    assert_int_equal(fd_count, 1);
    assert_int_equal(fds[0], 77);
    struct span all = span_of(encoded, bytes);
    assert_int_equal(ipc_form_decode(form, all, (int[]){9}, 1, NULL, true, &back), ERR_OK);
    assert_int_equal(back.channel, 9);
    assert_int_equal(back.instance, 513);
    assert_int_equal(ipc_form_decode(form, all, NULL, 0, NULL, true, &back), ERR_PROTOCOL);
    assert_int_equal(back.channel, -1);
    assert_int_equal(ipc_form_decode(form, all, (int[]){9, 10}, 2, NULL, true, &back), ERR_PROTOCOL);
    assert_int_equal(back.channel, -1);
    free(encoded);
    endpoint.channel = -1;
    encoded = encode(form, &endpoint, &bytes, fds, &fd_count);
    assert_int_equal(fd_count, 0);
    assert_int_equal(ipc_form_decode(form, span_of(encoded, bytes), NULL, 0, NULL, true, &back), ERR_OK);
    assert_int_equal(back.channel, -1);
    free(encoded);
}

static void
bounds_of_the_table_hold_for_the_sender(void **state)
{
    (void)state;
    static const uint8_t octets[IPC_RECIPIENT_CHECK_LOCAL_PART_MAX + 1];
    const struct ipc_form *form = form_of("recipient_check");
    struct ipc_recipient_check check = {.local_part = span_of(octets, IPC_RECIPIENT_CHECK_LOCAL_PART_MAX)};
    size_t bytes;
    assert_int_equal(ipc_form_measure(form, &check, &bytes), ERR_OK);
    check.local_part.len++;
    assert_int_equal(ipc_form_measure(form, &check, &bytes), ERR_LIMIT);
    form = form_of("recipient_check_reply");
    struct ipc_recipient_check_reply reply = {.rule_count = IPC_RECIPIENT_CHECK_REPLY_RULE_MAX + 1};
    assert_int_equal(ipc_form_measure(form, &reply, &bytes), ERR_LIMIT);
}

/*
 * Each row is a whole encoding of role_status_reply: count (1 octet), then name (1+n), value (8) each, then text
 * (2+n).
 */
static void
what_is_not_an_encoding_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *bytes;
        size_t len;
        enum err expected;
    } rows[] = {
        {"one counter, no text", "\1\1a\0\0\0\0\0\0\0\7\0\0", 13, ERR_OK},
        {"nothing", "", 0, ERR_PROTOCOL},
        {"empty list and text", "\0\0\0", 3, ERR_OK},
        {"left-over octet", "\0\0\0\0", 4, ERR_PROTOCOL},
        {"cut inside a length", "\0\0", 2, ERR_PROTOCOL},
        {"cut inside a text", "\0\3\0ab", 5, ERR_PROTOCOL},
        {"text longer than its bound", "\0\1\x10", 3, ERR_PROTOCOL},
        {"name longer than its bound", "\1\x41" "a\0\0\0\0\0\0\0\7\0\0", 13, ERR_PROTOCOL},
        {"more elements than the bound", "\xc9\0\0\0", 4, ERR_PROTOCOL},
        {"elements that are not there", "\xc8\0\0\0", 4, ERR_PROTOCOL},
        {"element cut", "\1\1a\0\0\0\0\0\0\0", 10, ERR_PROTOCOL},
    };
    const struct ipc_form *form = form_of("role_status_reply");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena mem;
        arena_init(&mem, MEM);
        struct ipc_role_status_reply back;
        enum err e = ipc_form_decode(form, span_of(rows[i].bytes, rows[i].len), NULL, 0, &mem, false, &back);
        if (e != rows[i].expected)
            fail_msg("%s: %s", rows[i].name, err_name(e));
        arena_clear(&mem);
    }
    struct ipc_ready ready;
    assert_int_equal(ipc_form_decode(form_of("ready"), SPAN("\0\0\0\0\0\0\0\2"), NULL, 0, NULL, true, &ready),
                     ERR_PROTOCOL);
    assert_int_equal(ipc_form_decode(form_of("ready"), SPAN("\0\0\0\0\0\0\0\1"), NULL, 0, NULL, true, &ready), ERR_OK);
    assert_true(ready.reconfigures);
}

static void
a_full_arena_is_a_limit(void **state)
{
    (void)state;
    struct arena mem;
    arena_init(&mem, 16);
    struct ipc_role_status_reply back;
    assert_int_equal(ipc_form_decode(form_of("role_status_reply"), SPAN("\1\1a\0\0\0\0\0\0\0\7\0\0"), NULL, 0, &mem,
                                     true, &back),
                     ERR_LIMIT);
    assert_int_equal(back.counters_count, 0);
    arena_clear(&mem);
}

/*
 * The shortest encoding of every form is all zero octets; it decodes, and encodes to itself; any other length does
 * not decode.
 */
static void
every_form_has_an_exact_shortest_encoding(void **state)
{
    (void)state;
    for (size_t i = 0; i < ipc_form_count; i++) {
        const struct ipc_form *form = ipc_forms[i];
        uint8_t *message = malloc(form->struct_bytes), *zeros = calloc(1, form->bytes_min + 1);
        struct arena mem;
        arena_init(&mem, MEM);
        for (size_t len = 0; len <= form->bytes_min + 1; len++) {
            enum err e = ipc_form_decode(form, span_of(zeros, len), NULL, 0, &mem, true, message);
            if ((e == ERR_OK) != (len == form->bytes_min))
                fail_msg("%s: %zu octets: %s", form->name, len, err_name(e));
        }
        assert_int_equal(ipc_form_decode(form, span_of(zeros, form->bytes_min), NULL, 0, &mem, true, message), ERR_OK);
        size_t bytes, fd_count;
        int fds[IPC_FORM_FDS_MAX];
        uint8_t *again = encode(form, message, &bytes, fds, &fd_count);
        assert_int_equal(bytes, form->bytes_min);
        assert_memory_equal(again, zeros, bytes);
        assert_int_equal(fd_count, 0);
        arena_clear(&mem);
        free(again);
        free(message);
        free(zeros);
    }
}

static void
the_start_record_comes_back(void **state)
{
    (void)state;
    struct ipc_start_listener listeners[] = {{SPAN("mx"), 7}, {SPAN("lmtp"), 8}};
    struct ipc_start start = {.protocol = ipc_protocol, .role = ROLE_EDGE, .instance = 2, .generation = 9, .uid = 900,
                              .data_dir = 5,
                              .empty_dir = UINT16_MAX, .listeners = listeners, .listeners_count = 2,
                              .config = SPAN("hostname x;")};
    struct ipc_start back;
    struct buf bytes;
    buf_init(&bytes, MEM);
    assert_int_equal(ipc_start_encode(&start, &bytes), ERR_OK);
    struct arena mem;
    arena_init(&mem, MEM);
    assert_int_equal(ipc_start_decode(buf_span(&bytes), &mem, &back), ERR_OK);
    assert_true(back.protocol == ipc_protocol);
    assert_int_equal(back.listeners_count, 2);
    assert_true(span_equal(back.listeners[1].name, SPAN("lmtp")));
    assert_int_equal(back.listeners[1].descriptor, 8);
    assert_true(span_equal(back.config, start.config));
    arena_clear(&mem);
    buf_done(&bytes);
}

static void
frames_are_exact(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *bytes;
        size_t len;
        enum err expected;
    } rows[] = {
        {"post", "\2\0\0\0\1\0\0\0\0\0\0\0ab", 14, ERR_OK},
        {"call", "\0\0\0\0\1\0\1\0\5\0\0\0", 12, ERR_OK},
        {"half a header", "\0\0\0\0\1\0\1\0\5\0\0", 11, ERR_PROTOCOL},
        {"body cut", "\2\0\0\0\1\0\0\0\0\0\0\0a", 13, ERR_PROTOCOL},
        {"length beyond everything", "\xff\xff\xff\xff\1\0\0\0\0\0\0\0a", 13, ERR_PROTOCOL},
        {"bye", "\0\0\0\0\0\0\4\0\0\0\0\0", 12, ERR_OK},
        {"no such kind", "\0\0\0\0\1\0\5\0\0\0\0\0", 12, ERR_PROTOCOL},
        {"bye with a call id", "\0\0\0\0\0\0\4\0\1\0\0\0", 12, ERR_PROTOCOL},
        {"too many descriptors", "\0\0\0\0\1\0\0\3\0\0\0\0", 12, ERR_PROTOCOL},
        {"post with a call id", "\0\0\0\0\1\0\0\0\1\0\0\0", 12, ERR_PROTOCOL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct span packet = span_of(rows[i].bytes, rows[i].len), before = packet;
        struct ipc_frame frame;
        enum err e = ipc_frame_take(&packet, &frame);
        if (e != rows[i].expected)
            fail_msg("%s: %s", rows[i].name, err_name(e));
        assert_int_equal(packet.len, e == ERR_OK ? 0 : before.len);
    }
    uint8_t packet[IPC_FRAME_HEADER_BYTES + 3] = {0};
    struct ipc_frame frame = {IPC_FRAME_REPLY, 0x1234, 0xdeadbeef, 2, span_of(NULL, 3)}, back;
    ipc_frame_put(&frame, packet);
    struct span rest = span_of(packet, sizeof(packet));
    assert_int_equal(ipc_frame_take(&rest, &back), ERR_OK);
    assert_int_equal(back.kind, IPC_FRAME_REPLY);
    assert_int_equal(back.type, 0x1234);
    assert_true(back.call_id == 0xdeadbeef);
    assert_int_equal(back.fd_count, 2);
    assert_int_equal(back.body.len, 3);
}

static void
roles_have_names_and_peers(void **state)
{
    (void)state;
    enum ipc_role role = ROLE_WEB;
    for (unsigned i = 0; i < ROLE_COUNT; i++) {
        assert_true(ipc_role_parse(span_from_cstr(ipc_role_name((enum ipc_role)i)), &role));
        assert_int_equal(role, i);
    }
    assert_false(ipc_role_parse(SPAN("editor"), &role));
    assert_true(ipc_role_talks_to(ROLE_EDGE, ROLE_QUEUE));
    assert_true(ipc_role_talks_to(ROLE_QUEUE, ROLE_EDGE));
    assert_true(ipc_role_talks_to(ROLE_PARENT, ROLE_RESOLVER));
    assert_false(ipc_role_talks_to(ROLE_EDGE, ROLE_LOCAL));
    assert_false(ipc_role_talks_to(ROLE_EDGE, ROLE_EDGE));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_lists_and_numbers_come_back),
        cmocka_unit_test(descriptors_travel_beside),
        cmocka_unit_test(bounds_of_the_table_hold_for_the_sender),
        cmocka_unit_test(what_is_not_an_encoding_is_refused),
        cmocka_unit_test(a_full_arena_is_a_limit),
        cmocka_unit_test(every_form_has_an_exact_shortest_encoding),
        cmocka_unit_test(the_start_record_comes_back),
        cmocka_unit_test(frames_are_exact),
        cmocka_unit_test(roles_have_names_and_peers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
