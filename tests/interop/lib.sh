# lib.sh - what interop scripts share: a private server on loopback, cases that are counted, peers that are unpacked.
#
# Sourced with $1 the release build. A script calls `begin NAME`, then `server_start`, then `check "what" command ...` for each case,
# and ends by itself: the trap stops what was started (by pid) and removes the scratch directory.
# shellcheck shell=bash

set -uo pipefail
build=$(cd "$1" && pwd)
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
peers=$top/build/peers
scratch=$(mktemp -d /tmp/godwit-test.XXXXXX)
pids=()
failures=0

cleanup() {
    local pid
    for pid in "${pids[@]:-}"; do [ -n "$pid" ] && kill -TERM "$pid" 2>/dev/null; done
    for pid in "${pids[@]:-}"; do [ -n "$pid" ] && wait "$pid" 2>/dev/null; done
    [ -n "${KEEP:-}" ] || rm -rf "$scratch"
}
trap cleanup EXIT

begin() { test_name=$1; echo "== $1"; }

# check WHAT COMMAND...: one case; prints its output when it fails.
check() {
    local what=$1
    shift
    if "$@" >"$scratch/check.out" 2>&1; then
        echo "case: $test_name: $what ok"
    else
        echo "case: $test_name: $what failed"
        tail -n 20 "$scratch/check.out" | sed 's/^/    /'
        failures=$((failures + 1))
    fi
}

skip() { echo "case: $test_name: $1 skipped: $2"; }
skip_all() { echo "skipped: $1"; exit 77; }
finish() { [ "$failures" -eq 0 ] || { tail -n 30 "$scratch/log" 2>/dev/null | sed 's/^/    log: /'; exit 1; }; exit 0; }

free_port() {
    /usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# until COMMAND...: wait up to 15 s until it succeeds.
until_true() {
    local i
    for i in $(seq 150); do "$@" >/dev/null 2>&1 && return 0; sleep 0.1; done
    return 1
}

godwit() { "$build/src/cli/godwit" -c "$scratch/godwit.conf" "$@"; }

# server_config [MORE]: write a configuration for this test; MORE is appended.
server_config() {
    port=${port:-$(free_port)}
    mkdir -p "$scratch"/{spool,state,mail,run}
    cat >"$scratch/godwit.conf" <<CONF
hostname mx.example.test;
postmaster alice@example.test;
listener mx { address 127.0.0.1:$port; }
domain example.test { }
spool { directory $scratch/spool; }
mail { directory $scratch/mail; }
state-directory $scratch/state;
run-directory $scratch/run;
sendmail { drop-directory $scratch/drop; }
local { aliases none; }
resolver { reverse-dns off; }
users { edge 61001; queue 61002; local 61003; resolver 61004; directory 61005; control 61006; group 61000; }
${1:-}
CONF
}

server_start() {
    chmod 755 "$scratch"
    "$build/src/parent/godwitd" -c "$scratch/godwit.conf" </dev/null >/dev/null 2>>"$scratch/log" &
    server=$!
    pids+=("$server")
    until_true godwit status || { echo "the server does not start:"; cat "$scratch/log"; exit 1; }
}

server_stop() { kill -TERM "$server" && wait "$server"; }

account() { echo "${2:-secret}" | godwit account add "$1"; }

mailbox() { echo "$scratch/mail/${1#*@}/${1%@*}"; }
mail_count() { find "$(mailbox "$1")"/{new,cur} -type f 2>/dev/null | wc -l; }
mail_is() { [ "$(mail_count "$1")" -eq "$2" ]; }
newest() { ls -t "$(mailbox "$1")"/{new,cur}/* 2>/dev/null | head -n 1; }

# peer PACKAGE...: unpack Debian packages below build/peers without installing them.
peer() {
    local package
    mkdir -p "$peers/debs" "$peers/root"
    for package in "$@"; do
        [ -e "$peers/$package.done" ] && continue
        (cd "$peers/debs" && apt-get download -qq "$package" >/dev/null 2>&1 && dpkg-deb -x "$package"_*.deb "$peers/root") || return 1
        touch "$peers/$package.done"
    done
}
