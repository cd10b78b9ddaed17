/* exit_status.c - the end of a command in the words of the mail system. sysexits.h, RFC 3463. */
#include "deliver/deliver.h"
#include "text/ascii.h"

#include <sysexits.h>

/* Statuses as Postfix and Sendmail read them. */
static const struct {
    int code;
    enum delivery_class class;
    const char *status;
    const char *text;
} meanings[] = {
    {EX_USAGE, DELIVERY_FAILED, "5.3.0", "wrong usage"},
    {EX_DATAERR, DELIVERY_FAILED, "5.6.0", "bad data"},
    {EX_NOINPUT, DELIVERY_FAILED, "5.3.0", "no input"},
    {EX_NOUSER, DELIVERY_FAILED, "5.1.1", "no such user"},
    {EX_NOHOST, DELIVERY_FAILED, "5.1.2", "no such host"},
    {EX_UNAVAILABLE, DELIVERY_FAILED, "5.3.0", "service unavailable"},
    {EX_SOFTWARE, DELIVERY_FAILED, "5.3.0", "internal error"},
    {EX_OSERR, DELIVERY_DEFERRED, "4.3.0", "the system refused something"},
    {EX_OSFILE, DELIVERY_FAILED, "5.3.0", "a file of the system is missing"},
    {EX_CANTCREAT, DELIVERY_FAILED, "5.2.0", "cannot create a file"},
    {EX_IOERR, DELIVERY_FAILED, "5.3.0", "input or output failed"},
    {EX_TEMPFAIL, DELIVERY_DEFERRED, "4.3.0", "not now"},
    {EX_PROTOCOL, DELIVERY_FAILED, "5.5.0", "protocol error"},
    {EX_NOPERM, DELIVERY_FAILED, "5.7.0", "not permitted"},
    {EX_CONFIG, DELIVERY_FAILED, "5.3.5", "wrong configuration"},
};

enum { SHELL_EXEC_REFUSED = 126, SHELL_NOT_FOUND = 127, SHELL_SIGNAL_FIRST = 129, DIGITS_MAX = 3 };

static size_t
digits_len(struct span s)
{
    size_t n = 0;
    while (n < s.len && n < DIGITS_MAX && ascii_is(s.data[n], ASCII_DIGIT))
        n++;
    return n;
}

/* The length of "4.x.y" or "5.x.y" at the start of `s`, 0 when there is none. RFC 3463 §2. */
static size_t
status_len(struct span s)
{
    if (s.len < 2 || (s.data[0] != '4' && s.data[0] != '5') || s.data[1] != '.')
        return 0;
    size_t subject = digits_len(span_skip(s, 2));
    size_t dot = 2 + subject;
    if (subject == 0 || dot >= s.len || s.data[dot] != '.')
        return 0;
    size_t detail = digits_len(span_skip(s, dot + 1));
    size_t end = dot + 1 + detail;
    bool ends = end == s.len || ascii_is(s.data[end], ASCII_BLANK) || s.data[end] == '\n' || s.data[end] == '\r';
    return detail > 0 && ends ? end : 0;
}

/* Output on one line: runs of blanks and line ends become one blank. */
static void
output_append(struct span output, struct buf *to)
{
    bool is_gap = true;
    for (size_t i = 0; i < output.len; i++) {
        uint8_t octet = output.data[i];
        bool is_blank = ascii_is(octet, ASCII_BLANK) || octet == '\n' || octet == '\r' || octet == '\0';
        if (is_blank && !is_gap)
            buf_append_octet(to, ' ');
        if (!is_blank)
            buf_append_octet(to, octet);
        is_gap = is_blank;
    }
    while (to->len > 0 && to->data[to->len - 1] == ' ')
        to->len--;
}

static void
meaning_set(int code, int signal, struct deliver_verdict *verdict)
{
    for (size_t i = 0; i < ARRAY_LEN(meanings); i++) {
        if (meanings[i].code != code)
            continue;
        deliver_verdict_set(verdict, meanings[i].class, meanings[i].status, "the command says: %s (exit status %d)",
                            meanings[i].text, code);
        return;
    }
    if (code < 0)
        deliver_verdict_set(verdict, DELIVERY_DEFERRED, "4.3.0", "the command was killed by signal %d", signal);
    else if (code == SHELL_EXEC_REFUSED || code == SHELL_NOT_FOUND || code >= SHELL_SIGNAL_FIRST)
        deliver_verdict_set(verdict, DELIVERY_DEFERRED, "4.3.0",
                            "the command did not run as it should (exit status %d)", code);
    else
        deliver_verdict_set(verdict, DELIVERY_FAILED, "5.3.0", "the command failed (exit status %d)", code);
}

void
deliver_exit_eval(int code, int signal, struct span output, struct deliver_verdict *verdict)
{
    if (code == EX_OK) {
        deliver_verdict_set(verdict, DELIVERY_DONE, "2.0.0", "delivered to a command");
        return;
    }
    size_t len = code > 0 ? status_len(output) : 0;
    if (len > 0) {
        deliver_verdict_set(verdict, output.data[0] == '4' ? DELIVERY_DEFERRED : DELIVERY_FAILED, "", "%s", "");
        bool fits = span_to_cstr(span_first(output, len), verdict->status, sizeof(verdict->status));
        (void)fits; /* at most nine octets */
        output_append(span_skip(output, len), &verdict->text);
        return;
    }
    meaning_set(code, signal, verdict);
    if (span_is_empty(output))
        return;
    buf_append_cstr(&verdict->text, ": ");
    output_append(output, &verdict->text);
}
