/*
 * maildir.h - put messages into Maildirs so that they are there, whole, once they were reported delivered.
 *
 * Below a mail directory each mailbox is DOMAIN/LOCAL-PART/{cur,new,tmp}, the local part written safely for file
 * systems. Blocking, for pool jobs, over rt/disk.h; never follows a link. Not for: reading mail, deciding who may
 * receive.
 *
 * Invariants, numbered because tests cite them:
 * - D1 A message is reported delivered only after its bytes, its entry in new/ and every directory entry leading to
 *   new/ from the mail directory on are covered by completed syncs. A sync that failed is not tried again: the message
 *   is, as another file.
 * - D2 Nothing is ever visible in new/ or cur/ but whole messages: a file is written and synced in tmp/, then renamed.
 * - D3 What was not reported delivered leaves no file in new/ unless the rename was done and only its sync failed: then
 *   the message may appear twice after it is tried again, as a crash may repeat a delivery.
 * - D4 Several deliveries of one call share the syncs of directories they have in common; each fails alone.
 *
 * Files have LF line ends; a message with a bare CR or LF keeps its bytes. Exactly one Return-Path (RFC 5321 §4.4), one
 * Delivered-To (RFC 9228), X-Original-To when it differs. Quota is Maildir++ (maildirsize), in agreement with Dovecot.
 * The content comes from strangers and is never trusted; the mail directory may be changed by other programs of the
 * same user at any time (Dovecot moves, renames and removes).
 */
#ifndef GODWIT_STORE_MAILDIR_MAILDIR_H
#define GODWIT_STORE_MAILDIR_MAILDIR_H

#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"
#include "rt/disk.h"

enum {
    MAILDIR_PATH_MAX = 520,         /* octets of DOMAIN/LOCAL-PART, percent-encoded, with a NUL */
    MAILDIR_NAME_MAX = 160,         /* octets of a unique name, with a NUL */
    MAILDIR_HOST_MAX = 64,          /* octets of the host part of unique names; the rest is cut off */
    MAILDIR_HEADER_BYTES_MAX = 1024 * 1024, /* fields beyond so many octets are not looked at */
    MAILDIR_BATCH_MAX = 32,         /* deliveries of one call */
};

/*
 * Write the path of an account's mailbox below the mail directory: DOMAIN/LOCAL-PART. `address` is the account's
 * address, octets after unquoting; its last '@' divides it. Every octet but letters, digits and "-_+=." is written %XX,
 * also a leading dot, so that no name is "." or "..", hidden, or holds a '/'. ERR_SYNTAX without '@' or with an empty
 * half, ERR_LIMIT when a component is longer than file systems take (255). *ret is untouched then. Never suspends, no
 * system call.
 */
NODISCARD enum err maildir_path_format(struct span address, char ret[MAILDIR_PATH_MAX]);

/* What makes unique names of one process. */
struct maildir_names {
    char host[MAILDIR_HOST_MAX * 4 + 1]; /* '/', ':', ',' and control octets written \ooo */
    uint64_t process;                    /* random for each start */
    uint64_t pid;
    uint64_t counter;
};

/* `host`: the configured host name. */
void maildir_names_init(struct maildir_names *names, struct span host, uint64_t pid, uint64_t process_random);

/* The next unique name, without the size: SECONDS.M<us>P<pid>Q<counter>R<random>.HOST. `wall_us` may jump. */
void maildir_name_next(struct maildir_names *names, int64_t wall_us, char ret[MAILDIR_NAME_MAX]);

/* What became of a delivery when no error kept it from being judged. */
enum maildir_outcome {
    MAILDIR_DELIVERED,
    MAILDIR_LOOP,       /* its Delivered-To is in the message already: 5.4.6 */
    MAILDIR_OVER_QUOTA, /* 4.2.2 for now */
    MAILDIR_TOO_BIG,    /* larger than the whole quota: 5.2.3 */
};

/* One delivery: the first part is the caller's, borrowed until the call returns; the second is the answer. */
struct maildir_delivery {
    const char *mailbox;       /* of maildir_path_format(), or a single name not beginning with '.' */
    const char *name;          /* of maildir_name_next() */
    struct span sender;        /* reverse path without <>, empty for the null sender; no CR, LF or NUL */
    struct span recipient;     /* for Delivered-To; likewise */
    struct span original;      /* for X-Original-To when it differs from `recipient` and is not empty; likewise */
    struct span content;       /* the message, CRLF line ends: these octets, */
    struct disk_file *content_file; /* then all of this file, when it is not NULL */
    uint64_t quota_bytes;      /* 0: none */
    int64_t now_us;            /* wall clock */
    uint64_t durable_inode;    /* `ret_inode` of a delivery to this mailbox that succeeded in this process, or 0 */

    enum err ret_error;        /* not ERR_OK: a failure of the world, try again later; ret_step says where */
    enum maildir_outcome ret_outcome;
    const char *ret_step;      /* a literal: what was being done when it failed ("open", "write", "sync" ...) */
    uint64_t ret_inode;        /* of the mailbox directory */
    uint64_t ret_size_bytes;   /* of the file */
};

/*
 * Deliver up to MAILDIR_BATCH_MAX messages below `root`, each of which gets its own answer. Missing mailboxes are
 * created. ERR_SYNTAX: sender or recipient hold an octet that a field cannot carry, or a path or name was not made by
 * the functions above. Uses `root` and the content files from this thread alone.
 */
void maildir_deliver(struct disk *disk, struct disk_dir *root, struct maildir_delivery *deliveries, size_t count);

/*
 * Append the message as it will be in the file to `to`: the fields added, Return-Path fields removed, line ends
 * converted. What maildir_deliver() writes, for small content and for tests. *ret_is_loop: the same Delivered-To is
 * there already.
 */
NODISCARD enum err maildir_format(const struct maildir_delivery *d, struct buf *to, bool *ret_is_loop);

#endif
