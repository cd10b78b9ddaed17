/*
 * sandbox.h - what each role may ask of the kernel, and the point after which it may ask nothing else.
 *
 * One table (sandbox.c) has a row a role: system calls, use of the network, what its root directory is. sandbox_enter()
 * is called by role_main() before the first thread and the first foreign byte. As root it changes uid and root
 * directory; as an ordinary user it cannot, and the filters remain. What the kernel or a container refuses is said in
 * the report, which goes to the parent, the log and `godwit status`; it is not an error.
 *
 * Refused are, with EPERM: socket, connect, execve, ptrace and whatever else the row does not list, so that a library
 * that tries gets an error and not a crash; with ENOSYS what the C library asks for and can do without (clone3). Calls
 * nobody makes by accident (kernel modules, mounts, reboot, bpf, keys) kill the process.
 */
#ifndef GODWIT_RT_SANDBOX_H
#define GODWIT_RT_SANDBOX_H

#include "base/compiler.h"
#include "base/err.h"
#include "base/span.h"

struct sandbox_spec {
    struct span role;  /* "edge", as ipc_role_name() has it */
    int root_fd;       /* the data directory, or for a role without one an empty directory; -1: none. Borrowed */
    bool changes_ids;  /* started as root: become uid and gid, take root_fd as root directory */
    uint32_t uid;      /* not 0 */
    uint32_t gid;      /* not 0 */
    int death_signal;  /* as process.h: renewed after the change of uid; 0: none */
    bool connects;     /* the configuration has this role connect somewhere; counts only where its row allows that */
};

enum sandbox_root {
    SANDBOX_ROOT_MACHINE, /* the machine's own: not started as root */
    SANDBOX_ROOT_DATA,    /* the role's data directory */
    SANDBOX_ROOT_EMPTY,   /* an empty directory */
};

struct sandbox_report {
    bool has_seccomp;
    uint8_t landlock_abi; /* 0: refused by the kernel or the container */
    enum sandbox_root root;
    uint32_t uid;         /* the effective one now */
    uint32_t gid;
};

/*
 * Shut the door: root and current directory, ids, no_new_privs, Landlock, seccomp, in this order. Needs a
 * single-threaded process. The current directory is root_fd afterwards (when given), so that names relative to it work
 * alike as root and as an ordinary user. ERR_NOT_FOUND: no row of that name. ERR_DENIED: ids, root or current directory
 * could not be changed though asked for: the process must not go on. Seccomp or Landlock refused: ERR_OK, see the
 * report.
 */
NODISCARD enum err sandbox_enter(const struct sandbox_spec *spec, struct sandbox_report *ret);

/* Whether the role's root is a data directory (and not an empty one). False for a name without a row. */
bool sandbox_has_data_dir(struct span role);

/* Bits of sandbox_self_test(). */
enum sandbox_refusal {
    SANDBOX_REFUSES_SOCKET = 1,
    SANDBOX_REFUSES_CONNECT = 2,
    SANDBOX_REFUSES_EXECVE = 4,
    SANDBOX_REFUSES_PTRACE = 8,
    SANDBOX_REFUSES_PASSWD = 16, /* open of /etc/passwd, whether refused or not there */
};

/* Try each of these from inside and return the bits of what was refused. Changes nothing where it is allowed. */
unsigned sandbox_self_test(void);

/*
 * The bits that must be there for a role: by seccomp, and for PASSWD by seccomp, Landlock or another root. 0: no row.
 */
unsigned sandbox_expected_refusals(struct span role, bool connects);

#endif
