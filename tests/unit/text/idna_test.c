/* idna_test.c - U-labels to A-labels: RFC 5890 to 5892, with the mapping of UTS 46. */
#include "check.h"

#include "text/idna.h"

static void
test_rows(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct span u;
        enum err e;
        const char *a;
    } rows[] = {
        {"German", SPAN("b\xc3\xbc" "cher.example"), ERR_OK, "xn--bcher-kva.example"},
        {"upper case is mapped", SPAN("B\xc3\x9c" "CHER.Example"), ERR_OK, "xn--bcher-kva.example"},
        {"decomposed is composed", SPAN("bu\xcc\x88" "cher.example"), ERR_OK, "xn--bcher-kva.example"},
        {"sharp s stays itself", SPAN("stra\xc3\x9f" "e.example"), ERR_OK, "xn--strae-oqa.example"},
        {"Greek, both labels", SPAN("\xcf\x80\xce\xb1\xcf\x81\xce\xac\xce\xb4\xce\xb5\xce\xb9\xce\xb3\xce\xbc\xce\xb1."
                                        "\xce\xb4\xce\xbf\xce\xba\xce\xb9\xce\xbc\xce\xae"),
         ERR_OK, "xn--hxajbheg2az3al.xn--jxalpdlp"},
        {"ideographic full stop is a dot", SPAN("b\xc3\xbc" "cher\xe3\x80\x82" "example"), ERR_OK,
         "xn--bcher-kva.example"},
        {"snowman is no letter of IDNA2008", SPAN("\xe2\x98\x83.example"), ERR_SYNTAX, ""},
        {"label begins with a combining mark", SPAN("\xcc\x88" "b.example"), ERR_SYNTAX, ""},
        {"NUL", SPAN("b\xc3\xbc\0.example"), ERR_SYNTAX, ""},
        {"not UTF-8", SPAN("b\xfc.example"), ERR_SYNTAX, ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf b;
        buf_init(&b, 300);
        CHECK(rows[i].name, idna_to_ascii(rows[i].u, &b) == rows[i].e);
        if (rows[i].e == ERR_OK)
            CHECK_SPAN(rows[i].name, buf_span(&b), span_from_cstr(rows[i].a));
        buf_done(&b);
    }
}

static void
test_limits(void **state)
{
    (void)state;
    uint8_t name[IDNA_INPUT_MAX + 2], room[4];
    memset(name, 'a', sizeof(name));
    struct buf b;
    buf_init_fixed(&b, room, sizeof(room));
    assert_int_equal(idna_to_ascii(span_of(name, IDNA_INPUT_MAX + 1), &b), ERR_SYNTAX);
    assert_int_equal(idna_to_ascii(SPAN("b\xc3\xbc" "cher"), &b), ERR_LIMIT);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows), cmocka_unit_test(test_limits)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
