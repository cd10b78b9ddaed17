/* path.c - brackets and source route around a mailbox. */
#include "proto/addr/path.h"

#include "text/ascii.h"

/* "@" Domain *("," "@" Domain) ":" at the start of *s is taken. The route is checked, then nobody wants it. */
static enum addr_fault
skip_route(struct span *s, bool is_utf8_allowed)
{
    while (s->len > 0 && s->data[0] == '@') {
        size_t end = 1;
        while (end < s->len && s->data[end] != ',' && s->data[end] != ':')
            end++;
        struct domain hop;
        enum addr_fault fault = domain_parse(span_of(s->data + 1, end - 1), is_utf8_allowed, &hop);
        if (fault != ADDR_OK)
            return fault;
        if (end == s->len)
            return ADDR_SYNTAX;
        bool is_last = s->data[end] == ':';
        *s = span_skip(*s, end + 1);
        if (is_last)
            return ADDR_OK;
    }
    return ADDR_SYNTAX;
}

/* Where the ">" stands that ends the mailbox at the start of `s`, s.len when there is none. */
static size_t
find_end(struct span s)
{
    size_t at = 0;
    if (s.len > 0 && s.data[0] == '"')
        for (at = 1; at < s.len && s.data[at] != '"'; at++)
            if (s.data[at] == '\\')
                at++;
    while (at < s.len && s.data[at] != '>')
        at++;
    return at < s.len ? at : s.len;
}

/* What stands between the brackets, source route removed. */
static enum addr_fault
parse_inner(struct span text, bool has_route, unsigned allow, struct path *ret)
{
    struct path path = {.kind = PATH_MAILBOX, .text = text};
    if (text.len == 0) {
        if ((allow & PATH_ALLOW_NULL) == 0 || has_route)
            return ADDR_SYNTAX;
        path.kind = PATH_NULL;
        *ret = path;
        return ADDR_OK;
    }
    if ((allow & PATH_ALLOW_POSTMASTER) != 0 && !has_route && span_equal_nocase(text, SPAN("postmaster"))) {
        path.kind = PATH_POSTMASTER;
        if (mailbox_from_parts(text, SPAN_EMPTY, &path.mailbox) != ADDR_OK)
            return ADDR_SYNTAX;
        *ret = path;
        return ADDR_OK;
    }
    enum addr_fault fault = mailbox_parse(text, (allow & PATH_ALLOW_UTF8) != 0, &path.mailbox);
    if (fault == ADDR_OK && text.len + 2 > PATH_OCTETS_MAX)
        fault = ADDR_PATH_TOO_LONG;
    if (fault == ADDR_OK)
        *ret = path;
    return fault;
}

enum addr_fault
path_take(struct span *s, unsigned allow, struct path *ret)
{
    if (s->len == 0 || s->data[0] != '<')
        return ADDR_SYNTAX;
    struct span rest = span_skip(*s, 1);
    bool has_route = rest.len > 0 && rest.data[0] == '@';
    if (has_route) {
        enum addr_fault fault = skip_route(&rest, (allow & PATH_ALLOW_UTF8) != 0);
        if (fault != ADDR_OK)
            return fault;
    }
    size_t end = find_end(rest);
    if (end == rest.len)
        return ADDR_SYNTAX;
    enum addr_fault fault = parse_inner(span_first(rest, end), has_route, allow, ret);
    if (fault == ADDR_OK)
        *s = span_skip(rest, end + 1);
    return fault;
}

enum err
path_format(const struct path *p, struct buf *to)
{
    TRY(buf_append_octet(to, '<'));
    if (p->kind != PATH_NULL)
        TRY(mailbox_format(&p->mailbox, to));
    return buf_append_octet(to, '>');
}
