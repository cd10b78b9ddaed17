/*
 * user_delivery.h - what the parent tells a delivery process about its one delivery, and what that answers.
 *
 * Both are records in memory files: the parent writes the first and never puts foreign text into arguments or the
 * environment; the second comes from a process of the user and is believed no further than its bounds. Each record is
 * a mark, then its fields in a fixed order, each a length and octets; whatever deviates is refused whole. Pure.
 */
#ifndef GODWIT_STORE_USER_DELIVERY_H
#define GODWIT_STORE_USER_DELIVERY_H

#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"

enum {
    USER_DELIVERY_GROUPS_MAX = 1024,
    USER_DELIVERY_TEXT_MAX = 1024,      /* of an answer */
    USER_DELIVERY_FORWARDS_MAX = 32768, /* octets of all addresses of an answer */
    USER_DELIVERY_BYTES_MAX = 16 * 1024,
    USER_DELIVERY_RESULT_BYTES_MAX = 40 * 1024,
};

/* Descriptors of a delivery process beyond the standard ones. */
enum {
    USER_DELIVERY_FD_RECORD = 3,  /* the record below */
    USER_DELIVERY_FD_RESULT = 4,  /* an empty memory file for the answer */
    USER_DELIVERY_FD_CONTENT = 5, /* the message's first octets */
    USER_DELIVERY_FD_FILE = 6,    /* its others, when has_file */
    USER_DELIVERY_FD_ALIASES = 7, /* the aliases file, when `alias` is not empty */
};

/* One delivery. No text holds a NUL. */
struct user_delivery {
    uint64_t parent_pid;
    uint64_t uid;             /* never 0 */
    uint64_t gid;
    struct span groups;       /* supplementary ones, 4 octets each in the machine's order */
    struct span user;         /* login name */
    struct span home;         /* absolute path */
    struct span shell;
    struct span hostname;     /* of the server */
    struct span alias;        /* entry of the aliases file whose commands are to be run; empty: deliver to the user */
    struct span maildir;      /* its name below the home directory */
    struct span separator;    /* of the detail; empty: none */
    uint64_t reads_forward;   /* 0 or 1: ~/.forward counts */
    uint64_t runs_commands;   /* 0 or 1: it may name commands */
    uint64_t time_ms;         /* for all of it */
    uint64_t memory_bytes;    /* of a command */
    uint64_t has_file;        /* 0 or 1 */
    struct span id;           /* of the message, as text */
    struct span detail;
    struct span recipient;    /* an address, for Delivered-To */
    struct span original;     /* as the client named it, "type;address" of ORCPT included; empty: not known */
    struct span sender;       /* reverse path, empty for the null sender */
    struct span client_address;
    struct span envid;
};

/* What came of it. */
struct user_delivery_result {
    uint64_t class;       /* enum delivery_class (store/recipient.h) */
    struct span status;   /* "2.0.0" */
    struct span text;     /* foreign: to be escaped */
    struct span forwards; /* addresses to deliver to instead, one a line without a line end after the last */
};

/* Append the record. ERR_LIMIT: a field is too long. */
NODISCARD enum err user_delivery_encode(const struct user_delivery *d, struct buf *to);

/* Read a whole record; spans borrow from `bytes`. ERR_SYNTAX, *ret untouched. */
NODISCARD enum err user_delivery_parse(struct span bytes, struct user_delivery *ret);

NODISCARD enum err user_delivery_result_encode(const struct user_delivery_result *r, struct buf *to);
NODISCARD enum err user_delivery_result_parse(struct span bytes, struct user_delivery_result *ret);

#endif
