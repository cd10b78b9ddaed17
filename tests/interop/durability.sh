#!/usr/bin/env bash
# strace watches the queue and the edges while one message is sent: the sync that covers it has returned before 250 is written.
. "$(dirname "$0")/lib.sh"
begin durability
command -v strace >/dev/null || skip_all "strace is not there"
server_config "edges 1;"
server_start
account alice@example.test
strace -f -qq -o "$scratch/try" true 2>/dev/null || skip_all "strace may not trace here"

role_pid() { godwit status | sed -nE "s/^ *$1\.0 state=ready pid=([0-9]+) .*/\1/p"; }

# traced SIZE FILE: send one message of SIZE octets with both processes traced, all calls in one file in the order they ended.
traced() {
    local queue edge tracer
    queue=$(role_pid queue) edge=$(role_pid edge)
    strace -f -y -ttt -s 8192 -e trace=write,writev,pwrite64,pwritev,pwritev2,sendmsg,sendto,fsync,fdatasync,sync_file_range,openat,renameat,renameat2,linkat \
        -o "$2" -p "$queue" -p "$edge" 2>"$2.err" &
    tracer=$!
    pids+=("$tracer")
    for _ in $(seq 100); do [ "$(grep -c attached "$2.err")" -ge 2 ] && break; sleep 0.1; done
    timeout 60 /usr/bin/python3 "$top/tests/interop/durability.py" send "$port" "$1"
    local status=$?
    sleep 0.5
    kill -INT "$tracer"
    wait "$tracer" 2>/dev/null
    [ $status -eq 0 ]
}
judged() { timeout 30 /usr/bin/python3 "$top/tests/interop/durability.py" judge "$@"; }

check "a message of 4 KiB is taken under strace" traced 4096 "$scratch/small"
check "its 250 follows a sync of the log that covers it" judged "$scratch/small" log
check "a message of 3 MiB is taken under strace" traced 3145728 "$scratch/large"
check "its 250 follows syncs of body file, directory and log, in this order" judged "$scratch/large" body
# The judge must be able to find fault: the same traces with the syncs taken out, or moved behind the reply.
without() { grep -v "$1" "$scratch/large" >"$scratch/altered"; ! judged "$scratch/altered" body; }
late() { { grep -vE 'f(data)?sync' "$scratch/small"; grep -E 'f(data)?sync' "$scratch/small"; } >"$scratch/altered"; ! judged "$scratch/altered" log; }
check "the judge notices a trace without the sync of the log" without 'sync(.*seg-'
check "the judge notices a trace without the sync of the body" without 'sync(.*/body/'
check "the judge notices syncs after the reply" late
check "both messages are delivered" until_true mail_is alice@example.test 2
finish
