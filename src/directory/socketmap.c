/* socketmap.c - netstrings and the five words of a reply. */
#include "directory/socketmap.h"

#include "text/ascii.h"

enum err
socketmap_request_format(struct span map, struct span key, struct buf *to)
{
    if (span_is_empty(map) || span_find(map, ' ') < map.len)
        return ERR_SYNTAX;
    if (map.len + key.len + 1 > SOCKETMAP_REQUEST_MAX)
        return ERR_LIMIT;
    buf_append_u64(to, map.len + 1 + key.len);
    buf_append_octet(to, ':');
    buf_append(to, map);
    buf_append_octet(to, ' ');
    buf_append(to, key);
    buf_append_octet(to, ',');
    return buf_check(to);
}

static enum err
payload_parse(struct span payload, struct socketmap_reply *ret)
{
    static const struct {
        const char *word;
        enum socketmap_status status;
    } words[] = {
        {"OK", SOCKETMAP_FOUND},      {"NOTFOUND", SOCKETMAP_NOT_FOUND}, {"TEMP", SOCKETMAP_FAILED},
        {"TIMEOUT", SOCKETMAP_FAILED}, {"PERM", SOCKETMAP_FAILED},
    };
    struct span word = payload, text = SPAN_EMPTY;
    span_cut(payload, ' ', &word, &text);
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (!span_equal(word, span_from_cstr(words[i].word)))
            continue;
        *ret = (struct socketmap_reply){words[i].status, text};
        return ERR_OK;
    }
    return ERR_PROTOCOL;
}

enum err
socketmap_reply_parse(struct span octets, size_t *ret_len, struct socketmap_reply *ret)
{
    size_t digits = ascii_run(octets, ASCII_DIGIT);
    if (digits > SOCKETMAP_LENGTH_DIGITS_MAX || (digits == 0 && octets.len > 0))
        return ERR_PROTOCOL;
    if (digits == octets.len)
        return ERR_AGAIN;
    uint64_t len = 0;
    if (octets.data[digits] != ':' || (digits > 1 && octets.data[0] == '0') ||
        !span_to_u64(span_first(octets, digits), SOCKETMAP_REPLY_MAX, &len))
        return ERR_PROTOCOL;
    struct span rest = span_skip(octets, digits + 1);
    if (rest.len <= len)
        return ERR_AGAIN;
    if (rest.data[len] != ',')
        return ERR_PROTOCOL;
    TRY(payload_parse(span_first(rest, len), ret));
    *ret_len = digits + 1 + len + 1;
    return ERR_OK;
}
