/* path.c - mailbox paths and unique names: the only places where foreign octets become names of files. */
#include <stdio.h>

#include "base/assert.h"
#include "store/maildir/maildir.h"
#include "text/ascii.h"

enum { COMPONENT_MAX = 255 /* octets of one name, the limit of Linux file systems */ };

static bool
is_plain(uint8_t octet, bool is_first)
{
    if (octet == '.')
        return !is_first;
    return ascii_is(octet, ASCII_ALNUM) || octet == '-' || octet == '_' || octet == '+' || octet == '=';
}

static enum err
component_append(struct span s, struct buf *to)
{
    size_t start = to->len;
    if (s.len == 0)
        return ERR_SYNTAX;
    for (size_t i = 0; i < s.len; i++) {
        if (is_plain(s.data[i], i == 0))
            buf_append_octet(to, s.data[i]);
        else
            (void)buf_printf(to, "%%%02X", s.data[i]);
    }
    if (to->failed || to->len - start > COMPONENT_MAX)
        return ERR_LIMIT;
    return ERR_OK;
}

enum err
maildir_path_format(struct span address, char ret[MAILDIR_PATH_MAX])
{
    size_t at = span_find_last(address, '@');
    if (at == address.len)
        return ERR_SYNTAX;
    uint8_t text[2 * COMPONENT_MAX * 3];
    struct buf path;
    buf_init_fixed(&path, text, sizeof(text));
    TRY(component_append(span_skip(address, at + 1), &path));
    buf_append_octet(&path, '/');
    TRY(component_append(span_first(address, at), &path));
    return span_to_cstr(buf_span(&path), ret, MAILDIR_PATH_MAX) ? ERR_OK : ERR_LIMIT;
}

void
maildir_names_init(struct maildir_names *names, struct span host, uint64_t pid, uint64_t process_random)
{
    *names = (struct maildir_names){.process = process_random, .pid = pid};
    struct buf text;
    buf_init_fixed(&text, names->host, sizeof(names->host) - 1);
    for (size_t i = 0; i < host.len && i < MAILDIR_HOST_MAX; i++) {
        uint8_t octet = host.data[i];
        /* '/' and ':' as the Maildir specification says; ',' because the size follows one. */
        if (ascii_is(octet, ASCII_GRAPH) && octet != '/' && octet != ':' && octet != ',' && octet != '\\')
            buf_append_octet(&text, octet);
        else
            (void)buf_printf(&text, "\\%03o", octet);
    }
    if (text.len == 0)
        buf_append_cstr(&text, "localhost");
}

void
maildir_name_next(struct maildir_names *names, int64_t wall_us, char ret[MAILDIR_NAME_MAX])
{
    if (wall_us < 0)
        wall_us = 0;
    int n = snprintf(ret, MAILDIR_NAME_MAX, "%lld.M%06dP%lluQ%lluR%016llx.", (long long)(wall_us / 1000000),
                     (int)(wall_us % 1000000), (unsigned long long)names->pid, (unsigned long long)names->counter,
                     (unsigned long long)names->process);
    ASSERT(n > 0 && n < MAILDIR_NAME_MAX);
    names->counter++;
    /* What does not fit of the host is only decoration: the parts before it make the name unique. */
    size_t room = MAILDIR_NAME_MAX - 1 - (size_t)n, len = strlen(names->host);
    if (len > room)
        len = room;
    memcpy(ret + n, names->host, len);
    ret[(size_t)n + len] = '\0';
}
