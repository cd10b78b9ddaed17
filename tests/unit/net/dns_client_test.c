/* dns_client_test.c - names in wire form, questions about addresses, and who may claim which name. */
#include "net/dns_client.h"

#include "ipc/ipc_messages.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct wire_row {
    const char *name;
    struct span wire;
    const char *text; /* NULL: refused */
};

static const struct wire_row wire_rows[] = {
    {"a name", SPAN("\4mail\7example\0"), "mail.example"},
    {"letters become lower case", SPAN("\4MAIL\7Example\0"), "mail.example"},
    {"the root", SPAN("\0"), NULL},
    {"nothing", SPAN(""), NULL},
    {"no end", SPAN("\4mail"), NULL},
    {"label longer than what is there", SPAN("\5mail\0"), NULL},
    {"something behind the end", SPAN("\4mail\0x"), NULL},
    {"compression is not for this", SPAN("\xc0\x0c"), NULL},
    {"a dot inside a label", SPAN("\4ma.l\0"), NULL},
    {"a line end inside a label", SPAN("\4ma\r\n\0"), NULL},
    {"a parenthesis", SPAN("\2a)\0"), NULL},
    {"octets beyond ASCII", SPAN("\2\xc3\xa9\0"), NULL},
};

static void
test_names(UNUSED void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(wire_rows); i++) {
        struct domain d = {0};
        bool is_ok = dns_host_from_wire(wire_rows[i].wire, &d);
        if (is_ok != (wire_rows[i].text != NULL))
            fail_msg("%s", wire_rows[i].name);
        if (is_ok)
            assert_true(span_equal(domain_span(&d), span_from_cstr(wire_rows[i].text)));
    }
}

static void
test_questions(UNUSED void **state)
{
    struct address_literal a;
    char text[DNS_REVERSE_QUESTION_MAX];
    assert_true(address_literal_parse_ip(SPAN("192.0.2.1"), &a));
    size_t len = dns_reverse_question(&a, text);
    assert_true(span_equal(span_of(text, len), SPAN("1.2.0.192.in-addr.arpa")));
    assert_true(address_literal_parse_ip(SPAN("2001:db8::567:89ab"), &a));
    len = dns_reverse_question(&a, text);
    assert_true(span_equal(span_of(text, len),
                           SPAN("b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa")));
}

/* A resolver that answers from a table: the IPC call itself is replaced. */
struct answer {
    const char *question;
    uint16_t type;
    uint8_t status;
    enum err e;
    size_t count;
    struct ipc_dns_record records[4];
};

static const struct answer *answers;
static size_t answer_count;

enum err
ipc_dns_lookup(UNUSED struct fiber *f, UNUSED struct deadline by, UNUSED struct ipc_link *to,
               const struct ipc_dns_lookup *request, UNUSED struct arena *mem, struct ipc_dns_lookup_reply *ret)
{
    for (size_t i = 0; i < answer_count; i++) {
        if (!span_equal(request->name, span_from_cstr(answers[i].question)) || request->type != answers[i].type)
            continue;
        *ret = (struct ipc_dns_lookup_reply){.status = answers[i].status};
        ret->records = answers[i].records;
        ret->records_count = answers[i].count;
        return answers[i].e;
    }
    *ret = (struct ipc_dns_lookup_reply){.status = DNS_STATUS_NO_NAME};
    return ERR_OK;
}

#define PTR(...) "1.2.0.192.in-addr.arpa", DNS_TYPE_PTR, __VA_ARGS__
#define NAME_A {SPAN("\1a\4test\0")}
#define NAME_B {SPAN("\1b\4test\0")}
#define IS_IT {SPAN("\xc0\0\2\1")}
#define IS_OTHER {SPAN("\xc0\0\2\2")}
#define IS_V6 {SPAN("\xc0\0\2\1\0\0\0\0\0\0\0\0\0\0\0\0")}

struct reverse_row {
    const char *name;
    struct answer answers[4];
    enum err e;
    const char *found;
};

static const struct reverse_row reverse_rows[] = {
    {"a name that leads back",
     {{PTR(0, ERR_OK, 1, {NAME_A})}, {"a.test", DNS_TYPE_A, 0, ERR_OK, 2, {IS_OTHER, IS_IT}}},
     ERR_OK,
     "a.test"},
    {"a name that does not",
     {{PTR(0, ERR_OK, 1, {NAME_A})}, {"a.test", DNS_TYPE_A, 0, ERR_OK, 1, {IS_OTHER}}},
     ERR_NOT_FOUND,
     NULL},
    {"an address of the wrong length",
     {{PTR(0, ERR_OK, 1, {NAME_A})}, {"a.test", DNS_TYPE_A, 0, ERR_OK, 1, {IS_V6}}},
     ERR_NOT_FOUND,
     NULL},
    {"the second name leads back",
     {{PTR(0, ERR_OK, 2, {NAME_A, NAME_B})}, {"b.test", DNS_TYPE_A, 0, ERR_OK, 1, {IS_IT}}},
     ERR_OK,
     "b.test"},
    {"the fourth name is not tried",
     {{PTR(0, ERR_OK, 4, {NAME_A, NAME_A, NAME_A, NAME_B})}, {"b.test", DNS_TYPE_A, 0, ERR_OK, 1, {IS_IT}}},
     ERR_NOT_FOUND,
     NULL},
    {"no name", {{PTR(DNS_STATUS_NO_NAME, ERR_OK, 0, {{{0}}})}}, ERR_NOT_FOUND, NULL},
    {"a failing server", {{PTR(DNS_STATUS_FAILED, ERR_OK, 0, {{{0}}})}}, ERR_AGAIN, NULL},
    {"a bogus answer is never used",
     {{PTR(DNS_STATUS_BOGUS, ERR_OK, 1, {NAME_A})}, {"a.test", DNS_TYPE_A, 0, ERR_OK, 1, {IS_IT}}},
     ERR_AGAIN,
     NULL},
    {"a resolver that is away", {{PTR(0, ERR_TIMEOUT, 0, {{{0}}})}}, ERR_AGAIN, NULL},
    {"a cancelled fiber", {{PTR(0, ERR_CANCELED, 0, {{{0}}})}}, ERR_CANCELED, NULL},
    {"the name cannot be checked now",
     {{PTR(0, ERR_OK, 1, {NAME_A})}, {"a.test", DNS_TYPE_A, DNS_STATUS_FAILED, ERR_OK, 0, {{{0}}}}},
     ERR_AGAIN,
     NULL},
};

static void
test_reverse(UNUSED void **state)
{
    struct address_literal address;
    assert_true(address_literal_parse_ip(SPAN("192.0.2.1"), &address));
    for (size_t i = 0; i < ARRAY_LEN(reverse_rows); i++) {
        struct domain name = {0};
        answers = reverse_rows[i].answers;
        answer_count = 0;
        while (answer_count < ARRAY_LEN(reverse_rows[i].answers) &&
               reverse_rows[i].answers[answer_count].question != NULL)
            answer_count++;
        enum err e = dns_reverse_lookup(NULL, DEADLINE_NEVER, NULL, &address, &name);
        if (e != reverse_rows[i].e)
            fail_msg("%s: %s", reverse_rows[i].name, err_name(e));
        if (e == ERR_OK)
            assert_true(span_equal(domain_span(&name), span_from_cstr(reverse_rows[i].found)));
        else
            assert_int_equal(name.len, 0);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_names), cmocka_unit_test(test_questions),
                                       cmocka_unit_test(test_reverse)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
