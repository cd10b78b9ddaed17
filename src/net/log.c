/*
 * log.c - a line is built in the log's own memory, field by field; a field that does not fit is left out whole.
 *
 * What comes from a peer passes log_append_escaped() and nothing else, so a line holds printable ASCII only.
 */
#include "net/log.h"

#include "base/assert.h"

enum { LINE_TAIL_BYTES = 32 /* kept free for the mark of a shortened line and the end of the object */ };

static const struct event_row {
    struct span name;
    enum log_severity severity;
} events[LOG_EVENT_COUNT] = {
#define LOG_EVENT(id, name, severity, sentence) \
    [LOG_##id] = {{(const uint8_t *)(name), sizeof(name) - 1}, LOG_##severity},
#include "net/log_events.def"
};

static const struct span keys[LOG_KEY_COUNT] = {
#define LOG_KEY(id, name, sentence) [KEY_##id] = {(const uint8_t *)(name), sizeof(name) - 1},
#include "net/log_events.def"
};

static const struct severity_row {
    const char *name;
    char syslog; /* RFC 5424 §6.2.1 */
} severities[] = {
    [LOG_DEBUG] = {"debug", '7'},     [LOG_INFO] = {"info", '6'},   [LOG_NOTICE] = {"notice", '5'},
    [LOG_WARNING] = {"warning", '4'}, [LOG_ERROR] = {"error", '3'}, [LOG_CRITICAL] = {"critical", '2'},
};

struct span
log_event_name(enum log_event event)
{
    ASSERT(event < LOG_EVENT_COUNT);
    return events[event].name;
}

struct span
log_key_name(enum log_key key)
{
    ASSERT(key < LOG_KEY_COUNT);
    return keys[key];
}

enum log_severity
log_event_severity(enum log_event event)
{
    ASSERT(event < LOG_EVENT_COUNT);
    return events[event].severity;
}

struct span
log_severity_name(enum log_severity severity)
{
    ASSERT(severity < ARRAY_LEN(severities));
    return span_from_cstr(severities[severity].name);
}

bool
log_severity_parse(struct span name, enum log_severity *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(severities); i++)
        if (span_equal(name, span_from_cstr(severities[i].name))) {
            *ret = (enum log_severity)i;
            return true;
        }
    return false;
}

void
log_init(struct log *log, struct rt *rt, struct span role, uint16_t instance, struct log_options options)
{
    ASSERT(role.len <= 16);
    *log = (struct log){.rt = rt, .options = options};
    struct buf origin;
    buf_init_fixed(&origin, log->origin, sizeof(log->origin));
    buf_append(&origin, role);
    buf_append_octet(&origin, '.');
    buf_append_u64(&origin, instance);
    ASSERT(!origin.failed);
    log->origin_len = origin.len;
}

/* Whether a value stands without quotes: not empty, printable, no space, quote, backslash or equals sign. */
static bool
is_bare(struct span value)
{
    if (value.len == 0 || value.len > LOG_VALUE_MAX)
        return false;
    for (size_t i = 0; i < value.len; i++) {
        uint8_t c = value.data[i];
        if (c <= 0x20 || c > 0x7e || c == '"' || c == '\\' || c == '=')
            return false;
    }
    return true;
}

static void
append_json_text(struct buf *to, struct span value)
{
    uint8_t escaped_bytes[LOG_VALUE_MAX * 4 + 3];
    struct buf escaped;
    buf_init_fixed(&escaped, escaped_bytes, sizeof(escaped_bytes));
    log_append_escaped(&escaped, value, LOG_VALUE_MAX, LOG_ESCAPE_FOR_JSON);
    buf_append_octet(to, '"');
    for (size_t i = 0; i < escaped.len; i++) {
        if (escaped_bytes[i] == '"' || escaped_bytes[i] == '\\')
            buf_append_octet(to, '\\');
        buf_append_octet(to, escaped_bytes[i]);
    }
    buf_append_octet(to, '"');
}

static void
append_text(struct buf *to, struct span value, bool is_json)
{
    if (is_json) {
        append_json_text(to, value);
    } else if (is_bare(value)) {
        buf_append(to, value);
    } else {
        buf_append_octet(to, '"');
        log_append_escaped(to, value, LOG_VALUE_MAX, LOG_ESCAPE_QUOTE);
        buf_append_octet(to, '"');
    }
}

/* `separator`: empty before the first key of a line. */
static void
append_key(struct buf *to, struct span separator, struct span key, bool is_json)
{
    buf_append(to, separator);
    if (is_json)
        buf_append_octet(to, '"');
    buf_append(to, key);
    buf_append(to, is_json ? SPAN("\":") : SPAN("="));
}

static struct span
key_separator(bool is_json)
{
    return is_json ? SPAN(",") : SPAN(" ");
}

static void
append_i64(struct buf *to, int64_t value)
{
    if (value < 0)
        buf_append_octet(to, '-');
    buf_append_u64(to, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

static void
append_pos(struct buf *to, struct source_pos pos, bool is_json)
{
    uint8_t bytes[LOG_VALUE_MAX + 32];
    struct buf text;
    buf_init_fixed(&text, bytes, sizeof(bytes));
    if (pos.line == 0) {
        buf_append(&text, SPAN("default"));
    } else {
        buf_append(&text, pos.file.len > LOG_VALUE_MAX - 32 ? span_first(pos.file, LOG_VALUE_MAX - 32) : pos.file);
        buf_append_octet(&text, ':');
        buf_append_u64(&text, pos.line);
        buf_append_octet(&text, ':');
        buf_append_u64(&text, pos.column);
    }
    append_text(to, buf_span(&text), is_json);
}

static void
append_field(struct buf *to, const struct log_field *field, bool is_json)
{
    char id[MESSAGE_ID_TEXT];
    append_key(to, key_separator(is_json), log_key_name(field->key), is_json);
    switch (field->kind) {
    case LOG_FIELD_END:
        break;
    case LOG_FIELD_TEXT:
        append_text(to, field->value.text, is_json);
        break;
    case LOG_FIELD_U64:
        buf_append_u64(to, field->value.u64);
        break;
    case LOG_FIELD_I64:
        append_i64(to, field->value.i64);
        break;
    case LOG_FIELD_ID:
        message_id_format(field->value.id, id);
        append_text(to, span_of(id, sizeof(id)), is_json);
        break;
    case LOG_FIELD_POS:
        append_pos(to, field->value.pos, is_json);
        break;
    }
}

/* Everything before the fields of the event itself. */
static void
append_head(struct log *log, struct buf *line, enum log_event event)
{
    bool is_json = log->options.is_json;
    struct span separator = SPAN_EMPTY;
    if (log->options.has_priority) {
        char priority[3] = {'<', severities[events[event].severity].syslog, '>'};
        buf_append(line, span_of(priority, sizeof(priority)));
    }
    if (is_json)
        buf_append_octet(line, '{');
    if (log->options.has_time) {
        append_key(line, separator, SPAN("time"), is_json);
        separator = key_separator(is_json);
        if (is_json)
            buf_append_octet(line, '"');
        log_append_time(line, rt_wall_us(log->rt));
        if (is_json)
            buf_append_octet(line, '"');
    }
    append_key(line, separator, SPAN("event"), is_json);
    append_text(line, events[event].name, is_json);
    append_key(line, key_separator(is_json), SPAN("severity"), is_json);
    append_text(line, log_severity_name(events[event].severity), is_json);
    append_key(line, key_separator(is_json), SPAN("origin"), is_json);
    append_text(line, span_of(log->origin, log->origin_len), is_json);
}

void
log_write_fields(struct log *log, enum log_event event, const struct log_field *fields)
{
    ASSERT(event < LOG_EVENT_COUNT);
    log->counts[event]++;
    if (events[event].severity < log->options.min_severity)
        return;
    bool is_json = log->options.is_json, is_shortened = false;
    struct buf line;
    buf_init_fixed(&line, log->line, sizeof(log->line) - LINE_TAIL_BYTES);
    append_head(log, &line, event);
    for (const struct log_field *field = fields; field->kind != LOG_FIELD_END; field++) {
        size_t len = line.len;
        append_field(&line, field, is_json);
        if (line.failed) {
            line.len = len;
            line.failed = false;
            is_shortened = true;
        }
    }
    line.size = line.cap = sizeof(log->line);
    if (is_shortened) {
        append_key(&line, key_separator(is_json), SPAN("shortened"), is_json);
        buf_append(&line, SPAN("1"));
    }
    if (is_json)
        buf_append_octet(&line, '}');
    ASSERT(!line.failed);
    rt_log_line(log->rt, buf_span(&line));
}
