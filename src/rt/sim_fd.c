/*
 * sim_fd.c - the descriptors of a simulated world, and what they lead to.
 *
 * A number belongs to one process (or to the world) and holds a reference; the object ends with its last reference.
 * Using a number that one does not own is a bug of the program under test and is asserted.
 */
#include <stdlib.h>

#include "base/assert.h"
#include "rt/rt_sim_body.h"

struct sim_file {
    struct sim_object object;
    struct disk_file *file; /* of the kernel's mount */
};

struct sim_object *
sim_object_init(struct sim_world *w, struct sim_object *object, enum sim_object_kind kind)
{
    object->world = w;
    object->kind = kind;
    object->refs = 1;
    list_append(&w->objects, &object->node);
    return object;
}

void
sim_object_unref(struct sim_object *object)
{
    static void (*const destroy[])(struct sim_object *object) = {
        [SIM_OBJECT_LISTENER] = sim_listener_destroy,
        [SIM_OBJECT_PACKETS] = sim_packets_destroy,
        [SIM_OBJECT_FILE] = sim_file_destroy,
        [SIM_OBJECT_STREAM] = sim_stream_destroy,
    };
    if (object == NULL || --object->refs > 0)
        return;
    list_unlink(&object->node);
    destroy[object->kind](object);
}

int
sim_fd_new(struct sim_world *w, struct sim_object *object, struct sim_process *owner)
{
    size_t i = 0;
    while (i < w->fd_count && w->fds[i].object != NULL)
        i++;
    if (i == w->fd_count) {
        w->fd_count = w->fd_count == 0 ? 64 : 2 * w->fd_count;
        w->fds = realloc(w->fds, w->fd_count * sizeof *w->fds);
        ASSERT(w->fds != NULL);
        memset(w->fds + i, 0, (w->fd_count - i) * sizeof *w->fds);
    }
    w->fds[i] = (struct sim_fd){object, owner};
    return SIM_FD_FIRST + (int)i;
}

static struct sim_fd *
entry_of(struct sim_world *w, const struct sim_process *owner, int fd)
{
    size_t i = (size_t)(fd - SIM_FD_FIRST);
    if (fd < SIM_FD_FIRST || i >= w->fd_count || w->fds[i].object == NULL || w->fds[i].owner != owner)
        return NULL;
    return &w->fds[i];
}

struct sim_object *
sim_fd_find_any(struct sim_world *w, const struct sim_process *owner, int fd)
{
    struct sim_fd *entry = entry_of(w, owner, fd);
    return entry != NULL ? entry->object : NULL;
}

struct sim_object *
sim_fd_find(struct sim_world *w, const struct sim_process *owner, int fd, enum sim_object_kind kind)
{
    struct sim_object *object = sim_fd_find_any(w, owner, fd);
    return object != NULL && object->kind == kind ? object : NULL;
}

struct sim_object *
sim_fd_take(struct sim_world *w, const struct sim_process *owner, int fd)
{
    struct sim_fd *entry = entry_of(w, owner, fd);
    if (entry == NULL)
        return NULL;
    struct sim_object *object = entry->object;
    *entry = (struct sim_fd){NULL, NULL};
    return object;
}

void
sim_fds_drop(struct sim_world *w, const struct sim_process *owner)
{
    for (size_t i = 0; i < w->fd_count; i++) {
        if (w->fds[i].object != NULL && w->fds[i].owner == owner)
            sim_object_unref(sim_fd_take(w, owner, SIM_FD_FIRST + (int)i));
    }
}

size_t
sim_fd_count(const struct sim_world *w)
{
    size_t count = 0;
    for (size_t i = 0; i < w->fd_count; i++)
        count += w->fds[i].object != NULL;
    return count;
}

int
sim_fd_give(struct sim_world *w, int fd, struct sim_process *to)
{
    struct sim_fd *entry = entry_of(w, NULL, fd);
    ASSERT(entry != NULL);
    struct sim_object *object = entry->object;
    object->refs++;
    return sim_fd_new(w, object, to);
}

void
sim_fd_close(struct sim_world *w, int fd)
{
    struct sim_object *object = sim_fd_take(w, NULL, fd);
    ASSERT(object != NULL);
    sim_object_unref(object);
}

/* --- files --- */

struct disk *
sim_kernel_mount(struct sim_world *w, struct disk_sim *disk)
{
    LIST_FOR_EACH(node, &w->kernels) {
        struct sim_kernel *kernel = CONTAINER_OF(node, struct sim_kernel, node);
        if (kernel->disk == disk)
            return kernel->mount;
    }
    struct sim_kernel *kernel = calloc(1, sizeof *kernel);
    ASSERT(kernel != NULL);
    kernel->disk = disk;
    kernel->mount = disk_sim_mount(disk);
    list_append(&w->kernels, &kernel->node);
    return kernel->mount;
}

int
sim_fd_give_file(void *arg, struct disk_file *file)
{
    struct sim_process *p = arg;
    if (!sim_has_effect(p))
        return -1;
    struct sim_file *object = calloc(1, sizeof *object);
    ASSERT(object != NULL);
    object->file = disk_sim_file_dup(file, sim_kernel_mount(p->world, p->disk));
    disk_close(file);
    return sim_fd_new(p->world, sim_object_init(p->world, &object->object, SIM_OBJECT_FILE), p);
}

struct disk_file *
sim_fd_take_file(void *arg, int fd)
{
    struct sim_process *p = arg;
    struct sim_object *object = sim_fd_take(p->world, p, fd);
    struct disk_file *file = NULL;
    if (object != NULL && object->kind == SIM_OBJECT_FILE) {
        struct disk_file *original = CONTAINER_OF(object, struct sim_file, object)->file;
        file = disk_sim_file_dup(original, sim_kernel_mount(p->world, p->disk));
    }
    sim_object_unref(object);
    return file;
}

void
sim_file_destroy(struct sim_object *object)
{
    struct sim_file *file = CONTAINER_OF(object, struct sim_file, object);
    disk_close(file->file);
    free(file);
}
