/* mailbox.c - local part first, strictly from left to right; then the domain or literal is all the rest. */
#include "proto/addr/mailbox.h"

#include "text/ascii.h"
#include "text/utf8.h"

enum { UTF8_LEAST = 0x80 };

/* A local part as it is being read. */
struct local {
    struct mailbox *to;
    size_t len; /* unquoted octets, more than fit are counted only */
    bool is_utf8;
};

static void
local_add(struct local *l, uint8_t octet)
{
    if (l->len < MAILBOX_LOCAL_OCTETS_MAX)
        l->to->local[l->len] = octet;
    l->len++;
    l->is_utf8 |= octet >= UTF8_LEAST;
}

/* Atom *("." Atom) at the start of `s`; the number of octets it takes, 0 when there is none. */
static size_t
read_dot_string(struct span s, struct local *l)
{
    size_t at = 0;
    bool is_in_atom = false;
    for (; at < s.len; at++) {
        uint8_t c = s.data[at];
        if (c == '.' ? !is_in_atom : !ascii_is(c, ASCII_ATEXT) && c < UTF8_LEAST)
            break;
        is_in_atom = c != '.';
        local_add(l, c);
    }
    return is_in_atom ? at : 0;
}

/* DQUOTE 1*QcontentSMTP DQUOTE at the start of `s`; the number of octets it takes, 0 when it is not that. */
static size_t
read_quoted_string(struct span s, struct local *l)
{
    for (size_t at = 1; at < s.len; at++) {
        uint8_t c = s.data[at];
        if (c == '"')
            return l->len == 0 ? 0 : at + 1;
        if (c == '\\') {
            if (++at == s.len || !ascii_is(s.data[at], ASCII_PRINT))
                return 0;
            c = s.data[at];
        } else if (!ascii_is(c, ASCII_QTEXT) && c < UTF8_LEAST) {
            return 0;
        }
        local_add(l, c);
    }
    return 0;
}

/* Check and finish a local part that takes `written_len` octets where it is written. */
static enum addr_fault
local_finish(const struct local *l, size_t written_len, bool is_utf8_allowed)
{
    if (l->is_utf8 && !is_utf8_allowed)
        return ADDR_UTF8_NOT_ALLOWED;
    if (written_len > MAILBOX_LOCAL_OCTETS_MAX)
        return ADDR_LOCAL_TOO_LONG;
    l->to->local_len = (uint8_t)l->len;
    l->to->is_utf8 = l->is_utf8;
    return l->is_utf8 && !utf8_is_valid(mailbox_local(l->to)) ? ADDR_UTF8_INVALID : ADDR_OK;
}

static enum addr_fault
parse_host(struct span s, bool is_utf8_allowed, struct mailbox *m)
{
    if (s.len > 0 && s.data[0] == '[')
        return address_literal_parse(s, &m->literal) ? ADDR_OK : ADDR_SYNTAX;
    return domain_parse(s, is_utf8_allowed, &m->domain);
}

enum addr_fault
mailbox_parse(struct span s, bool is_utf8_allowed, struct mailbox *ret)
{
    struct mailbox m = {0};
    struct local l = {.to = &m};
    bool is_quoted = s.len > 0 && s.data[0] == '"';
    size_t written_len = is_quoted ? read_quoted_string(s, &l) : read_dot_string(s, &l);
    if (written_len == 0 || written_len == s.len || s.data[written_len] != '@')
        return ADDR_SYNTAX;
    enum addr_fault local = local_finish(&l, written_len, is_utf8_allowed);
    enum addr_fault host = parse_host(span_skip(s, written_len + 1), is_utf8_allowed, &m);
    /* What is no address at all is no matter of lengths. */
    if (local != ADDR_OK && host != ADDR_SYNTAX)
        return local;
    if (host != ADDR_OK)
        return host;
    *ret = m;
    return ADDR_OK;
}

static bool
is_dot_string(struct span local)
{
    struct mailbox scratch;
    struct local l = {.to = &scratch};
    return local.len > 0 && read_dot_string(local, &l) == local.len;
}

/* How many octets the local part takes when it is written. */
static size_t
written_len_of(struct span local)
{
    if (is_dot_string(local))
        return local.len;
    size_t len = local.len + 2;
    for (size_t i = 0; i < local.len; i++)
        len += local.data[i] == '"' || local.data[i] == '\\';
    return len;
}

enum addr_fault
mailbox_from_parts(struct span local, struct span domain, struct mailbox *ret)
{
    struct mailbox m = {0};
    struct local l = {.to = &m};
    for (size_t i = 0; i < local.len; i++) {
        if (!ascii_is(local.data[i], ASCII_PRINT) && local.data[i] < UTF8_LEAST)
            return ADDR_SYNTAX;
        local_add(&l, local.data[i]);
    }
    if (local.len == 0)
        return ADDR_SYNTAX;
    enum addr_fault fault = local_finish(&l, written_len_of(local), true);
    if (fault != ADDR_OK)
        return fault;
    if (domain.len > 0)
        fault = parse_host(domain, true, &m);
    else if (!mailbox_is_postmaster(&m))
        fault = ADDR_SYNTAX;
    if (fault == ADDR_OK)
        *ret = m;
    return fault;
}

static enum err
format_local(struct span local, struct buf *to)
{
    if (is_dot_string(local))
        return buf_append(to, local);
    TRY(buf_append_octet(to, '"'));
    for (size_t i = 0; i < local.len; i++) {
        if (local.data[i] == '"' || local.data[i] == '\\')
            TRY(buf_append_octet(to, '\\'));
        TRY(buf_append_octet(to, local.data[i]));
    }
    return buf_append_octet(to, '"');
}

enum err
mailbox_format_domain(const struct mailbox *m, struct buf *to)
{
    if (m->literal.family != ADDRESS_LITERAL_NONE)
        return address_literal_format(&m->literal, to);
    return buf_append(to, domain_span(&m->domain));
}

enum err
mailbox_format(const struct mailbox *m, struct buf *to)
{
    TRY(format_local(mailbox_local(m), to));
    if (m->domain.len == 0 && m->literal.family == ADDRESS_LITERAL_NONE)
        return ERR_OK;
    TRY(buf_append_octet(to, '@'));
    return mailbox_format_domain(m, to);
}

bool
mailbox_equal(const struct mailbox *a, const struct mailbox *b)
{
    return span_equal(mailbox_local(a), mailbox_local(b)) && domain_equal(&a->domain, &b->domain) &&
           address_literal_equal(&a->literal, &b->literal);
}

bool
mailbox_is_postmaster(const struct mailbox *m)
{
    return span_equal_nocase(mailbox_local(m), SPAN("postmaster"));
}
