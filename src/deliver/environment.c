/* environment.c - what a command is told about the message. Names as Postfix, qmail and procmail users expect them. */
#include "deliver/deliver.h"
#include "text/ascii.h"

static bool
is_harmless(uint8_t octet)
{
    return octet >= 0x80 || ascii_is(octet, ASCII_ALNUM) || (octet != '\0' && strchr("!@%-_=+:,./", octet) != NULL);
}

/* The address in "rfc822;alice@example.org", the form of ORCPT (RFC 3461 §4.2); any other text as it is. */
static struct span
original_address(const struct user_delivery *d)
{
    struct span type, address;
    if (span_is_empty(d->original))
        return d->recipient;
    if (span_cut(d->original, ';', &type, &address))
        return address;
    return d->original;
}

/* "NAME=value" in `mem`; NULL without memory. */
static char *
variable_make(struct arena *mem, const char *name, struct span value, bool is_foreign)
{
    size_t len = strlen(name);
    char *text = arena_alloc(mem, len + 1 + value.len + 1);
    if (text == NULL)
        return NULL;
    memcpy(text, name, len);
    text[len++] = '=';
    for (size_t i = 0; i < value.len; i++)
        text[len++] = !is_foreign || is_harmless(value.data[i]) ? (char)value.data[i] : '_';
    text[len] = '\0';
    return text;
}

enum err
deliver_environment_make(const struct user_delivery *d, struct arena *mem, char *envp[DELIVER_VARIABLES_MAX + 1])
{
    size_t at = span_find_last(d->recipient, '@');
    struct span domain = at < d->recipient.len ? span_skip(d->recipient, at + 1) : SPAN_EMPTY;
    const struct {
        const char *name;
        struct span value;
        bool is_foreign;
    } variables[] = {
        {"ORIGINAL_RECIPIENT", original_address(d), true},
        {"SENDER", d->sender, true},
        {"RECIPIENT", d->recipient, true},
        {"EXTENSION", d->detail, true},
        {"DOMAIN", domain, true},
        {"LOCAL", span_first(d->recipient, at), true},
        {"ENVID", d->envid, true},
        {"CLIENT_ADDRESS", d->client_address, true},
        {"MESSAGE_ID", d->id, true},
        {"USER", d->user, false},
        {"LOGNAME", d->user, false},
        {"HOME", d->home, false},
        {"SHELL", d->shell, false},
        {"PATH", SPAN(DELIVER_PATH), false},
    };
    for (size_t i = 0; i < ARRAY_LEN(variables); i++)
        if ((envp[i] = variable_make(mem, variables[i].name, variables[i].value, variables[i].is_foreign)) == NULL)
            return ERR_LIMIT;
    envp[ARRAY_LEN(variables)] = NULL;
    return ERR_OK;
}
