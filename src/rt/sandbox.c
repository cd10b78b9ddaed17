/*
 * sandbox.c - the table of roles and what shuts the door behind each.
 *
 * Allow-lists, by groups of system calls. Adding a call to a group needs a reason that fits its heading; what only one
 * library asks for and can do without stays refused. Memory that is written is never executable afterwards: mmap and
 * mprotect with PROT_EXEC are refused. The deliver role has no row: commands would inherit its filter; nor has the
 * parent.
 */
#include "rt/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/landlock.h>
#include <linux/sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/assert.h"

/* --- the rows ----------------------------------------------------------------------------------------------------- */

enum network {
    NETWORK_NEVER,    /* sockets come from the parent */
    NETWORK_IF_ASKED, /* by the configuration: sandbox_spec.connects */
    NETWORK_ALWAYS,
};

struct row {
    const char *role;
    bool has_files; /* a data directory as root, and the calls to use it; otherwise an empty one, and none */
    enum network network;
};

static const struct row rows[] = {
    {"edge", false, NETWORK_NEVER},
    {"queue", true, NETWORK_NEVER},
    {"relay", false, NETWORK_ALWAYS},
    {"local", true, NETWORK_IF_ASKED}, /* a store that speaks LMTP */
    {"resolver", false, NETWORK_ALWAYS},
    {"directory", true, NETWORK_NEVER},
    {"keys", false, NETWORK_NEVER},
    {"control", true, NETWORK_NEVER},
    {"web", false, NETWORK_NEVER},
    {"fetch", false, NETWORK_ALWAYS},
    {"drop", false, NETWORK_NEVER}, /* godwit-drop: it has connected already */
};

static const struct row *
row_find(struct span role)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (span_equal(span_from_cstr(rows[i].role), role))
            return &rows[i];
    return NULL;
}

static bool
row_connects(const struct row *row, bool is_asked)
{
    return row->network == NETWORK_ALWAYS || (row->network == NETWORK_IF_ASKED && is_asked);
}

bool
sandbox_has_data_dir(struct span role)
{
    const struct row *row = row_find(role);
    return row != NULL && row->has_files;
}

/* --- system calls ------------------------------------------------------------------------------------------------- */

/* Every role: memory, threads of our own, time, descriptors it was given, the loop. */
static const int base_calls[] = {
    SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(membarrier), SCMP_SYS(mincore),
    SCMP_SYS(futex), SCMP_SYS(futex_waitv), SCMP_SYS(set_robust_list), SCMP_SYS(get_robust_list), SCMP_SYS(rseq),
    SCMP_SYS(set_tid_address), SCMP_SYS(gettid), SCMP_SYS(getpid), SCMP_SYS(getppid), SCMP_SYS(tgkill),
    SCMP_SYS(sched_yield), SCMP_SYS(sched_getaffinity), SCMP_SYS(exit), SCMP_SYS(exit_group),
    SCMP_SYS(restart_syscall), SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn),
    SCMP_SYS(rt_sigpending), SCMP_SYS(rt_sigsuspend), SCMP_SYS(rt_sigtimedwait), SCMP_SYS(sigaltstack),
    SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres), SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep),
    SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(getrandom), SCMP_SYS(getuid), SCMP_SYS(geteuid),
    SCMP_SYS(getgid), SCMP_SYS(getegid), SCMP_SYS(getrusage), SCMP_SYS(getrlimit), SCMP_SYS(sysinfo), SCMP_SYS(uname),
    SCMP_SYS(getcpu), SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(pread64), SCMP_SYS(preadv), SCMP_SYS(preadv2),
    SCMP_SYS(write), SCMP_SYS(writev), SCMP_SYS(lseek), SCMP_SYS(close), SCMP_SYS(dup), SCMP_SYS(fcntl),
    SCMP_SYS(fstat), SCMP_SYS(fstatfs), SCMP_SYS(fadvise64), SCMP_SYS(memfd_create), SCMP_SYS(epoll_create1),
    SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_pwait2), SCMP_SYS(eventfd2),
    SCMP_SYS(pipe2), SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(select), SCMP_SYS(pselect6), SCMP_SYS(accept),
    SCMP_SYS(accept4), SCMP_SYS(sendto), SCMP_SYS(sendmsg), SCMP_SYS(sendmmsg), SCMP_SYS(recvfrom), SCMP_SYS(recvmsg),
    SCMP_SYS(recvmmsg), SCMP_SYS(getsockname), SCMP_SYS(getpeername), SCMP_SYS(getsockopt), SCMP_SYS(setsockopt),
    SCMP_SYS(shutdown),
};

/* Roles with a data directory: names and contents below it (Landlock and the root directory say where). */
static const int file_calls[] = {
    SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(openat2), SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(newfstatat),
    SCMP_SYS(statx), SCMP_SYS(statfs), SCMP_SYS(access), SCMP_SYS(faccessat), SCMP_SYS(faccessat2),
    SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(getcwd), SCMP_SYS(mkdir), SCMP_SYS(mkdirat), SCMP_SYS(rmdir),
    SCMP_SYS(unlink), SCMP_SYS(unlinkat), SCMP_SYS(rename), SCMP_SYS(renameat), SCMP_SYS(renameat2), SCMP_SYS(link),
    SCMP_SYS(linkat), SCMP_SYS(getdents64), SCMP_SYS(pwrite64), SCMP_SYS(pwritev), SCMP_SYS(pwritev2),
    SCMP_SYS(fsync), SCMP_SYS(fdatasync), SCMP_SYS(sync_file_range), SCMP_SYS(ftruncate), SCMP_SYS(fallocate),
    SCMP_SYS(flock), SCMP_SYS(fchmod), SCMP_SYS(fchmodat), SCMP_SYS(utimensat), SCMP_SYS(umask), SCMP_SYS(msync),
};

/* Roles that talk to strangers: sockets of their own; the families are below. */
static const int network_calls[] = {SCMP_SYS(connect), SCMP_SYS(bind)};

/* Nobody asks for these by accident: a process that does is not ours any more. */
static const int killing_calls[] = {
    SCMP_SYS(init_module), SCMP_SYS(finit_module), SCMP_SYS(delete_module), SCMP_SYS(kexec_load),
    SCMP_SYS(kexec_file_load), SCMP_SYS(reboot), SCMP_SYS(mount), SCMP_SYS(umount2), SCMP_SYS(pivot_root),
    SCMP_SYS(chroot), SCMP_SYS(move_mount), SCMP_SYS(open_tree), SCMP_SYS(fsopen), SCMP_SYS(unshare), SCMP_SYS(setns),
    SCMP_SYS(bpf), SCMP_SYS(perf_event_open), SCMP_SYS(userfaultfd), SCMP_SYS(add_key), SCMP_SYS(request_key),
    SCMP_SYS(keyctl), SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev), SCMP_SYS(open_by_handle_at),
    SCMP_SYS(swapon), SCMP_SYS(swapoff), SCMP_SYS(acct), SCMP_SYS(settimeofday), SCMP_SYS(clock_settime),
};

/* Calls allowed with one value, or one bit, of one argument. A masked value of 0 means: none of the mask's bits. */
struct guarded_call {
    int call;
    unsigned argument;
    uint64_t mask; /* 0: the whole argument */
    uint64_t value;
};

static const struct guarded_call base_guarded[] = {
    {SCMP_SYS(mmap), 2, PROT_EXEC, 0},
    {SCMP_SYS(mprotect), 2, PROT_EXEC, 0},
    {SCMP_SYS(clone), 0, CLONE_THREAD, CLONE_THREAD},
    {SCMP_SYS(prctl), 0, 0, PR_SET_NAME},
    {SCMP_SYS(prctl), 0, 0, 0x53564d41 /* PR_SET_VMA: the C library names its memory */},
    {SCMP_SYS(prlimit64), 2, 0, 0}, /* only ask */
    {SCMP_SYS(newfstatat), 3, AT_EMPTY_PATH, AT_EMPTY_PATH}, /* how the C library spells fstat */
    {SCMP_SYS(ioctl), 1, 0, FIONBIO},
    {SCMP_SYS(ioctl), 1, 0, FIONREAD},
};

static const struct guarded_call file_guarded[] = {
    {SCMP_SYS(ioctl), 1, 0, 0x80086601 /* FS_IOC_GETFLAGS */},
    {SCMP_SYS(ioctl), 1, 0, 0x40086602 /* FS_IOC_SETFLAGS */},
};

static const struct guarded_call network_guarded[] = {
    {SCMP_SYS(socket), 0, 0, AF_INET},
    {SCMP_SYS(socket), 0, 0, AF_INET6},
    {SCMP_SYS(socket), 0, 0, AF_UNIX},
    {SCMP_SYS(socketpair), 0, 0, AF_UNIX}, /* libunbound makes one for each context; both ends are ours */
};

/*
 * The C library tries clone3, whose flags no filter can see, and falls back to clone when there is no such call; a
 * newer libuv likewise falls back from io_uring to epoll.
 */
static const int missing_calls[] = {SCMP_SYS(clone3), SCMP_SYS(io_uring_setup)};

static int
calls_add(scmp_filter_ctx filter, uint32_t action, const int *calls, size_t count)
{
    int error = 0;
    for (size_t i = 0; i < count && error == 0; i++)
        error = seccomp_rule_add(filter, action, calls[i], 0);
    return error;
}

static int
guarded_add(scmp_filter_ctx filter, const struct guarded_call *calls, size_t count)
{
    int error = 0;
    for (size_t i = 0; i < count && error == 0; i++) {
        const struct guarded_call *c = &calls[i];
        struct scmp_arg_cmp is = {
            .arg = c->argument,
            .op = c->mask == 0 ? SCMP_CMP_EQ : SCMP_CMP_MASKED_EQ,
            .datum_a = c->mask == 0 ? c->value : c->mask,
            .datum_b = c->value,
        };
        error = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, c->call, 1, &is);
    }
    return error;
}

#define CALLS(array) (array), ARRAY_LEN(array)

static int
filter_fill(scmp_filter_ctx filter, bool has_files, bool connects)
{
    int error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    if (error == 0)
        error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a tree, not a chain */
    if (error == 0)
        error = calls_add(filter, SCMP_ACT_KILL_PROCESS, CALLS(killing_calls));
    if (error == 0)
        error = calls_add(filter, SCMP_ACT_ERRNO(ENOSYS), CALLS(missing_calls));
    if (error == 0)
        error = calls_add(filter, SCMP_ACT_ALLOW, CALLS(base_calls));
    if (error == 0)
        error = guarded_add(filter, CALLS(base_guarded));
    if (error == 0 && has_files)
        error = calls_add(filter, SCMP_ACT_ALLOW, CALLS(file_calls));
    if (error == 0 && has_files)
        error = guarded_add(filter, CALLS(file_guarded));
    if (error == 0 && connects)
        error = calls_add(filter, SCMP_ACT_ALLOW, CALLS(network_calls));
    if (error == 0 && connects)
        error = guarded_add(filter, CALLS(network_guarded));
    return error;
}

/* False when the kernel or a container refuses. */
static bool
seccomp_enter(bool has_files, bool connects)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (filter == NULL)
        return false;
    int error = filter_fill(filter, has_files, connects);
    ASSERT(error == 0 || error == -ENOMEM || error == -EOPNOTSUPP); /* else a rule above makes no sense */
    if (error == 0)
        error = seccomp_load(filter);
    seccomp_release(filter);
    return error == 0;
}

/* --- Landlock ----------------------------------------------------------------------------------------------------- */

/* linux/landlock.h of today; the one installed may be older than the kernel we run on. */
struct ruleset_attr {
    uint64_t handled_access_fs;
    uint64_t handled_access_net; /* from ABI 4 */
    uint64_t scoped;             /* from ABI 6 */
};

enum {
    FS_REFER = 1 << 13,     /* ABI 2 */
    FS_TRUNCATE = 1 << 14,  /* ABI 3 */
    FS_IOCTL_DEV = 1 << 15, /* ABI 5 */
    FS_ALL = (1 << 16) - 1,
    NET_BIND_AND_CONNECT_TCP = 3,
    SCOPE_ABSTRACT_UNIX_AND_SIGNAL = 3,
};

/* What a data directory needs: everything but running programs and making what is neither file nor directory. */
static const uint64_t data_dir_access =
    LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR |
    LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |
    LANDLOCK_ACCESS_FS_MAKE_REG | FS_REFER | FS_TRUNCATE;

static uint64_t
fs_access_known(int abi)
{
    uint64_t newer = (abi < 2 ? (uint64_t)FS_REFER : 0) | (abi < 3 ? (uint64_t)FS_TRUNCATE : 0) |
                     (abi < 5 ? (uint64_t)FS_IOCTL_DEV : 0);
    return (uint64_t)FS_ALL & ~newer;
}

static bool
landlock_restrict(int abi, int data_fd, bool connects)
{
    struct ruleset_attr attr = {
        .handled_access_fs = fs_access_known(abi),
        .handled_access_net = abi >= 4 && !connects ? (uint64_t)NET_BIND_AND_CONNECT_TCP : 0,
        .scoped = abi >= 6 ? (uint64_t)SCOPE_ABSTRACT_UNIX_AND_SIGNAL : 0,
    };
    size_t size = abi < 4 ? offsetof(struct ruleset_attr, handled_access_net)
                          : abi < 6 ? offsetof(struct ruleset_attr, scoped) : sizeof(attr);
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
    if (ruleset < 0)
        return false;
    bool ok = true;
    if (data_fd >= 0) {
        struct landlock_path_beneath_attr rule = {.allowed_access = data_dir_access & attr.handled_access_fs,
                                                  .parent_fd = data_fd};
        ok = syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
    }
    ok = ok && syscall(SYS_landlock_restrict_self, ruleset, 0) == 0;
    close(ruleset);
    return ok;
}

/* The version of Landlock in force, 0 when refused. */
static uint8_t
landlock_enter(int data_fd, bool connects)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (abi <= 0 || !landlock_restrict((int)abi, data_fd, connects))
        return 0;
    return (uint8_t)(abi > UINT8_MAX ? UINT8_MAX : abi);
}

/* --- ids and root ------------------------------------------------------------------------------------------------- */

static enum err
root_enter(const struct sandbox_spec *spec)
{
    if (spec->root_fd >= 0 && fchdir(spec->root_fd) != 0)
        return ERR_DENIED;
    if (spec->changes_ids && spec->root_fd >= 0 && (chroot(".") != 0 || chdir("/") != 0))
        return ERR_DENIED;
    return ERR_OK;
}

static enum err
ids_enter(const struct sandbox_spec *spec)
{
    if (!spec->changes_ids)
        return ERR_OK;
    ASSERT(spec->uid != 0 && spec->gid != 0);
    if (setgroups(0, NULL) != 0 || setresgid(spec->gid, spec->gid, spec->gid) != 0 ||
        setresuid(spec->uid, spec->uid, spec->uid) != 0)
        return ERR_DENIED;
    if (setresuid(0, 0, 0) == 0 || setresgid(0, 0, 0) == 0)
        return ERR_DENIED; /* the way back is open */
    if (spec->death_signal != 0 && prctl(PR_SET_PDEATHSIG, spec->death_signal) != 0)
        return ERR_DENIED;
    return ERR_OK;
}

enum err
sandbox_enter(const struct sandbox_spec *spec, struct sandbox_report *ret)
{
    const struct row *row = row_find(spec->role);
    if (row == NULL)
        return ERR_NOT_FOUND;
    bool connects = row_connects(row, spec->connects);
    TRY(root_enter(spec));
    TRY(ids_enter(spec));
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return ERR_DENIED;
    struct sandbox_report report = {.root = SANDBOX_ROOT_MACHINE};
    if (spec->changes_ids && spec->root_fd >= 0)
        report.root = row->has_files ? SANDBOX_ROOT_DATA : SANDBOX_ROOT_EMPTY;
    report.landlock_abi = landlock_enter(row->has_files ? spec->root_fd : -1, connects);
    report.has_seccomp = seccomp_enter(row->has_files, connects);
    report.uid = geteuid();
    report.gid = getegid();
    *ret = report;
    return ERR_OK;
}

/* --- a look from inside ------------------------------------------------------------------------------------------- */

static bool
refuses_socket(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool is_refused = fd < 0 && (errno == EPERM || errno == EACCES);
    if (fd >= 0)
        close(fd);
    return is_refused;
}

static bool
refuses_connect(void)
{
    /* Without a socket: a kernel that would let us answers EBADF. */
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    return connect(-1, (struct sockaddr *)&to, sizeof(to)) != 0 && (errno == EPERM || errno == EACCES);
}

static bool
refuses_execve(void)
{
    char *const nothing[] = {NULL};
    return execve("", nothing, nothing) != 0 && (errno == EPERM || errno == EACCES);
}

static bool
refuses_ptrace(void)
{
    /* Of a process that cannot be: ESRCH when allowed. */
    return ptrace(PTRACE_PEEKDATA, -1, NULL, NULL) == -1 && (errno == EPERM || errno == EACCES);
}

static bool
refuses_passwd(void)
{
    int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return true;
    close(fd);
    return false;
}

unsigned
sandbox_self_test(void)
{
    return (refuses_socket() ? SANDBOX_REFUSES_SOCKET : 0u) | (refuses_connect() ? SANDBOX_REFUSES_CONNECT : 0u) |
           (refuses_execve() ? SANDBOX_REFUSES_EXECVE : 0u) | (refuses_ptrace() ? SANDBOX_REFUSES_PTRACE : 0u) |
           (refuses_passwd() ? SANDBOX_REFUSES_PASSWD : 0u);
}

unsigned
sandbox_expected_refusals(struct span role, bool connects)
{
    const struct row *row = row_find(role);
    if (row == NULL)
        return 0;
    unsigned expected = SANDBOX_REFUSES_EXECVE | SANDBOX_REFUSES_PTRACE | SANDBOX_REFUSES_PASSWD;
    if (!row_connects(row, connects))
        expected |= SANDBOX_REFUSES_SOCKET | SANDBOX_REFUSES_CONNECT;
    return expected;
}
