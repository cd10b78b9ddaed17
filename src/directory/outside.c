/*
 * outside.c - files and users that the role cannot reach itself: the parent opens, a pool job reads, the loop swaps.
 *
 * Every DIRECTORY_WATCH_S seconds each file is opened anew (a file replaced by rename has another inode) and read again
 * when its stamp changed. A file that was there and cannot be read any more leaves what was read before in use, if
 * there was anything.
 */
#include <stdlib.h>

#include "directory/directory_state.h"
#include "store/parent_open.h"
#include "text/escape.h"

enum {
    OUTSIDE_WAIT_S = 20,
    USER_KNOWN_S = 60,
    USER_UNKNOWN_S = 10,
    USER_NAME_MAX = 64,
    READ_CHUNK_BYTES = 1024 * 1024,
    REFUSAL_TOLD_S = 60,
};

/* --- the parent --- */

/* Say why the parent did not open something; it is asked again and again, so not each time. */
static void
refusal_tell(struct directory *d, struct span name, enum err e, struct span why)
{
    if (d->refusals > 0 && rt_now_ns(d->rt) - d->refusal_told_ns < REFUSAL_TOLD_S * NS_PER_S)
        return;
    d->refusals++;
    d->refusal_told_ns = rt_now_ns(d->rt);
    log_write(d->log, LOG_ALIASES_PROBLEM, LOG_TEXT(KEY_NAME, name), LOG_ERR(KEY_ERROR, e), LOG_TEXT(KEY_DETAIL, why));
}

enum err
directory_parent_open(struct directory_ask *ask, unsigned kind, struct span name, int *ret_fd)
{
    struct directory *d = ask->directory;
    struct arena mem;
    arena_init(&mem, 16 * 1024);
    const struct ipc_parent_open request = {.kind = (uint8_t)kind, .name = name};
    struct ipc_parent_open_reply reply = {.file = -1};
    enum err e = ipc_parent_open(ask->f, ask->by, ipc_hub_link(d->env->hub, ROLE_PARENT), &request, &mem, &reply);
    if (e == ERR_OK) {
        switch ((enum parent_open_status)reply.status) {
        case PARENT_OPEN_OK: break;
        case PARENT_OPEN_NOT_FOUND: e = ERR_NOT_FOUND; break;
        case PARENT_OPEN_REFUSED: e = ERR_DENIED; break;
        case PARENT_OPEN_UNAVAILABLE:
        default: e = ERR_AGAIN; break;
        }
        if ((e == ERR_DENIED && kind != PARENT_OPEN_USER) || e == ERR_AGAIN)
            refusal_tell(d, name, e, reply.text);
        if (e != ERR_OK)
            rt_fd_close(d->rt, reply.file);
        else
            *ret_fd = reply.file;
    }
    arena_clear(&mem);
    return e;
}

/* --- what cannot be used --- */

/* Gathered by a pool job, told on the loop. Spans borrow from tables that live as long. */
struct problems {
    struct {
        struct span file;
        uint32_t line;
        const char *what;
    } first[DIRECTORY_PROBLEMS_MAX];
    uint64_t count;
};

static void
problem_note(void *ctx, struct span file, uint32_t line, const char *what)
{
    struct problems *p = ctx;
    if (p->count < DIRECTORY_PROBLEMS_MAX) {
        p->first[p->count].file = file;
        p->first[p->count].line = line;
        p->first[p->count].what = what;
    }
    p->count++;
}

static void
problem_note_line(void *ctx, uint32_t line, const char *what)
{
    problem_note(ctx, SPAN_EMPTY, line, what);
}

/* `file` stands for problems that name none. */
static void
problems_tell(struct directory *d, const struct problems *p, struct span file, struct buf *report)
{
    for (uint64_t i = 0; i < p->count && i < DIRECTORY_PROBLEMS_MAX; i++) {
        struct span where = span_is_empty(p->first[i].file) ? file : p->first[i].file;
        log_write(d->log, LOG_ALIASES_PROBLEM, LOG_TEXT(KEY_FILE, where), LOG_U64(KEY_LINE, p->first[i].line),
                  LOG_CSTR(KEY_DETAIL, p->first[i].what));
        if (report == NULL)
            continue;
        escape_append_reply(where, report);
        buf_printf(report, ":%u: %s\n", p->first[i].line, p->first[i].what);
    }
    if (p->count <= DIRECTORY_PROBLEMS_MAX)
        return;
    log_write(d->log, LOG_ALIASES_PROBLEM, LOG_TEXT(KEY_FILE, file),
              LOG_U64(KEY_COUNT, p->count - DIRECTORY_PROBLEMS_MAX),
              LOG_CSTR(KEY_DETAIL, "further lines that cannot be used"));
    if (report != NULL)
        buf_printf(report, "... and %llu further lines\n", (unsigned long long)(p->count - DIRECTORY_PROBLEMS_MAX));
}

/* --- one file --- */

/* A file opened by the parent: its stamp, and its text when it is another than `known`. Done in a pool job. */
struct file_job {
    struct disk_file *file;
    size_t bytes_max;
    struct file_stamp known; /* in; exists false: read in any case */
    struct file_stamp stamp; /* out */
    bool is_changed;
    struct buf text;         /* out, owned */
    enum err status;
};

static bool
stamp_equal(const struct file_stamp *a, const struct file_stamp *b)
{
    if (a->exists != b->exists)
        return false;
    return !a->exists || (a->inode == b->inode && a->size_bytes == b->size_bytes && a->mtime_us == b->mtime_us);
}

static enum err
text_read(struct file_job *job)
{
    for (;;) {
        uint8_t *to = buf_reserve(&job->text, READ_CHUNK_BYTES);
        if (to == NULL)
            return ERR_LIMIT;
        size_t n = 0;
        TRY(disk_pread(job->file, job->text.len, to, READ_CHUNK_BYTES, &n));
        if (n == 0)
            return ERR_OK;
        buf_advance(&job->text, n);
    }
}

static void
file_job_run(void *arg)
{
    struct file_job *job = arg;
    struct disk_stat st;
    job->status = disk_stat_file(job->file, &st);
    if (job->status != ERR_OK)
        return;
    job->stamp = (struct file_stamp){true, st.inode, st.size_bytes, st.mtime_us};
    job->is_changed = !stamp_equal(&job->stamp, &job->known);
    if (job->is_changed)
        job->status = text_read(job);
}

/*
 * Have a file opened and looked at. ERR_NOT_FOUND is not an error here: job->stamp says that it does not exist. The
 * caller releases job->text.
 */
static enum err
file_look(struct directory_ask *ask, unsigned kind, struct span name, struct file_job *job)
{
    struct directory *d = ask->directory;
    int fd = -1;
    buf_init(&job->text, job->bytes_max + READ_CHUNK_BYTES);
    job->stamp = (struct file_stamp){.exists = false};
    enum err e = directory_parent_open(ask, kind, name, &fd);
    if (e == ERR_NOT_FOUND) {
        job->is_changed = job->known.exists;
        return ERR_OK;
    }
    if (e == ERR_OK)
        e = disk_open_fd(rt_disk(d->rt), fd, &job->file);
    if (e != ERR_OK)
        return e;
    e = rt_pool_run(ask->f, file_job_run, job);
    disk_close(job->file);
    return e == ERR_OK ? job->status : e;
}

/* --- the aliases file --- */

/* Parsing steps, each in a pool job: the table is nobody else's until it is finished. */
struct table_job {
    struct aliases_table *table;
    struct span text;
    size_t include; /* SIZE_MAX: the aliases file itself */
    enum err status;
};

static void
table_job_run(void *arg)
{
    struct table_job *job = arg;
    job->status = job->include == SIZE_MAX ? aliases_table_read(job->table, job->text)
                                           : aliases_table_include(job->table, job->include, job->text);
}

static void
table_finish_run(void *arg)
{
    struct table_job *job = arg;
    job->status = aliases_table_finish(job->table);
}

static enum err
table_job(struct directory_ask *ask, void (*run)(void *arg), struct table_job *job)
{
    TRY(rt_pool_run(ask->f, run, job));
    return job->status;
}

/* The files that the new table includes, read into it. One that cannot be read makes its entries wait. */
static enum err
includes_read(struct directory_ask *ask, struct aliases_table *table, struct include_stamp *stamps, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct file_job file = {.bytes_max = ALIASES_FILE_BYTES_MAX};
        stamps[i].path = aliases_table_include_path(table, i);
        enum err e = file_look(ask, PARENT_OPEN_INCLUDE, stamps[i].path, &file);
        struct table_job job = {.table = table, .text = buf_span(&file.text), .include = i};
        if (e == ERR_OK && file.stamp.exists)
            e = table_job(ask, table_job_run, &job);
        stamps[i].stamp = file.stamp;
        buf_done(&file.text);
        if (e == ERR_CANCELED)
            return e;
        if (e != ERR_OK || !file.stamp.exists)
            log_write(ask->directory->log, LOG_ALIASES_PROBLEM, LOG_TEXT(KEY_FILE, stamps[i].path),
                      LOG_ERR(KEY_ERROR, e == ERR_OK ? ERR_NOT_FOUND : e),
                      LOG_CSTR(KEY_DETAIL, "an included file cannot be read; mail for its aliases waits"));
    }
    return ERR_OK;
}

/* A new table in place of the old one; `table` and `stamps` are owned by the directory from now on. */
static void
table_swap(struct directory *d, struct aliases_table *table, struct include_stamp *stamps, size_t count)
{
    aliases_table_free(d->aliases);
    free(d->includes);
    d->aliases = table;
    d->includes = stamps;
    d->include_count = count;
}

static size_t
include_count(const struct aliases_table *table)
{
    size_t count = 0;
    while (!span_is_empty(aliases_table_include_path(table, count)))
        count++;
    return count;
}

/* Make a table of the file's text and what it includes. */
static enum err
table_build(struct directory_ask *ask, struct span text, struct aliases_table *table)
{
    struct table_job job = {.table = table, .text = text, .include = SIZE_MAX};
    TRY(table_job(ask, table_job_run, &job));
    size_t count = include_count(table);
    struct include_stamp *stamps = calloc(count + 1, sizeof(*stamps));
    if (stamps == NULL)
        return ERR_LIMIT;
    enum err e = includes_read(ask, table, stamps, count);
    if (e == ERR_OK)
        e = table_job(ask, table_finish_run, &job);
    if (e != ERR_OK) {
        free(stamps);
        return e;
    }
    table_swap(ask->directory, table, stamps, count);
    return ERR_OK;
}

static enum err
aliases_make(struct directory_ask *ask, struct span text, struct buf *report)
{
    struct directory *d = ask->directory;
    struct problems *problems = calloc(1, sizeof(*problems));
    const struct aliases_problems sink = {.report = problem_note, .ctx = problems};
    struct aliases_table *table = problems == NULL ? NULL : aliases_table_new(d->seed, &sink);
    enum err e = table == NULL ? ERR_LIMIT : table_build(ask, text, table);
    if (problems != NULL)
        problems_tell(d, problems, d->env->config->local.aliases.value, report);
    if (e != ERR_OK)
        aliases_table_free(table);
    free(problems);
    return e;
}

/* Whether an include changed, appeared or went away. A failure to look is no change: the next look may succeed. */
static bool
includes_changed(struct directory_ask *ask)
{
    struct directory *d = ask->directory;
    for (size_t i = 0; i < d->include_count; i++) {
        struct file_job file = {.bytes_max = ALIASES_FILE_BYTES_MAX, .known = d->includes[i].stamp};
        enum err e = file_look(ask, PARENT_OPEN_INCLUDE, d->includes[i].path, &file);
        buf_done(&file.text);
        if (e == ERR_OK && file.is_changed)
            return true;
    }
    return false;
}

static void
aliases_reread(struct directory_ask *ask, bool is_forced, struct buf *report)
{
    struct directory *d = ask->directory;
    struct span path = d->env->config->local.aliases.value;
    if (span_is_empty(path)) {
        table_swap(d, NULL, NULL, 0);
        return;
    }
    bool reads_all = is_forced || d->aliases == NULL || includes_changed(ask);
    struct file_job file = {.bytes_max = ALIASES_FILE_BYTES_MAX};
    if (!reads_all)
        file.known = d->aliases_stamp;
    enum err e = file_look(ask, PARENT_OPEN_ALIASES, SPAN_EMPTY, &file);
    bool is_unchanged = e == ERR_OK && !reads_all && !file.is_changed;
    if (e == ERR_OK && !is_unchanged)
        e = aliases_make(ask, buf_span(&file.text), report);
    if (e == ERR_OK)
        d->aliases_stamp = file.stamp;
    buf_done(&file.text);
    bool is_news = e != d->aliases_error;
    d->aliases_error = e;
    if (e == ERR_OK || e == ERR_CANCELED)
        return;
    if (is_news)
        log_write(d->log, LOG_DIRECTORY_FAILED, LOG_TEXT(KEY_FILE, path), LOG_ERR(KEY_ERROR, e));
    if (report != NULL) {
        escape_append_reply(path, report);
        buf_printf(report, ": cannot be read (%s); %s\n", err_name(e),
                   d->aliases == NULL ? "mail for local names waits" : "what was read before stays in use");
    }
}

/* --- lists of recipients --- */

static void
list_done(struct recipients_list *list)
{
    recipients_set_free(list->set);
    list->set = NULL;
}

enum err
directory_lists_reset(struct fiber *f, struct directory *d)
{
    TRY(semaphore_take(f, DEADLINE_NEVER, &d->reload_lock));
    const struct config *config = d->env->config;
    for (size_t i = 0; i < d->list_count; i++)
        list_done(&d->lists[i]);
    free(d->lists);
    d->list_count = 0;
    d->lists = calloc(config->domains.count + 1, sizeof(*d->lists));
    for (size_t i = 0; d->lists != NULL && i < config->domains.count; i++)
        if (!span_is_empty(config->domains.items[i].recipients.file))
            d->lists[d->list_count++].domain = config->domains.items[i].title.value;
    semaphore_give(&d->reload_lock);
    return d->lists == NULL ? ERR_LIMIT : ERR_OK; /* without a list recipients wait, see directory_file_has() */
}

struct list_job {
    struct span text;
    const uint64_t *seed;
    struct recipients_file_spec spec;
    struct recipients_set *set;
    enum err status;
};

static void
list_job_run(void *arg)
{
    struct list_job *job = arg;
    job->status = recipients_file_parse(job->text, job->seed, &job->spec, &job->set);
}

/* Put a set in place if its domain still has a list: the configuration may have changed meanwhile. */
static void
list_swap(struct directory *d, const struct domain *domain, struct recipients_set *set, struct file_stamp stamp)
{
    for (size_t i = 0; i < d->list_count; i++) {
        if (!domain_equal(&d->lists[i].domain, domain))
            continue;
        list_done(&d->lists[i]);
        d->lists[i].set = set;
        d->lists[i].stamp = stamp;
        return;
    }
    recipients_set_free(set);
}

static enum err
list_make(struct directory_ask *ask, const struct config_domain *domain, const struct file_job *file,
          struct buf *report)
{
    struct directory *d = ask->directory;
    struct problems problems = {.count = 0};
    struct list_job job = {.text = buf_span(&file->text), .seed = d->seed};
    job.spec = (struct recipients_file_spec){.domain = domain_span(&domain->title.value),
                                             .is_case_sensitive = domain->is_case_sensitive.value,
                                             .problem = problem_note_line,
                                             .ctx = &problems};
    enum err e = rt_pool_run(ask->f, list_job_run, &job);
    if (e == ERR_OK)
        e = job.status;
    problems_tell(d, &problems, domain->recipients.file, report);
    if (e == ERR_OK)
        list_swap(d, &domain->title.value, job.set, file->stamp);
    return e;
}

static void
list_reread(struct directory_ask *ask, struct recipients_list *list, bool is_forced, struct buf *report)
{
    struct directory *d = ask->directory;
    struct domain name = list->domain;
    bool had_set = list->set != NULL;
    struct file_job file = {.bytes_max = RECIPIENTS_FILE_BYTES_MAX};
    if (!is_forced && had_set)
        file.known = list->stamp;
    const struct config_domain *domain = config_domain_find(d->env->config, domain_span(&name));
    if (domain == NULL || span_is_empty(domain->recipients.file))
        return;
    enum err e = file_look(ask, PARENT_OPEN_RECIPIENTS, domain_span(&name), &file);
    if (e == ERR_OK && !file.stamp.exists)
        e = ERR_NOT_FOUND;
    if (e == ERR_OK && file.is_changed)
        e = list_make(ask, domain, &file, report);
    buf_done(&file.text);
    bool is_news = e != list->error;
    list->error = e;
    if (e == ERR_OK || e == ERR_CANCELED)
        return;
    if (is_news)
        log_write(d->log, LOG_DIRECTORY_FAILED, LOG_TEXT(KEY_FILE, domain->recipients.file),
                  LOG_TEXT(KEY_DOMAIN, domain_span(&name)), LOG_ERR(KEY_ERROR, e));
    if (report != NULL) {
        escape_append_reply(domain->recipients.file, report);
        buf_printf(report, ": cannot be read (%s); %s\n", err_name(e),
                   had_set ? "what was read before stays in use" : "mail for its recipients waits");
    }
}

void
directory_reread(struct fiber *f, struct directory *d, bool is_forced, struct buf *report)
{
    if (semaphore_take(f, DEADLINE_NEVER, &d->reload_lock) != ERR_OK)
        return;
    struct directory_ask ask = {d, f, deadline_in(d->rt, OUTSIDE_WAIT_S * NS_PER_S)};
    aliases_reread(&ask, is_forced, report);
    /* The array is replaced under this lock alone. */
    for (size_t i = 0; i < d->list_count; i++) {
        ask.by = deadline_in(d->rt, OUTSIDE_WAIT_S * NS_PER_S);
        list_reread(&ask, &d->lists[i], is_forced, report);
    }
    semaphore_give(&d->reload_lock);
}

enum lookup
directory_file_has(void *ctx, const struct config_domain *domain, struct span key)
{
    const struct directory_ask *ask = ctx;
    const struct directory *d = ask->directory;
    for (size_t i = 0; i < d->list_count; i++)
        if (domain_equal(&d->lists[i].domain, &domain->title.value) && d->lists[i].set != NULL)
            return recipients_set_has(d->lists[i].set, key) ? LOOKUP_YES : LOOKUP_NO;
    return LOOKUP_FAILED;
}

/* --- users of the system --- */

/* An answer that is good for a while. */
struct user_answer {
    int64_t until_ns;
    bool exists;
    size_t len;
    uint8_t name[USER_NAME_MAX];
};

static void
users_forget(struct directory *d)
{
    struct map_cursor cursor;
    void *value;
    map_walk(&d->users, &cursor);
    while (map_next(&d->users, &cursor, NULL, &value))
        free(value);
    map_done(&d->users);
}

static void
user_remember(struct directory *d, struct span name, bool exists)
{
    if (d->users.count >= DIRECTORY_USERS_MAX)
        users_forget(d);
    struct user_answer *answer = map_get(&d->users, name);
    if (answer == NULL) {
        answer = calloc(1, sizeof(*answer));
        if (answer == NULL)
            return;
        answer->len = name.len;
        memcpy(answer->name, name.data, name.len);
        if (map_put(&d->users, span_of(answer->name, answer->len), answer, NULL) != ERR_OK) {
            free(answer);
            return;
        }
    }
    answer->exists = exists;
    answer->until_ns = rt_now_ns(d->rt) + (exists ? USER_KNOWN_S : USER_UNKNOWN_S) * NS_PER_S;
}

enum lookup
directory_user_exists(void *ctx, struct span user)
{
    struct directory_ask *ask = ctx;
    struct directory *d = ask->directory;
    if (user.len > USER_NAME_MAX)
        return LOOKUP_NO;
    const struct user_answer *known = map_get(&d->users, user);
    if (known != NULL && known->until_ns > rt_now_ns(d->rt))
        return known->exists ? LOOKUP_YES : LOOKUP_NO;
    int fd = -1;
    enum err e = directory_parent_open(ask, PARENT_OPEN_USER, user, &fd);
    rt_fd_close(d->rt, fd);
    /* Refused is a user who receives no mail: root, or one below min-uid. */
    if (e != ERR_OK && e != ERR_NOT_FOUND && e != ERR_DENIED)
        return LOOKUP_FAILED;
    user_remember(d, user, e == ERR_OK);
    return e == ERR_OK ? LOOKUP_YES : LOOKUP_NO;
}

void
directory_outside_done(struct directory *d)
{
    table_swap(d, NULL, NULL, 0);
    for (size_t i = 0; i < d->list_count; i++)
        list_done(&d->lists[i]);
    free(d->lists);
    d->lists = NULL;
    d->list_count = 0;
    users_forget(d);
}
