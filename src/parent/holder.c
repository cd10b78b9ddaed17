/*
 * holder.c - who listens on a port we want, from /proc: the socket's inode, the process that has it open, the unit it
 * belongs to.
 *
 * Only for people: everything is best effort, and the answer may be out of date when it is read.
 */
#include "parent/parent.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { STATE_LISTEN = 0x0a, NAME_BYTES = 64, LINE_BYTES = 1024 };

/* The inode of a listening socket on that port in one of /proc/net/tcp and tcp6; 0 when there is none. */
static unsigned long
inode_find(const char *table, uint16_t port)
{
    FILE *file = fopen(table, "re");
    char line[LINE_BYTES];
    unsigned long found = 0;
    while (file != NULL && found == 0 && fgets(line, sizeof(line), file) != NULL) {
        unsigned local_port, state;
        unsigned long inode;
        if (sscanf(line, " %*u: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*s %*s %*s %*s %*s %lu", &local_port, &state,
                   &inode) == 3 &&
            local_port == port && state == STATE_LISTEN)
            found = inode;
    }
    if (file != NULL)
        fclose(file);
    return found;
}

static bool
has_open(const char *pid, const char *wanted)
{
    char path[PARENT_PATH_MAX], target[NAME_BYTES];
    snprintf(path, sizeof(path), "/proc/%s/fd", pid);
    DIR *dir = opendir(path);
    bool is_found = false;
    struct dirent *entry;
    while (dir != NULL && !is_found && (entry = readdir(dir)) != NULL) {
        ssize_t n = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);
        if (n <= 0)
            continue;
        target[n] = '\0';
        is_found = strcmp(target, wanted) == 0;
    }
    if (dir != NULL)
        closedir(dir);
    return is_found;
}

static bool
process_find(unsigned long inode, char pid[NAME_BYTES])
{
    char wanted[NAME_BYTES];
    snprintf(wanted, sizeof(wanted), "socket:[%lu]", inode);
    DIR *dir = opendir("/proc");
    bool is_found = false;
    struct dirent *entry;
    while (dir != NULL && !is_found && (entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] < '1' || entry->d_name[0] > '9' || strlen(entry->d_name) >= NAME_BYTES)
            continue;
        is_found = has_open(entry->d_name, wanted);
        if (is_found)
            snprintf(pid, NAME_BYTES, "%.60s", entry->d_name);
    }
    if (dir != NULL)
        closedir(dir);
    return is_found;
}

/* The first line of a file in /proc/PID, without its line end; empty when it cannot be read. */
static void
first_line(const char *pid, const char *name, char *line, size_t cap)
{
    char path[PARENT_PATH_MAX];
    snprintf(path, sizeof(path), "/proc/%s/%s", pid, name);
    FILE *file = fopen(path, "re");
    line[0] = '\0';
    if (file != NULL && fgets(line, (int)cap, file) != NULL)
        line[strcspn(line, "\n")] = '\0';
    for (char *at = line; *at != '\0'; at++)
        if (*at < ' ' || *at > '~')
            *at = '?'; /* a process chooses its own name */
    if (file != NULL)
        fclose(file);
}

/*
 * The unit in a line of /proc/PID/cgroup, "0::/system.slice/postfix.service"; NULL when it is no service of the
 * system.
 */
static const char *
unit_of(char *cgroup)
{
    char *slice = strstr(cgroup, "/system.slice/");
    char *end = strstr(cgroup, ".service");
    if (slice == NULL || end == NULL)
        return NULL;
    end[strlen(".service")] = '\0';
    const char *unit = strrchr(cgroup, '/');
    return unit == NULL ? NULL : unit + 1;
}

void
holder_describe(const struct config_endpoint *endpoint, struct buf *to)
{
    char pid[NAME_BYTES], name[NAME_BYTES], cgroup[LINE_BYTES];
    if (endpoint->kind == CONFIG_ENDPOINT_UNIX)
        return;
    unsigned long inode = inode_find("/proc/net/tcp", endpoint->port);
    if (inode == 0 || !process_find(inode, pid))
        inode = inode_find("/proc/net/tcp6", endpoint->port);
    if (inode == 0 || !process_find(inode, pid))
        return;
    first_line(pid, "comm", name, sizeof(name));
    first_line(pid, "cgroup", cgroup, sizeof(cgroup));
    const char *unit = unit_of(cgroup);
    buf_printf(to, "%s (pid %s); stop it with: %s%s", name, pid, unit != NULL ? "systemctl stop " : "kill ",
               unit != NULL ? unit : pid);
}
