/*
 * access_test.c - who may, as tables: facts in, verdict out. Rows name the requirement they show.
 */
#include "check.h"

#include "policy/access.h"

/* Places that stand for configuration lines: line N of "t". */
#define LINE(n) {{(const uint8_t *)"t", 1}, (n), 1}

enum line {
    LINE_SESSIONS_PER_ADDRESS = 1,
    LINE_SESSIONS,
    LINE_SESSION_TIME,
    LINE_BAD_COMMANDS,
    LINE_RCPT_FAILURES,
    LINE_TRANSACTIONS,
    LINE_SIZE,
    LINE_SPACE,
    LINE_RECIPIENTS,
    LINE_HEADER,
    LINE_HOPS,
    LINE_LENGTH,
    LINE_BARE,
    LINE_NUL,
    LINE_DIRECTORY,
    LINE_RULE = 100, /* the first rule; the next ones follow */
};

static const struct access_policy strict = {
    .host = SPAN("mx.example.com"),
    .sessions_per_address = {100, LINE(LINE_SESSIONS_PER_ADDRESS)},
    .sessions = {1000, LINE(LINE_SESSIONS)},
    .session_time_ms = {7200000, LINE(LINE_SESSION_TIME)},
    .bad_commands = {20, LINE(LINE_BAD_COMMANDS)},
    .rcpt_failures = {50, LINE(LINE_RCPT_FAILURES)},
    .transactions = {1000, LINE(LINE_TRANSACTIONS)},
    .message_size_bytes = {50 * 1024 * 1024, LINE(LINE_SIZE)},
    .free_space_factor = {3, LINE(LINE_SPACE)},
    .recipients = {1000, LINE(LINE_RECIPIENTS)},
    .header_size_bytes = {256 * 1024, LINE(LINE_HEADER)},
    .received_hops = {100, LINE(LINE_HOPS)},
    .line_length_bytes = {64 * 1024, LINE(LINE_LENGTH)},
    .is_bare_newline_normalized = {0, LINE(LINE_BARE)},
    .is_nul_in_body_accepted = {0, LINE(LINE_NUL)},
};

/* What a row expects of a verdict. */
struct wanted {
    enum verdict_action action;
    enum reason reason;
    enum reply_id reply;
    uint32_t line; /* of the rule that decides; 0: none */
};

/* The expectations that stand in many rows. */
#define ALLOWED {VERDICT_ACCEPT, REASON_ALLOWED, REPLY_NONE, 0}
#define RECIPIENT_OK {VERDICT_ACCEPT, REASON_RECIPIENT_OK, REPLY_NONE, LINE_DIRECTORY}
#define REJECTED {VERDICT_REFUSE, REASON_RULE_REJECT, REPLY_POLICY_REFUSED, LINE_RULE}

static void
check_verdict(const char *name, const struct verdict *v, const struct wanted *wanted)
{
    if (v->action != wanted->action || v->reason != wanted->reason || v->reply.id != wanted->reply ||
        v->rule.line != wanted->line)
        fail_msg("%s: got action %d, reason %.*s, reply %d, line %u; wanted %d, %.*s, %d, %u", name, (int)v->action,
                 SPAN_ARG(reason_code(v->reason)), (int)v->reply.id, v->rule.line, (int)wanted->action,
                 SPAN_ARG(reason_code(wanted->reason)), (int)wanted->reply, wanted->line);
    /* What holds for every verdict: its action is that of its reply, and it says what it rests on. */
    if (v->action == VERDICT_ACCEPT || v->action == VERDICT_NEED_FACTS)
        CHECK(name, reply_is_none(v->reply) && !v->ends_session);
    else
        CHECK(name, (v->action == VERDICT_DEFER) == smtp_reply_is_transient(v->reply.id));
    CHECK(name, v->ends_session == (smtp_reply_code(v->reply.id) == 421));
    CHECK(name, (v->action == VERDICT_NEED_FACTS) == (v->facts_needed != 0));
    CHECK(name, v->action == VERDICT_NEED_FACTS || v->facts_used != 0);
}

static struct address_literal
address_of(const char *text)
{
    struct address_literal address = {.family = ADDRESS_LITERAL_NONE};
    if (text != NULL)
        assert_true(address_literal_parse_ip(span_from_cstr(text), &address));
    return address;
}

/* --- rules -------------------------------------------------------------------------------------------------------- */

struct rule_row {
    enum access_rule_action action;
    enum access_rule_subject subject;
    const char *pattern;
    const char *text;
};

enum { RULES_MAX = 8 };

/* Make rules of rows up to the first without a pattern; rule n stands in line LINE_RULE + n. */
static struct access_rule_list
rules_make(const struct rule_row *rows, struct access_rule *rules)
{
    size_t count = 0;
    for (; count < RULES_MAX && rows[count].pattern != NULL; count++) {
        rules[count] = (struct access_rule){
            .action = rows[count].action,
            .subject = rows[count].subject,
            .text = rows[count].text == NULL ? SPAN_EMPTY : span_from_cstr(rows[count].text),
            .pos = LINE(LINE_RULE + (uint32_t)count),
        };
        assert_true(access_pattern_parse(rows[count].subject, span_from_cstr(rows[count].pattern),
            &rules[count].pattern));
    }
    return (struct access_rule_list){rules, count};
}

/* --- connect ------------------------------------------------------------------------------------------------------ */

static void
test_connect(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *address;
        uint64_t of_unit, sessions;
        struct rule_row rules[RULES_MAX];
        struct wanted wanted;
    } rows[] = {
        {"plain", "192.0.2.1", 1, 1, {{0}}, ALLOWED},
        {"the last that fits (33)", "192.0.2.1", 100, 1000, {{0}}, ALLOWED},
        {"one of the address too many (33)", "192.0.2.1", 101, 500, {{0}},
         {VERDICT_DEFER, REASON_SESSIONS_OF_ADDRESS, REPLY_CLIENT_BUSY, LINE_SESSIONS_PER_ADDRESS}},
        {"one too many (33)", "192.0.2.1", 1, 1001, {{0}}, {VERDICT_DEFER, REASON_SESSIONS, REPLY_SERVER_BUSY,
         LINE_SESSIONS}},
        {"unix socket", NULL, 0, 1, {{ACCESS_RULE_DROP, ACCESS_RULE_CLIENT, "0.0.0.0/0", NULL}},
         ALLOWED},
        {"dropped (21)", "192.0.2.1", 1, 1, {{ACCESS_RULE_DROP, ACCESS_RULE_CLIENT, "192.0.2.0/24", NULL}},
         {VERDICT_REFUSE, REASON_RULE_DROP, REPLY_GREETING_REFUSED, LINE_RULE}},
        {"not the network", "198.51.100.1", 1, 1, {{ACCESS_RULE_DROP, ACCESS_RULE_CLIENT, "192.0.2.0/24", NULL}},
         ALLOWED},
        {"accepted before it is dropped", "192.0.2.1", 1, 1,
         {{ACCESS_RULE_ACCEPT, ACCESS_RULE_CLIENT, "192.0.2.1", NULL}, {ACCESS_RULE_DROP, ACCESS_RULE_CLIENT,
          "192.0.2.0/24", NULL}},
         ALLOWED},
        {"the second rule drops", "192.0.2.2", 1, 1,
         {{ACCESS_RULE_ACCEPT, ACCESS_RULE_CLIENT, "192.0.2.1", NULL}, {ACCESS_RULE_DROP, ACCESS_RULE_CLIENT,
          "192.0.2.0/24", NULL}},
         {VERDICT_REFUSE, REASON_RULE_DROP, REPLY_GREETING_REFUSED, LINE_RULE + 1}},
        {"reject waits for the recipient (37)", "192.0.2.1", 1, 1, {{ACCESS_RULE_REJECT, ACCESS_RULE_CLIENT,
         "192.0.2.0/24", NULL}},
         ALLOWED},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct access_rule rules[RULES_MAX];
        struct access_policy policy = strict;
        policy.rules = rules_make(rows[i].rules, rules);
        struct access_connect_facts facts = {
            .client = {.address = address_of(rows[i].address)}, .sessions_of_unit = rows[i].of_unit,
                .sessions = rows[i].sessions};
        struct verdict v = access_connect(&policy, &facts);
        check_verdict(rows[i].name, &v, &rows[i].wanted);
    }
}

/* --- session ------------------------------------------------------------------------------------------------------ */

static void
test_session(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct access_session_facts facts;
        struct wanted wanted;
    } rows[] = {
        {"fresh", {0, 0, 0}, ALLOWED},
        {"at every limit (33)", {7200000, 20, 50}, ALLOWED},
        {"too long (33)", {7200001, 0, 0}, {VERDICT_DEFER, REASON_SESSION_TIME, REPLY_SESSION_TOO_LONG,
         LINE_SESSION_TIME}},
        {"21st bad command (4, 33)", {0, 21, 0}, {VERDICT_DEFER, REASON_BAD_COMMANDS, REPLY_TOO_MANY_ERRORS,
         LINE_BAD_COMMANDS}},
        {"guessing recipients (33)", {0, 0, 51},
         {VERDICT_DEFER, REASON_RCPT_FAILURES, REPLY_TOO_MANY_BAD_RECIPIENTS, LINE_RCPT_FAILURES}},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct verdict v = access_session(&strict, &rows[i].facts);
        check_verdict(rows[i].name, &v, &rows[i].wanted);
    }
}

/* --- MAIL --------------------------------------------------------------------------------------------------------- */

static void
test_mail(void **state)
{
    (void)state;
    enum { MIB = 1024 * 1024 };
    static const struct {
        const char *name;
        struct access_mail_facts facts;
        struct wanted wanted;
    } rows[] = {
        {"plain", {0}, ALLOWED},
        {"SIZE at the limit (51)", {0, true, 50 * MIB, {0}}, ALLOWED},
        {"SIZE over the limit (51)", {0, true, 50 * MIB + 1, {0}},
         {VERDICT_REFUSE, REASON_DECLARED_SIZE, REPLY_MESSAGE_TOO_LARGE, LINE_SIZE}},
        {"SIZE of 20 digits (51)", {0, true, UINT64_MAX, {0}},
         {VERDICT_REFUSE, REASON_DECLARED_SIZE, REPLY_MESSAGE_TOO_LARGE, LINE_SIZE}},
        {"size not declared", {0, false, UINT64_MAX, {0}}, ALLOWED},
        {"three times the limit is free (51)", {0, false, 0, {FACT_STATE_KNOWN, UINT64_C(150) * MIB}},
         ALLOWED},
        {"less than three times is free (51)", {0, false, 0, {FACT_STATE_KNOWN, UINT64_C(150) * MIB - 1}},
         {VERDICT_DEFER, REASON_FREE_SPACE, REPLY_DISK_FULL, LINE_SPACE}},
        {"nobody knows what is free", {0, false, 0, {FACT_STATE_UNKNOWN, 0}}, ALLOWED},
        {"what is free could not be found out", {0, false, 0, {FACT_STATE_FAILED, 0}},
         ALLOWED},
        {"the last transaction (33)", {999, false, 0, {0}}, ALLOWED},
        {"one transaction more (33)", {1000, false, 0, {0}},
         {VERDICT_DEFER, REASON_TRANSACTIONS, REPLY_TOO_MANY_TRANSACTIONS, LINE_TRANSACTIONS}},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct verdict v = access_mail(&strict, &rows[i].facts);
        check_verdict(rows[i].name, &v, &rows[i].wanted);
    }
}

/* --- RCPT --------------------------------------------------------------------------------------------------------- */

static struct path
path_of(const char *text)
{
    struct span rest = span_from_cstr(text);
    struct path path;
    assert_int_equal(path_take(&rest, PATH_ALLOW_NULL | PATH_ALLOW_POSTMASTER | PATH_ALLOW_UTF8, &path), ADDR_OK);
    return path;
}

struct rcpt_row {
    const char *name;
    const char *recipient;
    enum access_recipient status;
    enum access_client_kind kind;
    uint64_t count;
    struct wanted wanted;
};

/* The verdict on a row without rules, the sender being <sender@example.net>. */
static struct verdict
rcpt_eval(const struct rcpt_row *row, const struct access_policy *policy, const struct access_recipient_fact *status)
{
    struct path sender = path_of("<sender@example.net>"), recipient = path_of(row->recipient);
    struct access_rcpt_facts facts = {
        .client = {.kind = row->kind, .address = address_of("192.0.2.1"), .helo = SPAN("client.example.net")},
        .sender = &sender, .recipient = &recipient, .recipient_count = row->count, .status = *status};
    return access_rcpt(policy, &facts);
}

static void
test_rcpt_status(void **state)
{
    (void)state;
    static const struct rcpt_row rows[] = {
        {"known", "<alice@example.com>", ACCESS_RECIPIENT_OK, ACCESS_CLIENT_STRANGER, 0,
         RECIPIENT_OK},
        {"unknown (40)", "<nobody@example.com>", ACCESS_RECIPIENT_UNKNOWN, ACCESS_CLIENT_STRANGER, 0,
         {VERDICT_REFUSE, REASON_RECIPIENT_UNKNOWN, REPLY_USER_UNKNOWN, LINE_DIRECTORY}},
        {"look-up failed, never 550 (40)", "<alice@example.com>", ACCESS_RECIPIENT_UNAVAILABLE, ACCESS_CLIENT_STRANGER,
         0,
         {VERDICT_DEFER, REASON_LOOKUP_FAILED, REPLY_LOOKUP_FAILED, LINE_DIRECTORY}},
        {"full (41)", "<alice@example.com>", ACCESS_RECIPIENT_OVER_QUOTA, ACCESS_CLIENT_STRANGER, 0,
         {VERDICT_DEFER, REASON_RECIPIENT_OVER_QUOTA, REPLY_MAILBOX_FULL, LINE_DIRECTORY}},
        {"suspended (41)", "<alice@example.com>", ACCESS_RECIPIENT_SUSPENDED, ACCESS_CLIENT_STRANGER, 0,
         {VERDICT_REFUSE, REASON_RECIPIENT_SUSPENDED, REPLY_MAILBOX_DISABLED, LINE_DIRECTORY}},
        {"too big for it (41)", "<alice@example.com>", ACCESS_RECIPIENT_TOO_BIG, ACCESS_CLIENT_STRANGER, 0,
         {VERDICT_REFUSE, REASON_RECIPIENT_TOO_BIG, REPLY_MAILBOX_TOO_BIG, LINE_DIRECTORY}},
        {"elsewhere, from a stranger (39)", "<a@example.org>", ACCESS_RECIPIENT_NOT_LOCAL, ACCESS_CLIENT_STRANGER, 0,
         {VERDICT_REFUSE, REASON_RELAY_DENIED, REPLY_RELAY_DENIED, LINE_DIRECTORY}},
        {"literal, from a stranger (39)", "<a@[203.0.113.1]>", ACCESS_RECIPIENT_NOT_LOCAL, ACCESS_CLIENT_STRANGER, 0,
         {VERDICT_REFUSE, REASON_RELAY_DENIED, REPLY_RELAY_DENIED, LINE_DIRECTORY}},
        {"source route, from a stranger (12, 39)", "<@example.com:a@example.org>", ACCESS_RECIPIENT_NOT_LOCAL,
         ACCESS_CLIENT_STRANGER, 0, {VERDICT_REFUSE, REASON_RELAY_DENIED, REPLY_RELAY_DENIED, LINE_DIRECTORY}},
        {"%-hack is a local part like any other (39)", "<a%example.org@example.com>", ACCESS_RECIPIENT_UNKNOWN,
         ACCESS_CLIENT_STRANGER, 0, {VERDICT_REFUSE, REASON_RECIPIENT_UNKNOWN, REPLY_USER_UNKNOWN, LINE_DIRECTORY}},
        {"!-path likewise (39)", "<example.org!a@example.com>", ACCESS_RECIPIENT_UNKNOWN, ACCESS_CLIENT_STRANGER, 0,
         {VERDICT_REFUSE, REASON_RECIPIENT_UNKNOWN, REPLY_USER_UNKNOWN, LINE_DIRECTORY}},
        {"elsewhere, from a user of the machine", "<a@example.org>", ACCESS_RECIPIENT_NOT_LOCAL,
         ACCESS_CLIENT_LOCAL_USER, 0,
         {VERDICT_REFUSE, REASON_NO_ROUTE, REPLY_NO_ROUTE, LINE_DIRECTORY}},
        {"elsewhere, authenticated", "<a@example.org>", ACCESS_RECIPIENT_NOT_LOCAL, ACCESS_CLIENT_AUTHENTICATED, 0,
         {VERDICT_REFUSE, REASON_NO_ROUTE, REPLY_NO_ROUTE, LINE_DIRECTORY}},
        {"elsewhere, from a trusted network", "<a@example.org>", ACCESS_RECIPIENT_NOT_LOCAL, ACCESS_CLIENT_TRUSTED, 0,
         {VERDICT_REFUSE, REASON_NO_ROUTE, REPLY_NO_ROUTE, LINE_DIRECTORY}},
        {"postmaster of a domain (37)", "<PostMaster@example.com>", ACCESS_RECIPIENT_OK, ACCESS_CLIENT_STRANGER, 0,
         {VERDICT_ACCEPT, REASON_POSTMASTER, REPLY_NONE, LINE_DIRECTORY}},
        {"postmaster without a domain (37)", "<postmaster>", ACCESS_RECIPIENT_OK, ACCESS_CLIENT_STRANGER, 0,
         {VERDICT_ACCEPT, REASON_POSTMASTER, REPLY_NONE, LINE_DIRECTORY}},
        {"postmaster elsewhere (39)", "<postmaster@example.org>", ACCESS_RECIPIENT_NOT_LOCAL, ACCESS_CLIENT_STRANGER, 0,
         {VERDICT_REFUSE, REASON_RELAY_DENIED, REPLY_RELAY_DENIED, LINE_DIRECTORY}},
        {"recipient 1000 (9)", "<alice@example.com>", ACCESS_RECIPIENT_OK, ACCESS_CLIENT_STRANGER, 999,
         RECIPIENT_OK},
        {"recipient 1001 (9)", "<alice@example.com>", ACCESS_RECIPIENT_OK, ACCESS_CLIENT_STRANGER, 1000,
         {VERDICT_DEFER, REASON_RECIPIENTS, REPLY_RECIPIENTS_MAX, LINE_RECIPIENTS}},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct access_recipient_fact status = {FACT_STATE_KNOWN, rows[i].status, LINE(LINE_DIRECTORY)};
        struct verdict v = rcpt_eval(&rows[i], &strict, &status);
        check_verdict(rows[i].name, &v, &rows[i].wanted);
    }
}

static void
test_rcpt_asks_first(void **state)
{
    (void)state;
    static const struct rcpt_row unknown = {"not asked yet", "<alice@example.com>", 0, ACCESS_CLIENT_STRANGER, 0,
                                            {VERDICT_NEED_FACTS, REASON_NONE, REPLY_NONE, 0}};
    static const struct rcpt_row failed = {"no answer (40)", "<alice@example.com>", 0, ACCESS_CLIENT_STRANGER, 0,
                                           {VERDICT_DEFER, REASON_LOOKUP_FAILED, REPLY_LOOKUP_FAILED, 0}};
    static const struct rcpt_row full = {"too many, without asking (9)", "<alice@example.com>", 0,
        ACCESS_CLIENT_STRANGER, 1000,
                                         {VERDICT_DEFER, REASON_RECIPIENTS, REPLY_RECIPIENTS_MAX, LINE_RECIPIENTS}};
    struct access_recipient_fact status = {.state = FACT_STATE_UNKNOWN};
    struct verdict v = rcpt_eval(&unknown, &strict, &status);
    check_verdict(unknown.name, &v, &unknown.wanted);
    assert_int_equal(v.facts_needed, fact_bit(FACT_RECIPIENT_STATUS));

    v = rcpt_eval(&full, &strict, &status);
    check_verdict(full.name, &v, &full.wanted);

    status.state = FACT_STATE_FAILED;
    v = rcpt_eval(&failed, &strict, &status);
    check_verdict(failed.name, &v, &failed.wanted);
}

static void
test_rcpt_rules(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct rule_row rules[RULES_MAX];
        const char *sender, *recipient, *helo;
        struct wanted wanted;
    } rows[] = {
        {"client", {{ACCESS_RULE_REJECT, ACCESS_RULE_CLIENT, "192.0.2.0/24", NULL}}, "<s@x.example>",
         "<a@example.com>", "h", REJECTED},
        {"other client", {{ACCESS_RULE_REJECT, ACCESS_RULE_CLIENT, "192.0.3.0/24", NULL}}, "<s@x.example>",
         "<a@example.com>", "h", RECIPIENT_OK},
        {"helo", {{ACCESS_RULE_REJECT, ACCESS_RULE_HELO, "friend", NULL}}, "<s@x.example>", "<a@example.com>",
         "FRIEND", REJECTED},
        {"helo below", {{ACCESS_RULE_REJECT, ACCESS_RULE_HELO, ".dyn.example", NULL}}, "<>", "<a@example.com>",
         "a.b.dyn.example", REJECTED},
        {"helo below is not the name itself", {{ACCESS_RULE_REJECT, ACCESS_RULE_HELO, ".dyn.example", NULL}}, "<>",
         "<a@example.com>",
         "dyn.example", RECIPIENT_OK},
        {"helo literal matches no name", {{ACCESS_RULE_REJECT, ACCESS_RULE_HELO, "example.net", NULL}}, "<>",
         "<a@example.com>",
         "[192.0.2.1]", RECIPIENT_OK},
        {"sender's domain", {{ACCESS_RULE_REJECT, ACCESS_RULE_SENDER, "x.example", NULL}}, "<s@X.Example>",
         "<a@example.com>", "h", REJECTED},
        {"sender below", {{ACCESS_RULE_REJECT, ACCESS_RULE_SENDER, ".example", NULL}}, "<s@x.example>",
         "<a@example.com>", "h", REJECTED},
        {"sender not below by letters alone", {{ACCESS_RULE_REJECT, ACCESS_RULE_SENDER, ".x.example", NULL}},
         "<s@yx.example>",
         "<a@example.com>", "h", RECIPIENT_OK},
        {"sender's address, any case", {{ACCESS_RULE_REJECT, ACCESS_RULE_SENDER, "spam@x.example", NULL}},
         "<SPAM@x.example>",
         "<a@example.com>", "h", REJECTED},
        {"sender's address, quoted (13)", {{ACCESS_RULE_REJECT, ACCESS_RULE_SENDER, "spam@x.example", NULL}},
         "<\"spam\"@x.example>",
         "<a@example.com>", "h", REJECTED},
        {"another address", {{ACCESS_RULE_REJECT, ACCESS_RULE_SENDER, "spam@x.example", NULL}}, "<ham@x.example>",
         "<a@example.com>", "h", RECIPIENT_OK},
        {"null sender by its own pattern", {{ACCESS_RULE_REJECT, ACCESS_RULE_SENDER, "<>", NULL}}, "<>",
         "<a@example.com>", "h", REJECTED},
        {"null sender by no other (38)", {{ACCESS_RULE_REJECT, ACCESS_RULE_SENDER, "x.example", NULL}}, "<>",
         "<a@example.com>", "h", RECIPIENT_OK},
        {"recipient", {{ACCESS_RULE_REJECT, ACCESS_RULE_RECIPIENT, "a@example.com", NULL}}, "<>", "<a@example.com>",
         "h", REJECTED},
        {"recipient's domain", {{ACCESS_RULE_REJECT, ACCESS_RULE_RECIPIENT, "example.com", NULL}}, "<>",
         "<a@example.com>", "h", REJECTED},
        {"literal matches no name", {{ACCESS_RULE_REJECT, ACCESS_RULE_SENDER, "x.example", NULL}}, "<s@[192.0.2.9]>",
         "<a@example.com>", "h", RECIPIENT_OK},
        {"literal itself", {{ACCESS_RULE_REJECT, ACCESS_RULE_SENDER, "s@[192.0.2.9]", NULL}}, "<s@[192.0.2.9]>",
         "<a@example.com>", "h", REJECTED},
        {"deferred", {{ACCESS_RULE_DEFER, ACCESS_RULE_HELO, "h", NULL}}, "<>", "<a@example.com>", "h",
         {VERDICT_DEFER, REASON_RULE_DEFER, REPLY_POLICY_DEFERRED, LINE_RULE}},
        {"first match decides: accept",
         {{ACCESS_RULE_ACCEPT, ACCESS_RULE_SENDER, "x.example", NULL}, {ACCESS_RULE_REJECT, ACCESS_RULE_CLIENT,
          "0.0.0.0/0", NULL}},
         "<s@x.example>", "<a@example.com>", "h", {VERDICT_ACCEPT, REASON_RULE_ACCEPT, REPLY_NONE, LINE_RULE}},
        {"first match decides: reject",
         {{ACCESS_RULE_ACCEPT, ACCESS_RULE_SENDER, "y.example", NULL}, {ACCESS_RULE_REJECT, ACCESS_RULE_CLIENT,
          "0.0.0.0/0", NULL}},
         "<s@x.example>", "<a@example.com>", "h", {VERDICT_REFUSE, REASON_RULE_REJECT, REPLY_POLICY_REFUSED,
         LINE_RULE + 1}},
        {"postmaster is exempt (37)", {{ACCESS_RULE_REJECT, ACCESS_RULE_CLIENT, "0.0.0.0/0", NULL}}, "<>",
         "<postmaster@example.com>", "h",
         {VERDICT_ACCEPT, REASON_POSTMASTER, REPLY_NONE, LINE_DIRECTORY}},
        {"bare postmaster is exempt (37)", {{ACCESS_RULE_DEFER, ACCESS_RULE_SENDER, "<>", NULL}}, "<>", "<Postmaster>",
         "h",
         {VERDICT_ACCEPT, REASON_POSTMASTER, REPLY_NONE, LINE_DIRECTORY}},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct access_rule rules[RULES_MAX];
        struct access_policy policy = strict;
        policy.rules = rules_make(rows[i].rules, rules);
        struct path sender = path_of(rows[i].sender), recipient = path_of(rows[i].recipient);
        struct access_rcpt_facts facts = {
            .client = {.address = address_of("192.0.2.1"), .helo = span_from_cstr(rows[i].helo)},
            .sender = &sender, .recipient = &recipient, .status = {FACT_STATE_KNOWN, ACCESS_RECIPIENT_OK,
                LINE(LINE_DIRECTORY)}};
        struct verdict v = access_rcpt(&policy, &facts);
        check_verdict(rows[i].name, &v, &rows[i].wanted);
    }
}

static void
test_accept_never_relays(void **state)
{
    (void)state;
    static const struct rule_row rows[RULES_MAX] = {{ACCESS_RULE_ACCEPT, ACCESS_RULE_CLIENT, "0.0.0.0/0", NULL},
                                                    {ACCESS_RULE_ACCEPT, ACCESS_RULE_RECIPIENT, "example.org", NULL}};
    static const struct rcpt_row row = {"accepted by rule, still elsewhere (39)", "<a@example.org>", 0,
        ACCESS_CLIENT_STRANGER, 0,
                                        {VERDICT_REFUSE, REASON_RELAY_DENIED, REPLY_RELAY_DENIED, LINE_DIRECTORY}};
    struct access_rule rules[RULES_MAX];
    struct access_policy policy = strict;
    policy.rules = rules_make(rows, rules);
    struct access_recipient_fact status = {FACT_STATE_KNOWN, ACCESS_RECIPIENT_NOT_LOCAL, LINE(LINE_DIRECTORY)};
    struct verdict v = rcpt_eval(&row, &policy, &status);
    check_verdict(row.name, &v, &row.wanted);
}

static void
test_rule_text(void **state)
{
    (void)state;
    static const struct rule_row rows[RULES_MAX] = {
        {ACCESS_RULE_REJECT, ACCESS_RULE_CLIENT, "192.0.2.0/24", "Go away, see https://example.com/why"},
        {ACCESS_RULE_REJECT, ACCESS_RULE_CLIENT, "198.51.100.0/24", NULL},
    };
    static const struct rcpt_row row = {"text", "<a@example.com>", 0, ACCESS_CLIENT_STRANGER, 0,
                                        {VERDICT_REFUSE, REASON_RULE_REJECT, REPLY_POLICY_REFUSED, LINE_RULE}};
    struct access_rule rules[RULES_MAX];
    struct access_policy policy = strict;
    policy.rules = rules_make(rows, rules);
    struct access_recipient_fact status = {.state = FACT_STATE_UNKNOWN};
    struct verdict v = rcpt_eval(&row, &policy, &status); /* decides without asking */
    check_verdict(row.name, &v, &row.wanted);
    struct buf reply;
    buf_init(&reply, 1000);
    assert_int_equal(smtp_reply_format(&v.reply, &reply), ERR_OK);
    CHECK_SPAN("own words", buf_span(&reply), SPAN("550 5.7.1 Go away, see https://example.com/why\r\n"));

    policy.rules.items++;
    policy.rules.count--;
    rules[1].pattern.network = rules[0].pattern.network;
    v = rcpt_eval(&row, &policy, &status);
    buf_clear(&reply);
    assert_int_equal(smtp_reply_format(&v.reply, &reply), ERR_OK);
    CHECK_SPAN("usual words", buf_span(&reply), SPAN("550 5.7.1 Refused by the rules of this server\r\n"));
    buf_done(&reply);
}

/* --- end of data -------------------------------------------------------------------------------------------------- */

static void
test_data(void **state)
{
    (void)state;
    enum { MIB = 1024 * 1024, ALL_FLAWS = 0x1ff };
    static const struct {
        const char *name;
        uint64_t size_bytes;
        unsigned flaws;
        bool is_header_too_large;
        uint64_t hops;
        struct wanted wanted;
    } rows[] = {
        {"plain", 1000, 0, false, 1, ALLOWED},
        {"8-bit without BODY= (56)", 1000, SMTP_CONTENT_8BIT_IN_BODY | SMTP_CONTENT_8BIT_IN_HEADER, false, 1, ALLOWED},
        {"no final CRLF", 1000, SMTP_CONTENT_NO_FINAL_CRLF, false, 1, ALLOWED},
        {"at the size limit (50)", 50 * MIB, 0, false, 1, ALLOWED},
        {"over the size limit (50)", 50 * MIB + 1, 0, false, 1, {VERDICT_REFUSE, REASON_SIZE, REPLY_MESSAGE_TOO_LARGE,
         LINE_SIZE}},
        {"reader stopped at the size limit (50)", 50 * MIB, SMTP_CONTENT_TOO_LARGE, false, 1,
         {VERDICT_REFUSE, REASON_SIZE, REPLY_MESSAGE_TOO_LARGE, LINE_SIZE}},
        {"header too large", 1000, 0, true, 1, {VERDICT_REFUSE, REASON_HEADER_SIZE, REPLY_HEADER_TOO_LARGE,
         LINE_HEADER}},
        {"bare LF (47)", 1000, SMTP_CONTENT_BARE_LF, false, 1, {VERDICT_REFUSE, REASON_BARE_NEWLINE,
         REPLY_BARE_NEWLINE, LINE_BARE}},
        {"bare CR (47)", 1000, SMTP_CONTENT_BARE_CR, false, 1, {VERDICT_REFUSE, REASON_BARE_NEWLINE,
         REPLY_BARE_NEWLINE, LINE_BARE}},
        {"NUL in header (57)", 1000, SMTP_CONTENT_NUL_IN_HEADER, false, 1, {VERDICT_REFUSE, REASON_NUL_IN_HEADER,
         REPLY_HEADER_NUL, 0}},
        {"NUL in body (57)", 1000, SMTP_CONTENT_NUL_IN_BODY, false, 1, {VERDICT_REFUSE, REASON_NUL_IN_BODY,
         REPLY_BODY_NUL, LINE_NUL}},
        {"line too long (7)", 1000, SMTP_CONTENT_LINE_TOO_LONG, false, 1,
         {VERDICT_REFUSE, REASON_LINE_LENGTH, REPLY_TEXT_LINE_TOO_LONG, LINE_LENGTH}},
        {"100 hops (45)", 1000, 0, false, 100, ALLOWED},
        {"101 hops (45)", 1000, 0, false, 101, {VERDICT_REFUSE, REASON_HOPS, REPLY_LOOP, LINE_HOPS}},
        {"everything at once: size first", 50 * MIB + 1, ALL_FLAWS, true, 1000,
         {VERDICT_REFUSE, REASON_SIZE, REPLY_MESSAGE_TOO_LARGE, LINE_SIZE}},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct smtp_content content = {.size_bytes = rows[i].size_bytes, .flaws = rows[i].flaws};
        struct access_data_facts facts = {&content, rows[i].is_header_too_large, rows[i].hops};
        struct verdict v = access_data(&strict, &facts);
        check_verdict(rows[i].name, &v, &rows[i].wanted);
    }
}

static void
test_data_knobs(void **state)
{
    (void)state;
    struct access_policy lenient = strict;
    lenient.is_bare_newline_normalized.value = 1;
    lenient.is_nul_in_body_accepted.value = 1;
    struct smtp_content content = {
        .size_bytes = 10, .flaws = SMTP_CONTENT_BARE_CR | SMTP_CONTENT_BARE_LF | SMTP_CONTENT_NUL_IN_BODY};
    struct access_data_facts facts = {&content, false, 0};
    struct verdict v = access_data(&lenient, &facts);
    check_verdict("normalized (47), NUL accepted (57)", &v, &(struct wanted)ALLOWED);

    content.flaws |= SMTP_CONTENT_NUL_IN_HEADER;
    v = access_data(&lenient, &facts);
    check_verdict("NUL in header in any case (57)", &v,
                  &(struct wanted){VERDICT_REFUSE, REASON_NUL_IN_HEADER, REPLY_HEADER_NUL, 0});
}

/* --- patterns ----------------------------------------------------------------------------------------------------- */

static void
test_patterns(void **state)
{
    (void)state;
    static const struct {
        enum access_rule_subject subject;
        const char *text;
        const char *canonical; /* NULL: refused */
    } rows[] = {
        {ACCESS_RULE_CLIENT, "192.0.2.0/24", "192.0.2.0/24"},
        {ACCESS_RULE_CLIENT, "192.0.2.1/24", NULL},
        {ACCESS_RULE_CLIENT, "example.com", NULL},
        {ACCESS_RULE_HELO, "Example.COM", "example.com"},
        {ACCESS_RULE_HELO, ".example.com", ".example.com"},
        {ACCESS_RULE_HELO, "user@example.com", NULL},
        {ACCESS_RULE_HELO, "<>", NULL},
        {ACCESS_RULE_HELO, ".", NULL},
        {ACCESS_RULE_HELO, "", NULL},
        {ACCESS_RULE_SENDER, "<>", "<>"},
        {ACCESS_RULE_SENDER, "user@example.com", "user@example.com"},
        {ACCESS_RULE_SENDER, "\"a b\"@example.com", "\"a b\"@example.com"},
        {ACCESS_RULE_SENDER, "@example.com", NULL},
        {ACCESS_RULE_SENDER, "user@", NULL},
        {ACCESS_RULE_RECIPIENT, "<>", NULL},
        {ACCESS_RULE_RECIPIENT, "b\xc3\xbc" "cher.example", "xn--bcher-kva.example"},
        {ACCESS_RULE_RECIPIENT, "*.example.com", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct access_pattern pattern;
        bool is_one = access_pattern_parse(rows[i].subject, span_from_cstr(rows[i].text), &pattern);
        CHECK(rows[i].text, is_one == (rows[i].canonical != NULL));
        if (!is_one)
            continue;
        struct buf text;
        buf_init(&text, 1000);
        CHECK(rows[i].text, access_pattern_format(&pattern, &text) == ERR_OK);
        CHECK_SPAN(rows[i].text, buf_span(&text), span_from_cstr(rows[i].canonical));
        buf_done(&text);
    }
}

/* --- who sends as whom on the local socket ------------------------------------------------------------------------ */

struct submission_row {
    const char *name;
    enum fact_state state;
    const char *user;
    bool is_trusted;
    const char *sender;
    struct wanted wanted;
};

static const struct submission_row submission_rows[] = {
    {"as oneself", FACT_STATE_KNOWN, "ann", false, "<ann@mx.example.com>", ALLOWED},
    {"hostnames have no case", FACT_STATE_KNOWN, "ann", false, "<ann@MX.example.com>", ALLOWED},
    {"user names have one", FACT_STATE_KNOWN, "ann", false, "<Ann@mx.example.com>",
     {VERDICT_REFUSE, REASON_SENDER_NOT_OWN, REPLY_POLICY_REFUSED, LINE_RULE}},
    {"as another user", FACT_STATE_KNOWN, "ann", false, "<bob@mx.example.com>",
     {VERDICT_REFUSE, REASON_SENDER_NOT_OWN, REPLY_POLICY_REFUSED, LINE_RULE}},
    {"in another domain", FACT_STATE_KNOWN, "ann", false, "<ann@example.com>",
     {VERDICT_REFUSE, REASON_SENDER_NOT_OWN, REPLY_POLICY_REFUSED, LINE_RULE}},
    {"trusted, as anybody", FACT_STATE_KNOWN, "root", true, "<bob@elsewhere.example>",
     {VERDICT_ACCEPT, REASON_USER_TRUSTED, REPLY_NONE, LINE_RULE}},
    {"an id without a name", FACT_STATE_KNOWN, "", false, "<ann@mx.example.com>",
     {VERDICT_REFUSE, REASON_SENDER_NOT_OWN, REPLY_POLICY_REFUSED, LINE_RULE}},
    {"the null sender", FACT_STATE_KNOWN, "ann", false, "<>",
     {VERDICT_REFUSE, REASON_SENDER_NOT_OWN, REPLY_POLICY_REFUSED, LINE_RULE}},
    {"the null sender, trusted", FACT_STATE_KNOWN, "root", true, "<>",
     {VERDICT_ACCEPT, REASON_USER_TRUSTED, REPLY_NONE, LINE_RULE}},
    {"an id without a name, null sender", FACT_STATE_KNOWN, "", false, "<>",
     {VERDICT_REFUSE, REASON_SENDER_NOT_OWN, REPLY_POLICY_REFUSED, LINE_RULE}},
    {"a detail of one's own", FACT_STATE_KNOWN, "ann", false, "<ann+x@mx.example.com>",
     {VERDICT_REFUSE, REASON_SENDER_NOT_OWN, REPLY_POLICY_REFUSED, LINE_RULE}},
    {"below the hostname", FACT_STATE_KNOWN, "ann", false, "<ann@x.mx.example.com>",
     {VERDICT_REFUSE, REASON_SENDER_NOT_OWN, REPLY_POLICY_REFUSED, LINE_RULE}},
    {"at a literal", FACT_STATE_KNOWN, "ann", false, "<ann@[127.0.0.1]>",
     {VERDICT_REFUSE, REASON_SENDER_NOT_OWN, REPLY_POLICY_REFUSED, LINE_RULE}},
    {"nobody has asked", FACT_STATE_UNKNOWN, "", false, "<ann@mx.example.com>", {VERDICT_NEED_FACTS, REASON_NONE, REPLY_NONE, 0}},
    {"no answer", FACT_STATE_FAILED, "", false, "<ann@mx.example.com>",
     {VERDICT_DEFER, REASON_USER_LOOKUP_FAILED, REPLY_FAULT, 0}},
};

static void
test_submission(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(submission_rows); i++) {
        const struct submission_row *row = &submission_rows[i];
        struct span text = span_from_cstr(row->sender);
        struct path sender;
        CHECK(row->name, path_take(&text, PATH_ALLOW_NULL, &sender) == ADDR_OK);
        struct access_submission_facts facts = {
            .user_state = row->state,
            .user = span_from_cstr(row->user),
            .is_trusted = row->is_trusted,
            .sender = &sender,
            .trusted_users = LINE(LINE_RULE),
        };
        struct verdict verdict = access_submission(&strict, &facts);
        check_verdict(row->name, &verdict, &row->wanted);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_connect),         cmocka_unit_test(test_session),    cmocka_unit_test(test_mail),
        cmocka_unit_test(test_rcpt_status),     cmocka_unit_test(test_rcpt_rules),
            cmocka_unit_test(test_rcpt_asks_first),
        cmocka_unit_test(test_accept_never_relays), cmocka_unit_test(test_rule_text), cmocka_unit_test(test_data),
        cmocka_unit_test(test_data_knobs),      cmocka_unit_test(test_patterns),
        cmocka_unit_test(test_submission),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
