/* sendmail_options.c - a table of letters: with or without an argument, meant or ignored. */
#include "cli/sendmail_options.h"

#include "text/ascii.h"

#include <stdarg.h>
#include <stdio.h>
#include <sysexits.h>

typedef int option_fn(struct sendmail_options *o, const char *value);

enum argument {
    ARGUMENT_NONE,
    ARGUMENT_NEEDED,   /* in the same word or the next */
    ARGUMENT_ATTACHED, /* in the same word, or none */
};

struct option_row {
    char letter;
    enum argument argument;
    option_fn *fn; /* NULL: ignored */
};

FORMAT(2, 3) static int
complain(struct sendmail_options *o, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(o->complaint, sizeof(o->complaint), format, args);
    va_end(args);
    return EX_USAGE;
}

/* --- what is meant ------------------------------------------------------------------------------------------------ */

static int
not_offered(struct sendmail_options *o, const char *what)
{
    o->mode = SENDMAIL_NOT_OFFERED;
    snprintf(o->complaint, sizeof(o->complaint), "%s", what);
    return EX_OK;
}

static int
option_mode(struct sendmail_options *o, const char *value)
{
    static const char no_daemon[] = "the server is godwitd, not this program; start it with: systemctl start godwit";
    switch (value[0]) {
    case 'm':
    case 'a': o->mode = SENDMAIL_SEND; return EX_OK;
    case 's': o->mode = SENDMAIL_SMTP; return EX_OK;
    case 'p': o->mode = SENDMAIL_QUEUE_LIST; return EX_OK;
    case 'i': o->mode = SENDMAIL_ALIASES; return EX_OK;
    case 'v': o->mode = SENDMAIL_VERIFY; return EX_OK;
    case 'd':
    case 'D':
    case 'l': return not_offered(o, no_daemon);
    case 't': return not_offered(o, "there are no rules to test; `godwit resolve ADDRESS` says where mail would go");
    case 'h':
    case 'H': return not_offered(o, "there is no list of hosts; `godwit queue list` shows what waits and why");
    default: return complain(o, "-b%s is no mode of operation", value);
    }
}

static int
option_aliases(struct sendmail_options *o, const char *value)
{
    (void)value;
    o->mode = SENDMAIL_ALIASES;
    return EX_OK;
}

static int
option_config(struct sendmail_options *o, const char *value)
{
    o->config_path = value;
    return EX_OK;
}

static int
option_full_name(struct sendmail_options *o, const char *value)
{
    o->full_name = value;
    return EX_OK;
}

static int
option_sender(struct sendmail_options *o, const char *value)
{
    o->sender = value;
    return EX_OK;
}

static int
option_dots(struct sendmail_options *o, const char *value)
{
    (void)value;
    o->ignores_dots = true;
    return EX_OK;
}

static int
option_take_recipients(struct sendmail_options *o, const char *value)
{
    (void)value;
    o->takes_recipients = true;
    return EX_OK;
}

static int
option_verbose(struct sendmail_options *o, const char *value)
{
    (void)value;
    o->is_verbose = true;
    return EX_OK;
}

/* RFC 3461 §4.1: never alone, or some of the others. */
static int
option_notify(struct sendmail_options *o, const char *value)
{
    static const struct {
        struct span name;
        unsigned bit;
    } names[] = {
        {SPAN("never"), ENVELOPE_NOTIFY_NEVER},
        {SPAN("success"), ENVELOPE_NOTIFY_SUCCESS},
        {SPAN("failure"), ENVELOPE_NOTIFY_FAILURE},
        {SPAN("delay"), ENVELOPE_NOTIFY_DELAY},
    };
    unsigned notify = 0;
    struct span rest = span_from_cstr(value), word;
    for (bool more = true; more;) {
        more = span_cut(rest, ',', &word, &rest);
        if (!more)
            word = rest;
        size_t i = 0;
        while (i < ARRAY_LEN(names) && !span_equal_nocase(span_trim(word), names[i].name))
            i++;
        if (i == ARRAY_LEN(names))
            return complain(o, "-N %s: say never, or some of success, failure and delay", value);
        notify |= names[i].bit;
    }
    if ((notify & ENVELOPE_NOTIFY_NEVER) != 0 && notify != ENVELOPE_NOTIFY_NEVER)
        return complain(o, "-N %s: never stands alone", value);
    o->notify = notify;
    return EX_OK;
}

static int
option_return(struct sendmail_options *o, const char *value)
{
    if (span_equal_nocase(span_from_cstr(value), SPAN("full")))
        o->ret = ENVELOPE_RET_FULL;
    else if (span_equal_nocase(span_from_cstr(value), SPAN("hdrs")))
        o->ret = ENVELOPE_RET_HDRS;
    else
        return complain(o, "-R %s: say full or hdrs", value);
    return EX_OK;
}

/* RFC 3461 §4.4: printable, at most 100 characters. */
static int
option_envid(struct sendmail_options *o, const char *value)
{
    struct span envid = span_from_cstr(value);
    if (envid.len == 0 || envid.len > 100 || !ascii_all(envid, ASCII_PRINT))
        return complain(o, "-V: an envelope id has 1 to 100 printable characters");
    o->envid = value;
    return EX_OK;
}

/* -oi, -om, -o7, -odb and so on: one letter, then its value. Only "i" means something here. */
static int
option_old(struct sendmail_options *o, const char *value)
{
    if (value[0] == 'i')
        o->ignores_dots = value[1] == '\0' || value[1] == 't' || value[1] == 'T';
    return EX_OK;
}

/* -O name=value: the long form. */
static int
option_long(struct sendmail_options *o, const char *value)
{
    struct span name, text;
    if (span_cut(span_from_cstr(value), '=', &name, &text) && span_equal_nocase(name, SPAN("IgnoreDots")))
        o->ignores_dots = text.len == 0 || text.data[0] == 't' || text.data[0] == 'T' || text.data[0] == 'y';
    return EX_OK;
}

static int
option_queue(struct sendmail_options *o, const char *value)
{
    if (ascii_is((uint8_t)value[0], ASCII_DIGIT))
        return not_offered(o, "godwitd looks after its queue by itself; -q without a time tries everything now");
    o->mode = SENDMAIL_QUEUE_RETRY;
    o->queue_id = value[0] == 'I' ? value + 1 : NULL;
    return EX_OK;
}

static const struct option_row rows[] = {
    {'A', ARGUMENT_NEEDED, NULL},                  /* submission or daemon configuration */
    {'B', ARGUMENT_NEEDED, NULL},                  /* body type: seen from the body itself */
    {'C', ARGUMENT_NEEDED, option_config},
    {'E', ARGUMENT_NONE, NULL},
    {'F', ARGUMENT_NEEDED, option_full_name},
    {'G', ARGUMENT_NONE, NULL},                    /* relayed, not submitted */
    {'I', ARGUMENT_NONE, option_aliases},
    {'L', ARGUMENT_NEEDED, NULL},                  /* tag for the log */
    {'M', ARGUMENT_NEEDED, NULL},
    {'N', ARGUMENT_NEEDED, option_notify},
    {'O', ARGUMENT_NEEDED, option_long},
    {'R', ARGUMENT_NEEDED, option_return},
    {'T', ARGUMENT_NEEDED, NULL},
    {'U', ARGUMENT_NONE, NULL},                    /* initial submission */
    {'V', ARGUMENT_NEEDED, option_envid},
    {'X', ARGUMENT_NEEDED, NULL},                  /* log of the traffic */
    {'b', ARGUMENT_NEEDED, option_mode},
    {'c', ARGUMENT_NONE, NULL},
    {'d', ARGUMENT_ATTACHED, NULL},                /* debugging */
    {'e', ARGUMENT_NEEDED, NULL},                  /* how errors are reported: on standard error and by exit status */
    {'f', ARGUMENT_NEEDED, option_sender},
    {'h', ARGUMENT_NEEDED, NULL},                  /* hop count: Received fields are counted */
    {'i', ARGUMENT_NONE, option_dots},
    {'m', ARGUMENT_NONE, NULL},                    /* the sender too, if an alias has it */
    {'n', ARGUMENT_NONE, NULL},                    /* no aliases */
    {'o', ARGUMENT_NEEDED, option_old},
    {'p', ARGUMENT_NEEDED, NULL},                  /* protocol it came by */
    {'q', ARGUMENT_ATTACHED, option_queue},
    {'r', ARGUMENT_NEEDED, option_sender},
    {'s', ARGUMENT_NONE, NULL},
    {'t', ARGUMENT_NONE, option_take_recipients},
    {'v', ARGUMENT_NONE, option_verbose},
    {'x', ARGUMENT_NONE, NULL},
};

/* --- the walk ----------------------------------------------------------------------------------------------------- */

static const struct option_row *
row_find(char letter)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].letter == letter)
            return &rows[i];
    return NULL;
}

/* Read the letters of one word after its "-". *at is moved when the next word is an argument. */
static int
take_word(struct sendmail_options *o, int argc, char *const *argv, int *at)
{
    for (const char *letter = argv[*at] + 1; *letter != '\0'; letter++) {
        const struct option_row *row = row_find(*letter);
        if (row == NULL)
            return complain(o, "there is no option -%c", *letter);
        const char *value = "";
        if (row->argument == ARGUMENT_ATTACHED || (row->argument == ARGUMENT_NEEDED && letter[1] != '\0')) {
            value = letter + 1;
        } else if (row->argument == ARGUMENT_NEEDED) {
            if (*at + 1 == argc)
                return complain(o, "-%c needs an argument", *letter);
            value = argv[++*at];
        }
        int status = row->fn == NULL ? EX_OK : row->fn(o, value);
        if (status != EX_OK || row->argument != ARGUMENT_NONE)
            return status;
    }
    return EX_OK;
}

static enum sendmail_mode
mode_of_name(const char *program)
{
    const char *slash = strrchr(program, '/');
    struct span name = span_from_cstr(slash == NULL ? program : slash + 1);
    if (span_equal(name, SPAN("mailq")))
        return SENDMAIL_QUEUE_LIST;
    return span_equal(name, SPAN("newaliases")) ? SENDMAIL_ALIASES : SENDMAIL_SEND;
}

int
sendmail_options_parse(int argc, char *const *argv, const char **recipients, struct sendmail_options *ret)
{
    *ret = (struct sendmail_options){.mode = mode_of_name(argc > 0 ? argv[0] : ""), .recipients = recipients};
    bool has_ended = false;
    for (int at = 1; at < argc; at++) {
        if (has_ended || argv[at][0] != '-' || argv[at][1] == '\0') {
            recipients[ret->recipient_count++] = argv[at];
        } else if (strcmp(argv[at], "--") == 0) {
            has_ended = true;
        } else {
            int status = take_word(ret, argc, argv, &at);
            if (status != EX_OK)
                return status;
        }
    }
    return EX_OK;
}
