/*
 * disk_sim.c - the simulated body of disk.h: handles, steps and faults over the model of content and tree.
 *
 * disk_sim_content.c knows sectors, disk_sim_tree.c knows entries; here is what a call means, what it costs, and when
 * the power goes. See disk_sim.h for the promises.
 */
#include "rt/disk_sim.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/list.h"
#include "rt/disk_body.h"
#include "rt/disk_sim_content.h"
#include "rt/disk_sim_tree.h"

struct disk_sim {
    pthread_mutex_t lock;
    struct sim_tree tree;
    struct sim_random chance;
    struct list mounts;
    struct sim_mount *own_mount; /* made when first asked for */
    uint64_t life;               /* grows at each reboot; handles of an earlier one are stale */
    uint64_t step;               /* the last one that was begun */
    uint64_t crash_step;         /* 0: none */
    bool is_crashed;
    uint64_t fail_step; /* 0: none */
    enum err fail_error;
    uint64_t data_sync_fails_in; /* 1: the next one; 0: none */
    uint64_t dir_sync_fails_in;
    bool is_ignoring_data_syncs;
    bool is_ignoring_dir_syncs;
    uint64_t capacity_blocks;
    struct disk_sim_latency latency;
    bool has_wall;
    int64_t wall_us;
    uint32_t uid;
    void (*trace)(void *arg, struct span what);
    void *trace_arg;
};

struct sim_mount {
    struct disk disk;
    struct disk_sim *sim;
    struct list node;    /* in disk_sim.mounts */
    struct list handles; /* struct sim_handle */
    int64_t cost_ns;
    bool is_dying;       /* dead after steps_left more steps */
    bool is_dead;
    uint64_t steps_left;
    struct disk_sim_fds fds;
};

/* Both kinds of handle; `file` and `dir` are what users hold. */
struct sim_handle {
    struct disk_file file;
    struct disk_dir dir;
    struct list node; /* in sim_mount.handles */
    struct sim_inode *inode;
    uint64_t life;
    unsigned flags; /* of a file */
};

static struct sim_mount *
mount_of(struct disk *d)
{
    return CONTAINER_OF(d, struct sim_mount, disk);
}

static struct sim_handle *
handle_of_file(struct disk_file *file)
{
    return CONTAINER_OF(file, struct sim_handle, file);
}

static struct sim_handle *
handle_of_dir(struct disk_dir *dir)
{
    return CONTAINER_OF(dir, struct sim_handle, dir);
}

/* --- calls, steps and what they cost --- */

/* One call of a user, from sim_enter() to sim_leave(). */
struct sim_call {
    struct sim_mount *mount;
    struct disk_sim *sim;
};

static void
unlock_call(struct sim_call *call)
{
    pthread_mutex_unlock(&call->sim->lock);
}

static struct sim_call
lock_call(struct disk *d)
{
    struct sim_mount *mount = mount_of(d);
    pthread_mutex_lock(&mount->sim->lock);
    return (struct sim_call){mount, mount->sim};
}

static void
charge(const struct sim_call *call, int64_t ns, int64_t byte_ps, uint64_t bytes)
{
    call->mount->cost_ns += ns + byte_ps * (int64_t)bytes / 1000;
}

/* Every call comes by here: whether the disk runs and the handles are of this life. */
static enum err
call_check(const struct sim_call *call, const struct sim_handle *a, const struct sim_handle *b)
{
    charge(call, call->sim->latency.call_ns, 0, 0);
    uint64_t life = call->sim->life;
    if (call->sim->is_crashed || call->mount->is_dead)
        return ERR_IO;
    return (a == NULL || a->life == life) && (b == NULL || b->life == life) ? ERR_OK : ERR_IO;
}

/* A step begins: the power may go, or it may be the one that is to fail. */
static enum err
step_begin(const struct sim_call *call)
{
    struct disk_sim *sim = call->sim;
    uint64_t step = sim->step + 1;
    if (call->mount->is_dying && call->mount->steps_left == 0) {
        call->mount->is_dead = true;
        return ERR_IO;
    }
    call->mount->steps_left -= call->mount->is_dying;
    if (sim->crash_step != 0 && step >= sim->crash_step) {
        sim->is_crashed = true;
        return ERR_IO;
    }
    sim->step = step;
    if (!sim->has_wall)
        sim->wall_us++;
    if (step != sim->fail_step)
        return ERR_OK;
    sim->fail_step = 0;
    return sim->fail_error;
}

FORMAT(3, 4) static void
step_trace(struct disk_sim *sim, enum err e, const char *format, ...)
{
    if (sim->trace == NULL)
        return;
    char text[512];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    uint8_t line[600];
    struct buf b;
    buf_init_fixed(&b, line, sizeof line);
    (void)buf_printf(&b, "%llu %s %s", (unsigned long long)sim->step, text, err_name(e));
    sim->trace(sim->trace_arg, buf_span(&b));
}

/* --- the disk itself --- */

static const struct disk_body sim_body;

static struct sim_mount *
mount_new(struct disk_sim *sim)
{
    struct sim_mount *m = calloc(1, sizeof *m);
    ASSERT(m != NULL);
    m->disk.body = &sim_body;
    m->sim = sim;
    list_init(&m->handles);
    list_append(&sim->mounts, &m->node);
    return m;
}

static struct disk_sim *
sim_alloc(void)
{
    struct disk_sim *sim = calloc(1, sizeof *sim);
    ASSERT(sim != NULL);
    return sim;
}

struct disk_sim *
disk_sim_new(uint64_t seed)
{
    struct disk_sim *sim = sim_alloc();
    ASSERT(pthread_mutex_init(&sim->lock, NULL) == 0);
    list_init(&sim->mounts);
    sim_tree_init(&sim->tree);
    sim->chance = (struct sim_random){seed};
    sim->capacity_blocks = UINT64_MAX;
    return sim;
}

static void
handle_free(struct sim_mount *m, struct sim_handle *h)
{
    list_unlink(&h->node);
    sim_inode_release(&m->sim->tree, h->inode);
    free(h);
}

static void
mount_free(struct sim_mount *m)
{
    LIST_FOR_EACH(node, &m->handles)
        handle_free(m, CONTAINER_OF(node, struct sim_handle, node));
    list_unlink(&m->node);
    free(m);
}

void
disk_sim_free(struct disk_sim *sim)
{
    if (sim == NULL)
        return;
    LIST_FOR_EACH(node, &sim->mounts)
        mount_free(CONTAINER_OF(node, struct sim_mount, node));
    sim_tree_done(&sim->tree);
    pthread_mutex_destroy(&sim->lock);
    free(sim);
}

struct disk_sim *
disk_sim_clone(struct disk_sim *sim)
{
    struct disk_sim *copy = sim_alloc();
    pthread_mutex_lock(&sim->lock);
    *copy = *sim;
    sim_tree_clone(&sim->tree, &copy->tree);
    pthread_mutex_unlock(&sim->lock);
    ASSERT(pthread_mutex_init(&copy->lock, NULL) == 0);
    list_init(&copy->mounts);
    copy->own_mount = NULL;
    return copy;
}

struct disk *
disk_sim_disk(struct disk_sim *sim)
{
    if (sim->own_mount == NULL)
        sim->own_mount = mount_new(sim);
    return &sim->own_mount->disk;
}

struct disk *
disk_sim_mount(struct disk_sim *sim)
{
    return &mount_new(sim)->disk;
}

void
disk_sim_unmount(struct disk *mount)
{
    struct sim_mount *m = mount_of(mount);
    struct disk_sim *sim = m->sim;
    pthread_mutex_lock(&sim->lock);
    if (sim->own_mount == m)
        sim->own_mount = NULL;
    mount_free(m);
    pthread_mutex_unlock(&sim->lock);
}

void
disk_sim_mount_die(struct disk *mount, uint64_t steps)
{
    struct sim_mount *m = mount_of(mount);
    m->is_dying = true;
    m->is_dead = steps == 0;
    m->steps_left = steps;
}

bool
disk_sim_mount_is_dead(const struct disk *mount)
{
    return CONTAINER_OF(mount, struct sim_mount, disk)->is_dead;
}

struct disk_sim *
disk_sim_of(struct disk *mount)
{
    return mount_of(mount)->sim;
}

uint64_t
disk_sim_steps(const struct disk_sim *sim)
{
    return sim->step;
}

void
disk_sim_crash_at(struct disk_sim *sim, uint64_t step)
{
    sim->crash_step = step;
}

void
disk_sim_crash(struct disk_sim *sim)
{
    sim->is_crashed = true;
}

bool
disk_sim_is_crashed(const struct disk_sim *sim)
{
    return sim->is_crashed;
}

void
disk_sim_reboot(struct disk_sim *sim, uint64_t seed)
{
    /* Nothing, little, half, most, everything: the extremes find what the middle hides. */
    static const uint32_t odds_of[] = {0, 24, 128, 232, 256};
    struct sim_random chance = {seed};
    struct sim_odds odds = {odds_of[sim_random_below(&chance, ARRAY_LEN(odds_of))],
                            odds_of[sim_random_below(&chance, ARRAY_LEN(odds_of))]};
    pthread_mutex_lock(&sim->lock);
    sim_tree_crash(&sim->tree, &chance, &odds);
    sim->life++;
    sim->is_crashed = false;
    sim->crash_step = sim->fail_step = 0;
    sim->data_sync_fails_in = sim->dir_sync_fails_in = 0;
    sim->chance = chance;
    pthread_mutex_unlock(&sim->lock);
}

void
disk_sim_fail_data_sync(struct disk_sim *sim, uint64_t skip)
{
    sim->data_sync_fails_in = skip + 1;
}

void
disk_sim_fail_dir_sync(struct disk_sim *sim, uint64_t skip)
{
    sim->dir_sync_fails_in = skip + 1;
}

void
disk_sim_fail_at(struct disk_sim *sim, uint64_t step, enum err e)
{
    sim->fail_step = step;
    sim->fail_error = e;
}

void
disk_sim_drop_caches(struct disk_sim *sim)
{
    pthread_mutex_lock(&sim->lock);
    LIST_FOR_EACH(node, &sim->tree.inodes)
        sim_content_drop_lost(&CONTAINER_OF(node, struct sim_inode, node)->content);
    pthread_mutex_unlock(&sim->lock);
}

enum err
disk_sim_damage(struct disk_sim *sim, const char *path, uint64_t offset, uint64_t len, uint8_t mask)
{
    struct sim_inode *inode = NULL;
    pthread_mutex_lock(&sim->lock);
    enum err e = sim_tree_find(sim->tree.root, span_from_cstr(path), &inode);
    if (e == ERR_OK && (inode->is_directory || offset > inode->content.size || len > inode->content.size - offset))
        e = ERR_LIMIT;
    if (e == ERR_OK)
        sim_content_damage(&inode->content, offset, len, mask);
    pthread_mutex_unlock(&sim->lock);
    return e;
}

void
disk_sim_set_capacity(struct disk_sim *sim, uint64_t bytes)
{
    sim->capacity_blocks = bytes / SIM_BLOCK;
}

uint64_t
disk_sim_used_bytes(const struct disk_sim *sim)
{
    return sim->tree.used_blocks * SIM_BLOCK;
}

void
disk_sim_ignore_data_syncs(struct disk_sim *sim, bool is_ignoring)
{
    sim->is_ignoring_data_syncs = is_ignoring;
}

void
disk_sim_ignore_dir_syncs(struct disk_sim *sim, bool is_ignoring)
{
    sim->is_ignoring_dir_syncs = is_ignoring;
}

void
disk_sim_set_latency(struct disk_sim *sim, const struct disk_sim_latency *latency)
{
    sim->latency = *latency;
}

int64_t
disk_sim_take_cost_ns(struct disk *mount)
{
    struct sim_mount *m = mount_of(mount);
    int64_t cost_ns = m->cost_ns;
    m->cost_ns = 0;
    return cost_ns;
}

void
disk_sim_set_wall_us(struct disk_sim *sim, int64_t wall_us)
{
    sim->has_wall = true;
    sim->wall_us = wall_us;
}

void
disk_sim_set_uid(struct disk_sim *sim, uint32_t uid)
{
    sim->uid = uid;
}

void
disk_sim_set_fds(struct disk *mount, const struct disk_sim_fds *fds)
{
    mount_of(mount)->fds = *fds;
}

void
disk_sim_set_trace(struct disk_sim *sim, void (*trace)(void *arg, struct span what), void *arg)
{
    sim->trace = trace;
    sim->trace_arg = arg;
}

static struct sim_handle *
handle_new(struct sim_mount *m, struct sim_inode *inode, unsigned flags)
{
    struct sim_handle *h = calloc(1, sizeof *h);
    ASSERT(h != NULL);
    h->file.disk = h->dir.disk = &m->disk;
    h->inode = inode;
    h->life = m->sim->life;
    h->flags = flags;
    sim_inode_hold(inode);
    list_append(&m->handles, &h->node);
    return h;
}

struct disk_file *
disk_sim_file_dup(struct disk_file *file, struct disk *to)
{
    struct sim_handle *h = handle_of_file(file);
    CLEANUP(unlock_call) struct sim_call call = lock_call(to);
    ASSERT(call.sim == mount_of(file->disk)->sim);
    struct sim_handle *copy = handle_new(call.mount, h->inode, DISK_READ);
    copy->life = h->life;
    return &copy->file;
}

/* --- directories --- */

static enum err
sim_dir_open(struct disk *d, struct disk_dir *base, const char *name, struct disk_dir **ret)
{
    CLEANUP(unlock_call) struct sim_call call = lock_call(d);
    struct sim_handle *h = base != NULL ? handle_of_dir(base) : NULL;
    struct sim_inode *inode = NULL;
    TRY(call_check(&call, h, NULL));
    TRY(sim_tree_find(h != NULL ? h->inode : call.sim->tree.root, span_from_cstr(name), &inode));
    if (!inode->is_directory)
        return ERR_IO;
    *ret = &handle_new(call.mount, inode, 0)->dir;
    return ERR_OK;
}

static enum err
sim_dir_open_fd(struct disk *d, int fd, struct disk_dir **ret)
{
    (void)d;
    (void)fd;
    (void)ret;
    return ERR_DENIED; /* simulated descriptors are files or packet sockets */
}

static void
sim_dir_close(struct disk_dir *dir)
{
    CLEANUP(unlock_call) struct sim_call call = lock_call(dir->disk);
    handle_free(call.mount, handle_of_dir(dir));
}

/* Where a new entry or an old one goes: the directory and the last component, which is a real name. */
static enum err
entry_find(const struct sim_handle *base, const char *path, struct sim_inode **ret_dir, struct span *ret_name)
{
    struct span name;
    struct sim_inode *dir;
    TRY(sim_tree_find_parent(base->inode, span_from_cstr(path), &dir, &name));
    if (span_equal(name, SPAN(".")))
        return ERR_DENIED;
    *ret_dir = dir;
    *ret_name = name;
    return ERR_OK;
}

/* A directory that was removed takes nothing new. */
static bool
is_removed(const struct sim_call *call, const struct sim_inode *dir)
{
    return dir->view_links == 0 && dir != call->sim->tree.root;
}

static enum err
entry_create(const struct sim_call *call, struct sim_inode *dir, struct span name, bool is_directory)
{
    if (is_removed(call, dir))
        return ERR_NOT_FOUND;
    if (sim_entries_find(&dir->view, name) != NULL)
        return ERR_EXISTS;
    TRY(step_begin(call));
    struct sim_inode *inode = sim_inode_new(&call->sim->tree, is_directory);
    inode->mtime_us = call->sim->wall_us;
    sim_tree_add(&call->sim->tree, dir, name, inode);
    step_trace(call->sim, ERR_OK, "%s " SPAN_FMT, is_directory ? "mkdir" : "create", SPAN_ARG(name));
    return ERR_OK;
}

static enum err
sim_make_dir(struct disk_dir *base, const char *path)
{
    CLEANUP(unlock_call) struct sim_call call = lock_call(base->disk);
    struct sim_inode *dir;
    struct span name;
    TRY(call_check(&call, handle_of_dir(base), NULL));
    TRY(entry_find(handle_of_dir(base), path, &dir, &name));
    return entry_create(&call, dir, name, true);
}

/* Whether this sync is the one that was told to fail. */
static bool
sync_fails(uint64_t *fails_in)
{
    return *fails_in > 0 && --*fails_in == 0;
}

/* A device does not take the same time twice. */
static void
charge_sync(const struct sim_call *call, uint64_t bytes)
{
    int64_t ns = call->sim->latency.sync_ns;
    if (ns > 0)
        ns = ns / 2 + (int64_t)sim_random_below(&call->sim->chance, (uint64_t)(ns + ns / 2));
    charge(call, ns, call->sim->latency.sync_byte_ps, bytes);
}

static enum err
sim_dir_sync(struct disk_dir *dir)
{
    CLEANUP(unlock_call) struct sim_call call = lock_call(dir->disk);
    struct sim_handle *h = handle_of_dir(dir);
    TRY(call_check(&call, h, NULL));
    enum err e = step_begin(&call);
    if (call.sim->is_crashed || call.mount->is_dead)
        return ERR_IO;
    if (e == ERR_OK && sync_fails(&call.sim->dir_sync_fails_in))
        e = ERR_IO;
    if (e == ERR_OK && !call.sim->is_ignoring_dir_syncs && sim_tree_sync(&call.sim->tree, h->inode) > 0)
        charge_sync(&call, SIM_BLOCK);
    step_trace(call.sim, e, "dir-sync #%llu", (unsigned long long)h->inode->number);
    return e;
}

/* The names of a directory in an order of chance; the caller frees them and the array. */
static char **
names_of(const struct sim_call *call, const struct sim_entries *e)
{
    char **names = calloc(e->count + 1, sizeof *names);
    ASSERT(names != NULL);
    for (size_t i = 0; i < e->count; i++) {
        size_t j = (size_t)sim_random_below(&call->sim->chance, i + 1);
        names[i] = names[j];
        names[j] = strdup(e->items[i].name);
        ASSERT(names[j] != NULL);
    }
    return names;
}

static enum err
names_take(struct disk_dir *dir, char ***ret)
{
    CLEANUP(unlock_call) struct sim_call call = lock_call(dir->disk);
    TRY(call_check(&call, handle_of_dir(dir), NULL));
    *ret = names_of(&call, &handle_of_dir(dir)->inode->view);
    return ERR_OK;
}

static enum err
sim_dir_list(struct disk_dir *dir, bool (*each)(void *arg, const char *name), void *arg)
{
    char **names = NULL;
    TRY(names_take(dir, &names));
    bool goes_on = true;
    for (size_t i = 0; names[i] != NULL; i++) {
        goes_on = goes_on && each(arg, names[i]);
        free(names[i]);
    }
    free(names);
    return ERR_OK;
}

/* Whether `inode` is `dir` or lies above it. */
static bool
is_above(const struct sim_inode *inode, const struct sim_inode *dir)
{
    for (; dir != NULL; dir = dir->parent) {
        if (dir == inode)
            return true;
    }
    return false;
}

static enum err
rename_check(const struct sim_inode *inode, const struct sim_inode *to_dir, const struct sim_inode *target,
             bool keeps_existing)
{
    if (inode == NULL)
        return ERR_NOT_FOUND;
    if (target != NULL && keeps_existing)
        return ERR_EXISTS;
    if (inode->is_directory && is_above(inode, to_dir))
        return ERR_IO;
    if (target != NULL && (target->is_directory != inode->is_directory || target->view.count > 0))
        return ERR_IO;
    return ERR_OK;
}

static enum err
sim_rename(struct disk_dir *from_dir, const char *from, struct disk_dir *to_dir, const char *to, bool keeps_existing)
{
    CLEANUP(unlock_call) struct sim_call call = lock_call(from_dir->disk);
    struct sim_inode *source_dir, *target_dir;
    struct span source, target;
    TRY(call_check(&call, handle_of_dir(from_dir), handle_of_dir(to_dir)));
    TRY(entry_find(handle_of_dir(from_dir), from, &source_dir, &source));
    TRY(entry_find(handle_of_dir(to_dir), to, &target_dir, &target));
    if (is_removed(&call, target_dir))
        return ERR_NOT_FOUND;
    struct sim_inode *inode = sim_entries_find(&source_dir->view, source);
    struct sim_inode *replaced = sim_entries_find(&target_dir->view, target);
    TRY(rename_check(inode, target_dir, replaced, keeps_existing));
    if (inode == replaced)
        return ERR_OK;
    TRY(step_begin(&call));
    sim_tree_rename(&call.sim->tree, source_dir, source, target_dir, target);
    step_trace(call.sim, ERR_OK, "rename " SPAN_FMT " " SPAN_FMT, SPAN_ARG(source), SPAN_ARG(target));
    return ERR_OK;
}

static enum err
entry_remove(struct disk_dir *base, const char *path, bool is_directory)
{
    CLEANUP(unlock_call) struct sim_call call = lock_call(base->disk);
    struct sim_inode *dir;
    struct span name;
    TRY(call_check(&call, handle_of_dir(base), NULL));
    TRY(entry_find(handle_of_dir(base), path, &dir, &name));
    struct sim_inode *inode = sim_entries_find(&dir->view, name);
    if (inode == NULL)
        return ERR_NOT_FOUND;
    if (inode->is_directory != is_directory || inode->view.count > 0)
        return ERR_IO;
    TRY(step_begin(&call));
    step_trace(call.sim, ERR_OK, "%s " SPAN_FMT, is_directory ? "rmdir" : "unlink", SPAN_ARG(name));
    sim_tree_remove(&call.sim->tree, dir, name);
    return ERR_OK;
}

static enum err
sim_unlink(struct disk_dir *dir, const char *name)
{
    return entry_remove(dir, name, false);
}

static enum err
sim_remove_dir(struct disk_dir *dir, const char *name)
{
    return entry_remove(dir, name, true);
}

static struct disk_stat
stat_of(const struct disk_sim *sim, const struct sim_inode *inode)
{
    return (struct disk_stat){
        .size_bytes = inode->is_directory ? SIM_BLOCK : inode->content.size,
        .mtime_us = inode->mtime_us,
        .inode = inode->number,
        .uid = sim->uid,
        .link_count = inode->view_links,
        .is_directory = inode->is_directory,
        .is_regular = !inode->is_directory,
    };
}

static enum err
sim_stat_name(struct disk_dir *dir, const char *name, struct disk_stat *ret)
{
    CLEANUP(unlock_call) struct sim_call call = lock_call(dir->disk);
    struct sim_inode *inode = NULL;
    TRY(call_check(&call, handle_of_dir(dir), NULL));
    TRY(sim_tree_find(handle_of_dir(dir)->inode, span_from_cstr(name), &inode));
    *ret = stat_of(call.sim, inode);
    return ERR_OK;
}

static uint64_t
free_blocks(const struct disk_sim *sim)
{
    return sim->tree.used_blocks < sim->capacity_blocks ? sim->capacity_blocks - sim->tree.used_blocks : 0;
}

static enum err
sim_space(struct disk_dir *dir, struct disk_space *ret)
{
    CLEANUP(unlock_call) struct sim_call call = lock_call(dir->disk);
    TRY(call_check(&call, handle_of_dir(dir), NULL));
    bool is_bounded = call.sim->capacity_blocks <= UINT64_MAX / SIM_BLOCK;
    *ret = (struct disk_space){
        .free_bytes = is_bounded ? free_blocks(call.sim) * SIM_BLOCK : UINT64_C(1) << 50,
        .total_bytes = is_bounded ? call.sim->capacity_blocks * SIM_BLOCK : UINT64_C(1) << 50,
        .free_inodes = UINT64_MAX,
    };
    return ERR_OK;
}

/* --- files --- */

static enum err
sim_open(struct disk_dir *base, const char *path, unsigned flags, struct disk_file **ret)
{
    CLEANUP(unlock_call) struct sim_call call = lock_call(base->disk);
    struct sim_inode *dir;
    struct span name;
    TRY(call_check(&call, handle_of_dir(base), NULL));
    TRY(entry_find(handle_of_dir(base), path, &dir, &name));
    struct sim_inode *inode = sim_entries_find(&dir->view, name);
    if (inode == NULL && (flags & DISK_CREATE) == 0)
        return ERR_NOT_FOUND;
    if (inode != NULL && (flags & DISK_CREATE) != 0 && (flags & DISK_EXCLUSIVE) != 0)
        return ERR_EXISTS;
    if (inode == NULL) {
        TRY(entry_create(&call, dir, name, false));
        inode = sim_entries_find(&dir->view, name);
    }
    if (inode->is_directory)
        return ERR_IO;
    *ret = &handle_new(call.mount, inode, flags)->file;
    return ERR_OK;
}

static enum err
sim_open_fd(struct disk *d, int fd, struct disk_file **ret)
{
    struct sim_mount *m = mount_of(d);
    if (m->fds.take == NULL)
        return ERR_LIMIT;
    struct disk_file *file = m->fds.take(m->fds.arg, fd);
    if (file == NULL)
        return ERR_DENIED;
    *ret = file->disk == d ? file : disk_sim_file_dup(file, d);
    if (*ret != file)
        disk_close(file);
    return ERR_OK;
}

static enum err
fd_give(struct sim_mount *m, struct disk_file *file, int *ret)
{
    int fd = m->fds.give != NULL ? m->fds.give(m->fds.arg, file) : -1;
    if (fd < 0) {
        disk_close(file);
        return ERR_LIMIT;
    }
    *ret = fd;
    return ERR_OK;
}

static struct disk_file *
memory_file_new(struct disk *d, struct span content)
{
    CLEANUP(unlock_call) struct sim_call call = lock_call(d);
    struct sim_inode *inode = sim_inode_new(&call.sim->tree, false);
    sim_content_write(&inode->content, 0, content, &call.sim->chance);
    return &handle_new(call.mount, inode, DISK_READ)->file;
}

static enum err
sim_memory_fd(struct disk *d, struct span content, int *ret)
{
    return fd_give(mount_of(d), memory_file_new(d, content), ret);
}

static int
sim_reopen_read(struct disk_file *file)
{
    int fd = -1;
    if ((handle_of_file(file)->flags & (DISK_READ | DISK_WRITE)) != DISK_READ)
        return -1; /* a descriptor that can write must not leave the process */
    struct disk_file *copy = disk_sim_file_dup(file, file->disk);
    return fd_give(mount_of(file->disk), copy, &fd) == ERR_OK ? fd : -1;
}

static void
sim_close(struct disk_file *file)
{
    CLEANUP(unlock_call) struct sim_call call = lock_call(file->disk);
    handle_free(call.mount, handle_of_file(file));
}

static enum err
sim_stat_file(struct disk_file *file, struct disk_stat *ret)
{
    CLEANUP(unlock_call) struct sim_call call = lock_call(file->disk);
    TRY(call_check(&call, handle_of_file(file), NULL));
    *ret = stat_of(call.sim, handle_of_file(file)->inode);
    return ERR_OK;
}

/* How many of `len` bytes at `offset` fit on the disk: all, or those of the blocks before it is full. */
static size_t
bytes_that_fit(const struct disk_sim *sim, const struct sim_content *c, uint64_t offset, size_t len)
{
    uint64_t available = free_blocks(sim);
    if (offset > DISK_SIM_FILE_BYTES_MAX || len > DISK_SIM_FILE_BYTES_MAX - offset)
        return 0;
    if (sim_content_missing(c, offset, len) <= available)
        return len;
    size_t fits = 0;
    while (fits < len) {
        size_t n = SIM_BLOCK - (size_t)((offset + fits) % SIM_BLOCK);
        n = n < len - fits ? n : len - fits;
        if (sim_content_missing(c, offset, fits + n) > available)
            break;
        fits += n;
    }
    return fits;
}

static enum err
write_part(const struct sim_call *call, struct sim_inode *inode, uint64_t offset, struct span data)
{
    struct sim_content *c = &inode->content;
    uint64_t before = c->block_count;
    size_t fits = bytes_that_fit(call->sim, c, offset, data.len);
    sim_content_write(c, offset, span_first(data, fits), &call->sim->chance);
    sim_inode_recount(&call->sim->tree, inode, before);
    inode->mtime_us = call->sim->wall_us;
    return fits < data.len ? ERR_FULL : ERR_OK;
}

static enum err
sim_pwritev(struct disk_file *file, uint64_t offset, const struct iovec *parts, size_t count)
{
    CLEANUP(unlock_call) struct sim_call call = lock_call(file->disk);
    struct sim_handle *h = handle_of_file(file);
    TRY(call_check(&call, h, NULL));
    if ((h->flags & DISK_WRITE) == 0)
        return ERR_IO;
    TRY(step_begin(&call));
    uint64_t total = 0;
    enum err e = ERR_OK;
    if ((h->flags & DISK_APPEND) != 0)
        offset = h->inode->content.size;
    for (size_t i = 0; i < count && e == ERR_OK; i++) {
        e = write_part(&call, h->inode, offset + total, span_of(parts[i].iov_base, parts[i].iov_len));
        total += parts[i].iov_len;
    }
    charge(&call, 0, call.sim->latency.byte_ps, total);
    step_trace(call.sim, e, "pwrite #%llu %llu+%llu", (unsigned long long)h->inode->number, (unsigned long long)offset,
               (unsigned long long)total);
    return e;
}

static enum err
sim_pread(struct disk_file *file, uint64_t offset, void *dst, size_t len, size_t *ret_n)
{
    CLEANUP(unlock_call) struct sim_call call = lock_call(file->disk);
    struct sim_handle *h = handle_of_file(file);
    TRY(call_check(&call, h, NULL));
    if ((h->flags & DISK_READ) == 0)
        return ERR_IO;
    *ret_n = sim_content_read(&h->inode->content, offset, dst, len, (h->flags & DISK_NO_CACHE) != 0);
    charge(&call, 0, call.sim->latency.byte_ps, *ret_n);
    return ERR_OK;
}

static enum err
sim_sync_data(struct disk_file *file)
{
    CLEANUP(unlock_call) struct sim_call call = lock_call(file->disk);
    struct sim_handle *h = handle_of_file(file);
    TRY(call_check(&call, h, NULL));
    enum err e = step_begin(&call);
    if (call.sim->is_crashed || call.mount->is_dead)
        return ERR_IO;
    if (sync_fails(&call.sim->data_sync_fails_in) && e == ERR_OK)
        e = ERR_IO;
    if (e != ERR_OK) {
        sim_content_sync_failing(&h->inode->content, &call.sim->chance);
    } else if (!call.sim->is_ignoring_data_syncs && sim_content_is_dirty(&h->inode->content)) {
        charge_sync(&call, sim_content_sync(&h->inode->content));
    }
    step_trace(call.sim, e, "sync #%llu", (unsigned long long)h->inode->number);
    return e;
}

/* Neither is a step: they promise nothing and do not fail. */
static void
sim_start_sync(struct disk_file *file)
{
    CLEANUP(unlock_call) struct sim_call call = lock_call(file->disk);
    struct sim_handle *h = handle_of_file(file);
    if (call_check(&call, h, NULL) == ERR_OK)
        sim_content_start_sync(&h->inode->content, &call.sim->chance);
}

static void
sim_forget_cached(struct disk_file *file)
{
    CLEANUP(unlock_call) struct sim_call call = lock_call(file->disk);
    struct sim_handle *h = handle_of_file(file);
    if (call_check(&call, h, NULL) == ERR_OK)
        sim_content_drop_lost(&h->inode->content);
}

static enum err
sim_truncate(struct disk_file *file, uint64_t size_bytes)
{
    CLEANUP(unlock_call) struct sim_call call = lock_call(file->disk);
    struct sim_handle *h = handle_of_file(file);
    TRY(call_check(&call, h, NULL));
    if ((h->flags & DISK_WRITE) == 0)
        return ERR_IO;
    if (size_bytes > DISK_SIM_FILE_BYTES_MAX)
        return ERR_FULL;
    TRY(step_begin(&call));
    uint64_t before = h->inode->content.block_count;
    sim_content_truncate(&h->inode->content, size_bytes, &call.sim->chance);
    sim_inode_recount(&call.sim->tree, h->inode, before);
    h->inode->mtime_us = call.sim->wall_us;
    step_trace(call.sim, ERR_OK, "truncate #%llu %llu", (unsigned long long)h->inode->number,
               (unsigned long long)size_bytes);
    return ERR_OK;
}

static enum err
sim_allocate(struct disk_file *file, uint64_t offset, uint64_t len)
{
    CLEANUP(unlock_call) struct sim_call call = lock_call(file->disk);
    struct sim_handle *h = handle_of_file(file);
    TRY(call_check(&call, h, NULL));
    if ((h->flags & DISK_WRITE) == 0)
        return ERR_IO;
    TRY(step_begin(&call));
    struct sim_content *c = &h->inode->content;
    enum err e = ERR_OK;
    uint64_t before = c->block_count;
    if (offset > DISK_SIM_FILE_BYTES_MAX || len > DISK_SIM_FILE_BYTES_MAX - offset ||
        sim_content_missing(c, offset, len) > free_blocks(call.sim))
        e = ERR_FULL;
    else
        sim_content_allocate(c, offset, len, &call.sim->chance);
    sim_inode_recount(&call.sim->tree, h->inode, before);
    step_trace(call.sim, e, "allocate #%llu %llu+%llu", (unsigned long long)h->inode->number,
               (unsigned long long)offset, (unsigned long long)len);
    return e;
}

static const struct disk_body sim_body = {
    .dir_open = sim_dir_open,
    .dir_open_fd = sim_dir_open_fd,
    .dir_close = sim_dir_close,
    .make_dir = sim_make_dir,
    .dir_sync = sim_dir_sync,
    .dir_list = sim_dir_list,
    .rename = sim_rename,
    .unlink = sim_unlink,
    .remove_dir = sim_remove_dir,
    .stat_name = sim_stat_name,
    .space = sim_space,
    .open = sim_open,
    .open_fd = sim_open_fd,
    .memory_fd = sim_memory_fd,
    .close = sim_close,
    .stat_file = sim_stat_file,
    .pwritev = sim_pwritev,
    .pread = sim_pread,
    .sync_data = sim_sync_data,
    .start_sync = sim_start_sync,
    .forget_cached = sim_forget_cached,
    .truncate = sim_truncate,
    .allocate = sim_allocate,
    .reopen_read = sim_reopen_read,
};
