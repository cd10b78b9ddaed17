/*
 * header_mend.h - what a submission service may mend in a message of its own user. RFC 6409 §8, RFC 5322 §3.6.
 *
 * For mail from programs of this machine only; mail that passes by is never touched (it may be signed). Missing Date,
 * Message-ID and From fields are put in front; Bcc, Resent-Bcc and Return-Path fields go. Nothing else changes, octet
 * for octet.
 */
#ifndef GODWIT_PROTO_MSG_HEADER_MEND_H
#define GODWIT_PROTO_MSG_HEADER_MEND_H

#include "base/buf.h"
#include "base/span.h"

enum { HEADER_FULL_NAME_MAX = 256 /* octets of a full name that are used */ };

struct header_mend {
    struct span address;    /* for a From field, as it is written; empty: none is added */
    struct span full_name;  /* any octets; empty: the address stands alone */
    struct span message_id; /* for a Message-ID field, without its brackets; empty: none is added */
    int64_t wall_us;        /* for a Date field; negative: none is added */
    int32_t zone_minutes;   /* east of UTC */
};

/* Append the section as it should be, its empty line included if it has one. ERR_LIMIT. */
NODISCARD enum err header_mend(struct span section, const struct header_mend *with, struct buf *to);

/*
 * Append "From: name <address>" and CRLF. A name that is no plain ASCII phrase is quoted or becomes encoded words
 * (RFC 2047 §2: UTF-8 if it is that, else unknown-8bit); control octets in it become blanks. ERR_LIMIT.
 */
NODISCARD enum err header_from_format(struct span full_name, struct span address, struct buf *to);

#endif
