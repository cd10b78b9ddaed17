/*
 * sendmail_options.h - the command line of sendmail, mailq and newaliases, as programs have written it for decades.
 *
 * What changes where mail goes is understood; what tuned the sendmail of old (queue modes, timeouts, debugging) is
 * taken and ignored, so that nobody's script breaks; an option nobody ever defined is an error. Options and recipients
 * may be mixed, "--" ends the options. Pure. The strings are the caller's.
 */
#ifndef GODWIT_CLI_SENDMAIL_OPTIONS_H
#define GODWIT_CLI_SENDMAIL_OPTIONS_H

#include "store/envelope.h"

enum sendmail_mode {
    SENDMAIL_SEND,         /* -bm and without -b */
    SENDMAIL_SMTP,         /* -bs: SMTP on standard input and output */
    SENDMAIL_QUEUE_LIST,   /* -bp, mailq */
    SENDMAIL_QUEUE_RETRY,  /* -q */
    SENDMAIL_ALIASES,      /* -bi, -I, newaliases */
    SENDMAIL_VERIFY,       /* -bv */
    SENDMAIL_NOT_OFFERED,  /* -bd and others: `complaint` says why, nothing is done */
};

struct sendmail_options {
    enum sendmail_mode mode;
    const char *config_path;       /* -C; NULL: not given */
    const char *sender;            /* -f, -r; NULL: the user itself; "" and "<>": the null sender */
    const char *full_name;         /* -F; NULL: from the list of users */
    const char *envid;             /* -V; NULL */
    const char *queue_id;          /* -qI; NULL: all */
    unsigned notify;               /* -N: enum envelope_notify; 0: not given */
    enum envelope_ret ret;         /* -R */
    bool takes_recipients;         /* -t: To, Cc and Bcc name recipients too */
    bool ignores_dots;             /* -i, -oi */
    bool is_verbose;               /* -v */
    const char **recipients;       /* the other arguments, in the caller's array */
    size_t recipient_count;
    char complaint[256];           /* what is wrong, for people */
};

/*
 * Read the arguments; argv[0] chooses between the three names. `recipients` has room for argc pointers. EX_OK, or
 * EX_USAGE with ret->complaint.
 */
int sendmail_options_parse(int argc, char *const *argv, const char **recipients, struct sendmail_options *ret);

#endif
