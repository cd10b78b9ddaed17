/* path_test.c - mailbox paths and unique names: nothing a stranger chose leads out of the mail directory. */
#include "check.h"

#include "store/maildir/maildir.h"

static void
test_paths(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct span address;
        enum err e;
        const char *path;
    } rows[] = {
        {"plain", SPAN("alice@example.test"), ERR_OK, "example.test/alice"},
        {"dot inside, as Dovecot's %n has it", SPAN("a.b@example.test"), ERR_OK, "example.test/a.b"},
        {"case kept", SPAN("Alice@example.test"), ERR_OK, "example.test/Alice"},
        {"plus and dash", SPAN("a+b-c_d=e@example.test"), ERR_OK, "example.test/a+b-c_d=e"},
        {"a dot alone", SPAN(".@example.test"), ERR_OK, "example.test/%2E"},
        {"dot dot", SPAN("..@example.test"), ERR_OK, "example.test/%2E."},
        {"leading dot is hidden", SPAN(".x@example.test"), ERR_OK, "example.test/%2Ex"},
        {"slash", SPAN("../etc@example.test"), ERR_OK, "example.test/%2E.%2Fetc"},
        {"slash in front", SPAN("/etc@example.test"), ERR_OK, "example.test/%2Fetc"},
        {"percent itself", SPAN("a%2Fb@example.test"), ERR_OK, "example.test/a%252Fb"},
        {"NUL", {(const uint8_t *)"a\0b@example.test", 16}, ERR_OK, "example.test/a%00b"},
        {"at sign in a quoted local part", SPAN("a@b@example.test"), ERR_OK, "example.test/a%40b"},
        {"blank", SPAN("a b@example.test"), ERR_OK, "example.test/a%20b"},
        {"UTF-8", SPAN("j\xc3\xb6rg@example.test"), ERR_OK, "example.test/j%C3%B6rg"},
        {"hostile domain", SPAN("x@../../etc"), ERR_OK, "%2E.%2F..%2Fetc/x"},
        {"no at sign", SPAN("alice"), ERR_SYNTAX, ""},
        {"no local part", SPAN("@example.test"), ERR_SYNTAX, ""},
        {"no domain", SPAN("alice@"), ERR_SYNTAX, ""},
        {"empty", SPAN(""), ERR_SYNTAX, ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char path[MAILDIR_PATH_MAX] = "";
        CHECK(rows[i].name, maildir_path_format(rows[i].address, path) == rows[i].e);
        CHECK_SPAN(rows[i].name, span_from_cstr(path), span_from_cstr(rows[i].path));
    }
}

static void
test_long_components_are_refused(void **state)
{
    (void)state;
    char path[MAILDIR_PATH_MAX];
    char address[600];
    memset(address, 'a', 255);
    memcpy(address + 255, "@b", 2);
    assert_int_equal(maildir_path_format(span_of(address, 257), path), ERR_OK);
    memset(address, '/', 86); /* 258 octets once encoded */
    memcpy(address + 86, "@b", 2);
    assert_int_equal(maildir_path_format(span_of(address, 88), path), ERR_LIMIT);
    memset(address, 'a', 256);
    memcpy(address + 256, "@b", 2);
    assert_int_equal(maildir_path_format(span_of(address, 258), path), ERR_LIMIT);
}

static void
test_names_are_unique_and_safe(void **state)
{
    (void)state;
    struct maildir_names names;
    char one[MAILDIR_NAME_MAX], two[MAILDIR_NAME_MAX];
    maildir_names_init(&names, SPAN("mx.example.test"), 4711, 0xabcdef);
    maildir_name_next(&names, INT64_C(1764000000123456), one);
    maildir_name_next(&names, INT64_C(1764000000123456), two);
    assert_string_equal(one, "1764000000.M123456P4711Q0R0000000000abcdef.mx.example.test");
    assert_string_equal(two, "1764000000.M123456P4711Q1R0000000000abcdef.mx.example.test");
    maildir_names_init(&names, SPAN("a/b:c,d\\e"), 1, 1);
    maildir_name_next(&names, -5, one);
    assert_string_equal(one, "0.M000000P1Q0R0000000000000001.a\\057b\\072c\\054d\\134e");
}

static void
test_a_long_host_is_cut_off(void **state)
{
    (void)state;
    struct maildir_names names;
    char host[300], name[MAILDIR_NAME_MAX];
    memset(host, ':', sizeof(host));
    maildir_names_init(&names, span_of(host, sizeof(host)), UINT64_MAX, UINT64_MAX);
    names.counter = UINT64_MAX - 1;
    maildir_name_next(&names, INT64_MAX, name);
    assert_true(strlen(name) < MAILDIR_NAME_MAX);
    assert_null(strchr(name, '/'));
    assert_null(strchr(name, ':'));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_long_components_are_refused),
        cmocka_unit_test(test_names_are_unique_and_safe),
        cmocka_unit_test(test_a_long_host_is_cut_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
