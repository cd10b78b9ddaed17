/*
 * load.c - configuration files from the disk into a list of sources.
 *
 * A file is read, its includes are found with the parser itself, and each file they name is read in turn, depth first.
 * A file that would include itself, directly or not, becomes a source with a fault. Regular files only, with a cap.
 */
#include "config/load.h"

#include "config/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* A file being read, and the one that includes it: the chain that must not close. */
struct chain {
    const struct chain *includer; /* NULL for the main file */
    dev_t device;
    ino_t inode;
    unsigned depth;
};

static enum err file_load(const char *path, const struct chain *includer, const struct config_source *like,
                          struct config_sources *sources);

/* --- one file ----------------------------------------------------------------------------------------------------- */

static void
close_if_open(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

/* The whole of the open file into `text`; NULL when that worked, else why it did not. */
static const char *
contents_read(int fd, struct buf *text)
{
    for (;;) {
        uint8_t *to = buf_reserve(text, 4096);
        if (to == NULL)
            return "larger than 4 MiB";
        ssize_t n = read(fd, to, 4096);
        if (n == 0)
            return NULL;
        if (n > 0)
            buf_advance(text, (size_t)n);
        else if (errno != EINTR)
            return strerror(errno);
    }
}

/* Open, look at and read the file at `path`; *self says which one it is. NULL, or why it cannot be read. */
static const char *
file_read(const char *path, struct chain *self, struct buf *text)
{
    CLEANUP(close_if_open) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) != 0)
        return errno == ENOENT ? "no such file" : strerror(errno);
    if (S_ISDIR(status.st_mode))
        return "a directory, not a file";
    if (!S_ISREG(status.st_mode))
        return "not a regular file";
    self->device = status.st_dev;
    self->inode = status.st_ino;
    for (const struct chain *c = self->includer; c != NULL; c = c->includer)
        if (c->device == self->device && c->inode == self->inode)
            return "the file includes itself";
    if (self->depth > CONFIG_INCLUDE_DEPTH_MAX)
        return "too many files include one another";
    return contents_read(fd, text);
}

/* --- includes ----------------------------------------------------------------------------------------------------- */

/* What is known while the includes of one source are followed. */
struct following {
    const struct chain *self;
    uint32_t index; /* of the source */
    struct span path;
    struct config_sources *sources;
};

/*
 * `pattern` relative to the directory of the file at `path`, NUL-terminated. False when it is too long or holds a NUL.
 */
static bool
pattern_resolve(struct span path, struct span pattern, char *ret, size_t cap)
{
    size_t slash = span_find_last(path, '/');
    bool is_absolute = pattern.len > 0 && pattern.data[0] == '/';
    struct buf joined;
    buf_init_fixed(&joined, ret, cap);
    if (!is_absolute && slash < path.len)
        (void)buf_append(&joined, span_first(path, slash + 1));
    (void)buf_append(&joined, pattern);
    (void)buf_append_octet(&joined, '\0');
    return !joined.failed && span_find(pattern, 0) == pattern.len;
}

static int
path_order(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Read what `include` names. What a plain path names is read, or its fault noted; a pattern may match nothing. */
static enum err
include_follow(const struct following *from, const struct config_node *include)
{
    struct source_pos pos = include->words->pos;
    struct config_source source = {.includer = from->index, .include_line = pos.line, .include_column = pos.column};
    struct span written = include->words->next->text;
    char path[PATH_MAX];
    if (!pattern_resolve(from->path, written, path, sizeof(path)))
        return ERR_OK; /* the parser finds no source for it and says so */
    if (!config_is_pattern(written))
        return file_load(path, from->self, &source, from->sources);

    glob_t found = {0};
    int status = glob(path, GLOB_NOSORT, NULL, &found);
    enum err e = status == GLOB_NOSPACE ? ERR_LIMIT : ERR_OK;
    if (status == 0)
        qsort(found.gl_pathv, found.gl_pathc, sizeof(*found.gl_pathv), path_order);
    for (size_t i = 0; status == 0 && e == ERR_OK && i < found.gl_pathc; i++)
        e = file_load(found.gl_pathv[i], from->self, &source, from->sources);
    globfree(&found);
    return e;
}

/* The includes of one text, in order, linked by `next`. */
struct include_list {
    struct config_node *first;
    struct config_node **last;
};

static void
include_found(void *ctx, struct config_node *include)
{
    struct include_list *list = ctx;
    *list->last = include;
    list->last = &include->next;
}

static enum err
includes_follow(const struct following *from, struct span text)
{
    struct arena memory;
    struct include_list list = {.last = &list.first};
    arena_init(&memory, CONFIG_MEMORY_MAX);
    enum err e = config_tree_includes(text, &memory, include_found, &list);
    for (const struct config_node *include = list.first; e == ERR_OK && include != NULL; include = include->next)
        e = include_follow(from, include);
    arena_clear(&memory);
    return e;
}

/* Read the file at `path` into a source like `like`, then what it includes. */
static enum err
file_load(const char *path, const struct chain *includer, const struct config_source *like,
          struct config_sources *sources)
{
    struct chain self = {.includer = includer, .depth = includer == NULL ? 0 : includer->depth + 1};
    struct config_source source = *like;
    CLEANUP(buf_done) struct buf text;
    buf_init(&text, CONFIG_SOURCE_BYTES_MAX);
    const char *fault = file_read(path, &self, &text);
    source.name = span_from_cstr(path);
    if (fault == NULL)
        source.text = buf_span(&text);
    else
        source.fault = span_from_cstr(fault);
    uint32_t index = (uint32_t)sources->count;
    TRY(config_sources_add(sources, &source));
    if (fault != NULL)
        return ERR_OK;
    return includes_follow(&(struct following){&self, index, source.name, sources}, source.text);
}

enum err
config_load(const char *path, struct config_sources *sources)
{
    char absolute[PATH_MAX];
    if (path[0] != '/' && getcwd(absolute, sizeof(absolute)) != NULL) {
        size_t len = strlen(absolute);
        if (len + 1 + strlen(path) < sizeof(absolute)) {
            absolute[len] = '/';
            memcpy(absolute + len + 1, path, strlen(path) + 1);
            path = absolute;
        }
    }
    return file_load(path, NULL, &(struct config_source){0}, sources);
}

/* --- files a configuration names ---------------------------------------------------------------------------------- */

void
config_files_check(const struct config *config, struct config_problems *problems)
{
    for (size_t i = 0; i < config->domains.count; i++) {
        const struct config_recipients *recipients = &config->domains.items[i].recipients;
        char path[PATH_MAX];
        if (span_is_empty(recipients->file) || !span_to_cstr(recipients->file, path, sizeof(path)) ||
            access(path, R_OK) == 0)
            continue;
        config_problem_add(problems, 0, recipients->file_pos, "cannot read '%s': %s",
                           config_quote(recipients->file).text, errno == ENOENT ? "no such file" : strerror(errno));
    }
    config_problems_sort(problems);
}
