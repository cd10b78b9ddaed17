/*
 * trace.h - the fields of final delivery: Return-Path and Delivered-To. RFC 5321 §4.4, RFC 9228.
 */
#ifndef GODWIT_PROTO_MSG_TRACE_H
#define GODWIT_PROTO_MSG_TRACE_H

#include "base/buf.h"
#include "base/span.h"

/*
 * Append "Return-Path: <address>" and CRLF; `address` as in an envelope, without brackets, empty for the null sender
 * (requirement 68). ERR_SYNTAX when it holds a control octet, ERR_LIMIT.
 */
NODISCARD enum err return_path_format(struct span address, struct buf *to);

/* Append "Delivered-To: address" and CRLF. ERR_SYNTAX as above, also when empty; ERR_LIMIT. */
NODISCARD enum err delivered_to_format(struct span address, struct buf *to);

/* Whether the section has a Delivered-To of this address: the message was here before (requirement 69). */
bool delivered_to_is_loop(struct span section, struct span address);

#endif
