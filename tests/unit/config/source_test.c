/* source_test.c - lists of sources, and their way through bytes. */
#include "check.h"

#include "config/source.h"

static void
list_make(struct config_sources *s)
{
    config_sources_init(s);
    assert_int_equal(config_sources_from_text(s, SPAN("/etc/a.conf"), SPAN("include b;")), ERR_OK);
    struct config_source b = {
        .name = SPAN("/etc/b"), .text = SPAN("x\0y"), .includer = 0, .include_line = 1, .include_column = 1};
    struct config_source c = {
        .name = SPAN("/etc/c"), .fault = SPAN("no such file"), .includer = 1, .include_line = 7, .include_column = 3};
    assert_int_equal(config_sources_add(s, &b), ERR_OK);
    assert_int_equal(config_sources_add(s, &c), ERR_OK);
}

static void
test_round_trip(void **state)
{
    (void)state;
    struct config_sources before, after;
    struct buf bytes;
    list_make(&before);
    buf_init(&bytes, 10000);
    assert_int_equal(config_sources_pack(&before, &bytes), ERR_OK);
    config_sources_init(&after);
    assert_int_equal(config_sources_unpack(buf_span(&bytes), &after), ERR_OK);
    assert_int_equal(after.count, before.count);
    for (size_t i = 0; i < after.count; i++) {
        const struct config_source *a = &before.items[i], *b = &after.items[i];
        CHECK_SPAN("name", b->name, a->name);
        CHECK_SPAN("text", b->text, a->text);
        CHECK_SPAN("fault", b->fault, a->fault);
        assert_int_equal(b->includer, a->includer);
        assert_int_equal(b->include_line, a->include_line);
        assert_int_equal(b->include_column, a->include_column);
    }
    config_sources_done(&before);
    config_sources_done(&after);
    buf_done(&bytes);
}

static void
test_cut_and_changed(void **state)
{
    (void)state;
    struct config_sources made, read;
    struct buf bytes;
    list_make(&made);
    buf_init(&bytes, 10000);
    assert_int_equal(config_sources_pack(&made, &bytes), ERR_OK);
    config_sources_init(&read);
    for (size_t len = 0; len < bytes.len; len++) {
        assert_int_equal(config_sources_unpack(span_first(buf_span(&bytes), len), &read), ERR_DAMAGED);
        assert_int_equal(read.count, 0);
    }
    assert_int_equal(buf_append_octet(&bytes, 0), ERR_OK);
    assert_int_equal(config_sources_unpack(buf_span(&bytes), &read), ERR_DAMAGED);
    bytes.len--;
    bytes.data[0] ^= 1; /* magic */
    assert_int_equal(config_sources_unpack(buf_span(&bytes), &read), ERR_DAMAGED);
    bytes.data[0] ^= 1;
    bytes.data[4]++; /* version */
    assert_int_equal(config_sources_unpack(buf_span(&bytes), &read), ERR_DAMAGED);
    bytes.data[4]--;
    bytes.data[12] = 1; /* the first source included by another */
    assert_int_equal(config_sources_unpack(buf_span(&bytes), &read), ERR_DAMAGED);
    config_sources_done(&made);
    config_sources_done(&read);
    buf_done(&bytes);
}

static void
test_caps(void **state)
{
    (void)state;
    struct config_sources s;
    config_sources_init(&s);
    assert_int_equal(config_sources_from_text(&s, SPAN("a"), span_of("", CONFIG_SOURCE_BYTES_MAX + 1)), ERR_LIMIT);
    assert_int_equal(s.count, 0);
    struct config_source small = {.name = SPAN("b"), .text = SPAN("c;"), .include_line = 1};
    for (size_t i = 0; i < CONFIG_SOURCES_MAX; i++)
        assert_int_equal(config_sources_add(&s, &small), ERR_OK);
    assert_int_equal(config_sources_add(&s, &small), ERR_LIMIT);
    assert_int_equal(s.count, CONFIG_SOURCES_MAX);
    CHECK_SPAN("first", s.items[0].name, SPAN("b"));
    CHECK_SPAN("last", s.items[CONFIG_SOURCES_MAX - 1].text, SPAN("c;"));
    config_sources_done(&s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_cut_and_changed), cmocka_unit_test(test_caps)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
