/*
 * log.h - one line per event, from one table of events (log_events.def), safe to read and to parse.
 *
 * A line is `event=message-accepted severity=info origin=edge.1 id=... from="" size=...`, or the same as one JSON
 * object. Values are quoted where needed; every octet outside printable ASCII is written \xNN, so nothing from a peer
 * can end a line, start a key or reach a terminal (standards P29). Values and lines have a length cap. An event or
 * key that is not in the table does not compile. Every event is counted, whether its line is written or not. Nothing
 * here suspends or fails: a log that cannot be written is no reason to stop mail.
 */
#ifndef GODWIT_NET_LOG_H
#define GODWIT_NET_LOG_H

#include "base/buf.h"
#include "base/source_pos.h"
#include "base/span.h"
#include "rt/rt.h"
#include "store/message_id.h"

enum { LOG_VALUE_MAX = 512 /* octets of a value before escaping */, LOG_LINE_MAX = 4096 /* octets of a line */ };

enum log_severity { LOG_DEBUG, LOG_INFO, LOG_NOTICE, LOG_WARNING, LOG_ERROR, LOG_CRITICAL };

enum log_event {
#define LOG_EVENT(id, name, severity, sentence) LOG_##id,
#include "net/log_events.def"
    LOG_EVENT_COUNT
};

enum log_key {
#define LOG_KEY(id, name, sentence) KEY_##id,
#include "net/log_events.def"
    LOG_KEY_COUNT
};

struct log_options {
    enum log_severity min_severity; /* events below it are counted, not written */
    bool is_json;                   /* one JSON object a line */
    bool has_time; /* begin with time=2026-11-24T21:59:43.000123Z (a sink that stamps lines needs none) */
    bool has_priority;              /* begin with <N>, the syslog priority that journald reads on standard error */
};

/* The log of one process. Embedded by its owner; used on the loop only. */
struct log {
    struct rt *rt; /* borrowed */
    struct log_options options;
    char origin[24];    /* "edge.1" */
    size_t origin_len;
    uint64_t counts[LOG_EVENT_COUNT];
    uint8_t line[LOG_LINE_MAX]; /* here, so that no fiber's stack grows for it */
};

/* `role` is "edge" and such, at most 16 octets; `instance` from 0. */
void log_init(struct log *log, struct rt *rt, struct span role, uint16_t instance, struct log_options options);

enum log_field_kind { LOG_FIELD_END, LOG_FIELD_TEXT, LOG_FIELD_U64, LOG_FIELD_I64, LOG_FIELD_ID, LOG_FIELD_POS };

/* One key and its value; made by the macros below. */
struct log_field {
    enum log_field_kind kind;
    enum log_key key;
    union {
        struct span text;
        uint64_t u64;
        int64_t i64;
        struct message_id id;
        struct source_pos pos;
    } value;
};

#define LOG_TEXT(k, span_) ((struct log_field){.kind = LOG_FIELD_TEXT, .key = (k), .value.text = (span_)})
#define LOG_CSTR(k, cstr) ((struct log_field){.kind = LOG_FIELD_TEXT, .key = (k), .value.text = span_from_cstr(cstr)})
#define LOG_ERR(k, e) LOG_CSTR((k), err_name(e))
#define LOG_U64(k, n) ((struct log_field){.kind = LOG_FIELD_U64, .key = (k), .value.u64 = (n)})
#define LOG_I64(k, n) ((struct log_field){.kind = LOG_FIELD_I64, .key = (k), .value.i64 = (n)})
#define LOG_ID(k, id_) ((struct log_field){.kind = LOG_FIELD_ID, .key = (k), .value.id = (id_)})
#define LOG_POS(k, pos_) ((struct log_field){.kind = LOG_FIELD_POS, .key = (k), .value.pos = (pos_)})

/*
 * Write one event: log_write(log, LOG_MESSAGE_ACCEPTED, LOG_ID(KEY_ID, id), LOG_TEXT(KEY_FROM, sender)).
 * Fields stand in the line in the order given; put the message id first. Never suspends, never fails.
 */
#define log_write(log, event, ...) \
    log_write_fields((log), (event), (const struct log_field[]){__VA_ARGS__ __VA_OPT__(,){.kind = LOG_FIELD_END}})

/* What log_write() calls; `fields` ends with LOG_FIELD_END. */
void log_write_fields(struct log *log, enum log_event event, const struct log_field *fields);

/* How often an event happened in this process. */
static inline uint64_t
log_count(const struct log *log, enum log_event event)
{
    return log->counts[event];
}

/* The stable names, for counters and documentation. */
struct span log_event_name(enum log_event event);
struct span log_key_name(enum log_key key);
enum log_severity log_event_severity(enum log_event event);
struct span log_severity_name(enum log_severity severity);

/* Read "debug" ... "critical". False, *ret untouched, for anything else. */
bool log_severity_parse(struct span name, enum log_severity *ret);

enum log_escape {
    LOG_ESCAPE_QUOTE,
    LOG_ESCAPE_FOR_JSON /* quotes stay: the JSON encoder gives them their backslash */
};

/*
 * Append `value`, at most `max` octets of it, with every octet that is not printable ASCII as \xNN and backslash and
 * quote with a backslash; "..." stands for what was cut off. For people's eyes elsewhere too (why, status).
 */
void log_append_escaped(struct buf *to, struct span value, size_t max, enum log_escape escape_quote);

/* Append a wall-clock time as 2026-11-24T21:59:43.000123Z. */
void log_append_time(struct buf *to, int64_t wall_us);

#endif
