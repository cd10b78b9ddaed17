/* quota.c - maildirsize: judge it, count again when it cannot be trusted, append to it. */
#include "store/maildir/quota.h"

#include <stdio.h>

#include "text/ascii.h"

enum {
    SIZE_FILE_MAX = 5120,      /* the format's own limit: a file this long is counted anew */
    SIZE_AGE_MAX_S = 15 * 60,
    FOLDERS_MAX = 10000,       /* folders of one mailbox that are counted */
    FOLDER_NAME_MAX = 256,
};

/* One signed decimal number from the start of *s, at most 18 digits. */
static bool
number_take(struct span *s, int64_t *ret)
{
    bool is_negative = s->len > 0 && s->data[0] == '-';
    struct span digits = is_negative ? span_skip(*s, 1) : *s;
    size_t len = ascii_run(digits, ASCII_DIGIT);
    uint64_t value = 0;
    if (!span_to_u64(span_first(digits, len), UINT64_C(999999999999999999), &value))
        return false;
    *ret = is_negative ? -(int64_t)value : (int64_t)value;
    *s = span_skip(digits, len);
    return true;
}

/* The limit in bytes of a first line "1000S,50C"; 0 when it names none. */
static bool
limits_parse(struct span line, uint64_t *ret_bytes)
{
    uint64_t bytes = 0;
    struct span rest = line;
    while (!span_is_empty(rest)) {
        struct span part = rest, after = SPAN_EMPTY;
        span_cut(rest, ',', &part, &after);
        rest = after;
        uint64_t value = 0;
        if (part.len < 2 || !span_to_u64(span_first(part, part.len - 1), UINT64_MAX, &value))
            return false;
        if (part.data[part.len - 1] == 'S')
            bytes = value;
    }
    *ret_bytes = bytes;
    return true;
}

static bool
change_parse(struct span line, struct maildir_usage *ret)
{
    struct span s = span_trim(line);
    struct maildir_usage change;
    if (!number_take(&s, &change.bytes) || s.len == 0 || !ascii_is(s.data[0], ASCII_BLANK))
        return false;
    s = span_trim(s);
    if (!number_take(&s, &change.count) || s.len > 0)
        return false;
    *ret = change;
    return true;
}

enum maildir_size_verdict
maildir_size_eval(struct span text, struct maildir_quota quota, int64_t age_s, struct maildir_usage *ret)
{
    struct span line, rest;
    uint64_t limit = 0;
    if (text.len >= SIZE_FILE_MAX || !span_cut(text, '\n', &line, &rest) || !limits_parse(line, &limit) ||
        limit != quota.limit_bytes)
        return MAILDIR_SIZE_RECOUNT;
    struct maildir_usage sum = {0, 0};
    unsigned lines = 0;
    while (!span_is_empty(rest)) {
        struct maildir_usage change;
        line = rest;
        struct span after = SPAN_EMPTY;
        span_cut(rest, '\n', &line, &after);
        rest = after;
        /* Numbers of up to 18 digits, hundreds of them: the sum may overflow. */
        if (!change_parse(line, &change) || __builtin_add_overflow(sum.bytes, change.bytes, &sum.bytes) ||
            __builtin_add_overflow(sum.count, change.count, &sum.count))
            return MAILDIR_SIZE_RECOUNT;
        lines++;
    }
    if (lines == 0 || sum.bytes < 0 || sum.count < 0)
        return MAILDIR_SIZE_RECOUNT;
    bool is_over = (uint64_t)sum.bytes + quota.message_bytes > quota.limit_bytes;
    if (is_over && (lines > 1 || age_s > SIZE_AGE_MAX_S))
        return MAILDIR_SIZE_RECOUNT;
    *ret = sum;
    return MAILDIR_SIZE_TRUSTED;
}

bool
maildir_name_size(struct span name, uint64_t *ret)
{
    /* Flags after ':' do not hold sizes. */
    struct span base = span_first(name, span_find(name, ':'));
    for (size_t i = 0; i + 3 < base.len; i++) {
        if (base.data[i] != ',' || base.data[i + 1] != 'S' || base.data[i + 2] != '=')
            continue;
        struct span digits = span_skip(base, i + 3);
        return span_to_u64(span_first(digits, ascii_run(digits, ASCII_DIGIT)), INT64_MAX / 2, ret);
    }
    return false;
}

/* Counting a directory of messages. */
struct count {
    struct disk_dir *dir;
    struct maildir_usage usage;
};

static bool
message_count(void *arg, const char *name)
{
    struct count *c = arg;
    if (name[0] == '.')
        return true;
    uint64_t size = 0;
    struct disk_stat st;
    if (!maildir_name_size(span_from_cstr(name), &size)) {
        /* Gone meanwhile (moved by a reader) or unreadable: it does not count. */
        if (disk_stat_name(c->dir, name, &st) != ERR_OK || !st.is_regular)
            return true;
        size = st.size_bytes;
    }
    if (__builtin_add_overflow(c->usage.bytes, (int64_t)size, &c->usage.bytes))
        return false;
    c->usage.count++;
    return true;
}

static enum err
messages_count(struct disk *disk, struct disk_dir *box, const char *name, struct maildir_usage *usage)
{
    struct count c = {.usage = *usage};
    enum err e = disk_dir_open(disk, box, name, &c.dir);
    if (e != ERR_OK)
        return e == ERR_NOT_FOUND ? ERR_OK : e;
    e = disk_dir_list(c.dir, message_count, &c);
    disk_dir_close(c.dir);
    if (e == ERR_OK)
        *usage = c.usage;
    return e;
}

/* Names of folders: ".Sent", one after the other with a NUL each. */
struct folders {
    struct buf names;
    unsigned count;
};

static bool
folder_note(void *arg, const char *name)
{
    struct folders *f = arg;
    if (name[0] != '.' || strlen(name) >= FOLDER_NAME_MAX || f->count >= FOLDERS_MAX)
        return true;
    f->count++;
    buf_append_cstr(&f->names, name);
    return buf_append_octet(&f->names, '\0') == ERR_OK;
}

static enum err
folders_count(struct disk *disk, struct disk_dir *box, const struct folders *folders, struct maildir_usage *usage)
{
    for (size_t at = 0; at < folders->names.len;) {
        const char *name = (const char *)folders->names.data + at;
        at += strlen(name) + 1;
        char path[FOLDER_NAME_MAX + 8];
        struct disk_stat st;
        if (disk_stat_name(box, name, &st) != ERR_OK || !st.is_directory)
            continue;
        snprintf(path, sizeof(path), "%s/cur", name);
        TRY(messages_count(disk, box, path, usage));
        snprintf(path, sizeof(path), "%s/new", name);
        TRY(messages_count(disk, box, path, usage));
    }
    return ERR_OK;
}

static enum err
usage_count(struct disk *disk, struct disk_dir *box, struct maildir_usage *ret)
{
    struct maildir_usage usage = {0, 0};
    TRY(messages_count(disk, box, "cur", &usage));
    TRY(messages_count(disk, box, "new", &usage));
    struct folders folders = {0};
    buf_init(&folders.names, (size_t)FOLDERS_MAX * FOLDER_NAME_MAX);
    enum err e = disk_dir_list(box, folder_note, &folders);
    if (e == ERR_OK)
        e = folders_count(disk, box, &folders, &usage);
    buf_done(&folders.names);
    if (e == ERR_OK)
        *ret = usage;
    return e;
}

/* Replace maildirsize; that it fails costs another count, no more. */
static void
size_file_write(struct disk_dir *box, const char *temporary, uint64_t limit_bytes, struct maildir_usage usage)
{
    char path[MAILDIR_NAME_MAX + 16], text[96];
    snprintf(path, sizeof(path), "tmp/%s.size", temporary);
    int n = snprintf(text, sizeof(text), "%lluS\n%lld %lld\n", (unsigned long long)limit_bytes, (long long)usage.bytes,
                     (long long)usage.count);
    struct disk_file *file;
    if (disk_open(box, path, DISK_WRITE | DISK_CREATE | DISK_EXCLUSIVE, &file) != ERR_OK)
        return;
    enum err e = disk_pwrite(file, 0, span_of(text, (size_t)n));
    disk_close(file);
    if (e == ERR_OK)
        e = disk_rename(box, path, box, "maildirsize");
    if (e != ERR_OK && disk_unlink(box, path) != ERR_OK)
        return; /* readers remove what is old in tmp/ */
}

/* The text of maildirsize in dst[SIZE_FILE_MAX]; false when there is none to be used. */
static bool
size_file_read(struct disk_dir *box, int64_t now_us, uint8_t *dst, struct span *ret_text, int64_t *ret_age_s)
{
    struct disk_file *file;
    struct disk_stat st;
    size_t n = 0;
    if (disk_open(box, "maildirsize", DISK_READ, &file) != ERR_OK)
        return false;
    bool is_read = disk_stat_file(file, &st) == ERR_OK && st.is_regular && st.link_count == 1 &&
                   disk_pread(file, 0, dst, SIZE_FILE_MAX, &n) == ERR_OK;
    disk_close(file);
    if (!is_read)
        return false;
    *ret_text = span_of(dst, n);
    *ret_age_s = (now_us - st.mtime_us) / 1000000;
    return true;
}

enum err
maildir_usage_load(struct disk *disk, struct disk_dir *box, struct maildir_quota quota, int64_t now_us,
                   const char *temporary, struct maildir_usage *ret)
{
    uint8_t bytes[SIZE_FILE_MAX];
    struct span text;
    int64_t age_s;
    if (size_file_read(box, now_us, bytes, &text, &age_s) &&
        maildir_size_eval(text, quota, age_s, ret) == MAILDIR_SIZE_TRUSTED)
        return ERR_OK;
    struct maildir_usage usage;
    TRY(usage_count(disk, box, &usage));
    size_file_write(box, temporary, quota.limit_bytes, usage);
    *ret = usage;
    return ERR_OK;
}

void
maildir_usage_add(struct disk_dir *box, struct maildir_usage added)
{
    struct disk_file *file;
    struct disk_stat st;
    char line[64];
    int n = snprintf(line, sizeof(line), "%lld %lld\n", (long long)added.bytes, (long long)added.count);
    if (disk_open(box, "maildirsize", DISK_WRITE | DISK_APPEND, &file) != ERR_OK)
        return;
    enum err e = disk_stat_file(file, &st);
    if (e == ERR_OK && st.is_regular && st.link_count == 1)
        e = disk_pwrite(file, st.size_bytes, span_of(line, (size_t)n));
    disk_close(file);
    (void)e; /* see the header: the next count finds the message */
}
