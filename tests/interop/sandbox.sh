#!/usr/bin/env bash
# The shape that makes Godwit secure, seen from outside: what each process may do, what it links, who it is, where its root is.
. "$(dirname "$0")/lib.sh"
begin sandbox

program() { echo "$build/src/$1/godwit-$1"; }

# 1. Each role enters its sandbox and tries socket, connect, execve, ptrace and /etc/passwd.
# role, and what its row grants
self_test() { timeout 10 "$(program "$1")" --sandbox-test; }
refuses() { for attempt in "$@"; do grep -q " $attempt=1" "$scratch/$role.sandbox" || { cat "$scratch/$role.sandbox"; return 1; }; done; }
for role in edge queue local directory resolver control; do
    self_test $role >"$scratch/$role.sandbox" 2>&1
    case $? in
    77) skip "$role refuses" "$(cat "$scratch/$role.sandbox")" ;;
    0) if [ $role = resolver ]; then
           check "resolver is refused execve, ptrace and /etc/passwd" refuses execve ptrace passwd
       else
           check "$role is refused socket, connect, execve, ptrace and /etc/passwd" refuses socket connect execve ptrace passwd
       fi ;;
    *) check "$role passes its own test" cat "$scratch/$role.sandbox" false ;;
    esac
done

# 2. ldd: beside the C library, what reads the configuration (libidn2 with libunistring), the loop and the filter, only what its work needs.
links_only() {
    local name=$1 file=$2 allowed=$3 extra
    extra=$(ldd "$file" | awk '{print $1}' | sed -E 's|.*/||; s/\.so.*//; s/-[0-9.]+$//' | grep -vxE "linux-vdso|ld-linux.*|libc|libm|libpthread|libdl|librt|libidn2|libunistring|$allowed")
    [ -z "$extra" ] || { echo "$name links $extra"; return 1; }
}
base='libuv|libseccomp'
check "edge links the loop, the filter and libidn2" links_only edge "$(program edge)" "$base|libssl|libcrypto"
check "queue links the loop, the filter and libidn2" links_only queue "$(program queue)" "$base"
check "local links the loop, the filter and libidn2" links_only local "$(program local)" "$base"
check "control links the loop, the filter and SQLite" links_only control "$(program control)" "$base|libsqlite3"
check "directory links SQLite and libcrypt beside them" links_only directory "$(program directory)" "$base|libsqlite3|libcrypt|libcrypto"
check "resolver links libunbound and what that needs" links_only resolver "$(program resolver)" \
    "$base|libunbound|libevent|libhogweed|libnettle|libgmp|libssl|libcrypto"
check "deliver links nothing but libidn2" links_only deliver "$(program deliver)" 'none'
check "the parent links the loop and the filter" links_only parent "$build/src/parent/godwitd" "$base"
check "ldd would show another library" bash -c "$(declare -f links_only); ! links_only directory '$(program directory)' '$base'"

# 3. The running processes, as the kernel sees them.
role_pids() { godwit status | sed -nE "s/^ *$1\.[0-9]+ state=ready pid=([0-9]+) .*/\1/p"; }
field() { sed -nE "s/^$2:[[:space:]]*(.*)/\1/p" "/proc/$1/status"; }
confined() {
    local pid
    for pid in $(role_pids "$1"); do
        [ "$(field "$pid" NoNewPrivs)" = 1 ] || { echo "NoNewPrivs $(field "$pid" NoNewPrivs)"; return 1; }
        [ "$(field "$pid" Seccomp)" = 2 ] || { echo "Seccomp $(field "$pid" Seccomp)"; return 1; }
        [ "$(field "$pid" CapEff)" = 0000000000000000 ] || { echo "CapEff $(field "$pid" CapEff)"; return 1; }
        # Every thread has the filter, not the first alone.
        ! grep -L '^Seccomp:[[:space:]]*2' "/proc/$pid/task"/*/status | grep . || return 1
    done
    [ -n "$pid" ]
}
is_user() {
    local pid
    for pid in $(role_pids "$1"); do
        [ "$(field "$pid" Uid)" = "$(printf '%s\t%s\t%s\t%s' "$2" "$2" "$2" "$2")" ] || { field "$pid" Uid; return 1; }
        [ "$(field "$pid" Gid | cut -f1)" = "$3" ] || { field "$pid" Gid; return 1; }
        [ -z "$(field "$pid" Groups | tr -d ' ')" ] || [ "$(field "$pid" Groups | tr -d ' ')" = "$3" ] || { echo "groups $(field "$pid" Groups)"; return 1; }
    done
    [ -n "$pid" ]
}
root_is() {
    local pid
    for pid in $(role_pids "$1"); do
        [ "$(readlink "/proc/$pid/root")" = "$2" ] || { readlink "/proc/$pid/root"; return 1; }
        [ "$(readlink "/proc/$pid/cwd")" = "$2" ] || { readlink "/proc/$pid/cwd"; return 1; }
    done
    [ -n "$pid" ]
}
# The standard descriptors are those of whoever started the server; memory files are no way to anything.
holds_no_file() {
    local pid
    for pid in $(role_pids "$1"); do
        ! find "/proc/$pid/fd" -type l ! -name '[012]' -printf '%l\n' | grep -vE "^(socket|pipe|anon_inode):|^/memfd:|^/dev/null$|^$2$" || return 1
    done
    [ -n "$pid" ]
}

if ! grep -q '^Seccomp:' /proc/self/status; then
    skip "running processes" "this kernel shows no seccomp"
elif ! grep -q 'seccomp=1' "$scratch/edge.sandbox"; then
    skip "running processes" "this kernel or container offers no seccomp"
else
    server_config
    if [ "$(id -u)" -eq 0 ]; then
        server_start
        while read -r role uid root; do
            check "$role runs without privileges, filtered in each thread" confined "$role"
            check "$role is user $uid and in no group but its own" is_user "$role" "$uid" 61000
            check "$role has its directory as root" root_is "$role" "$root"
        done <<ROLES
edge 61001 $scratch/run/empty
queue 61002 $scratch/spool
local 61003 $scratch/mail
resolver 61004 $scratch/run/empty
directory 61005 $scratch/state/directory
control 61006 $scratch/state/control
ROLES
        check "an edge holds sockets and no file" holds_no_file edge "$scratch/run/empty"
        check "nobody else may look into the spool" [ "$(stat -c %a "$scratch/spool")" = 700 ]
        check "nor into the mail" [ "$(stat -c %a "$scratch/mail")" = 700 ]
        check "nor into the accounts" [ "$(stat -c %a "$scratch/state/directory")" = 700 ]
        server_stop
        as_user=(setpriv --reuid 61099 --regid 61099 --clear-groups --)
        rm -rf "$scratch"/{spool,state,mail,run,log}
        mkdir "$scratch"/{spool,state,mail,run}
        chown 61099:61099 "$scratch"/{spool,state,mail,run}
    else
        as_user=()
    fi

    # 4. Started by an ordinary user: one uid, the filters remain.
    if [ ${#as_user[@]} -gt 0 ] && ! "${as_user[@]}" test -x "$build/src/parent/godwitd" 2>/dev/null; then
        skip "started by an ordinary user" "another user cannot reach $build"
    else
        # The path above is only reachable through directories that others may enter; the configuration is readable.
        chmod 755 "$scratch"
        sed -i '/^users /d' "$scratch/godwit.conf"
        "${as_user[@]}" "$build/src/parent/godwitd" -c "$scratch/godwit.conf" 2>>"$scratch/log" &
        server=$!
        pids+=("$server")
        check "an ordinary user starts the server" until_true godwit status
        for role in edge queue local resolver directory control; do
            check "$role is filtered under an ordinary user too" confined $role
        done
        account alice@example.test
        check "mail is taken there" timeout 20 swaks -S 2 --server 127.0.0.1 --port "$port" --from bob@example.test --to alice@example.test
        check "mail is delivered there" until_true mail_is alice@example.test 1
        check "status says that the root directory is the machine's own" sh -c "'$build/src/cli/godwit' -c '$scratch/godwit.conf' status | grep -q 'edge.0 .*uid=61099 root=machine seccomp=yes' || [ $(id -u) -ne 0 ]"
    fi
fi
finish
