#!/usr/bin/env bash
# kill -9 of each process in turn, of the parent alone and of all at once, in a running system under load: every message that was
# answered 250 is in the mailbox afterwards, whole, with at most one copy more for each crash.
. "$(dirname "$0")/lib.sh"
begin kill
server_config "edges 2; delivery { schedule 1 s; } limits { sessions-per-address 1000; }"
server_start
account box@example.test
crashes=0

timeout 110 /usr/bin/python3 "$top/tests/interop/kill.py" load "$port" "$scratch/sent" "$scratch/stop" 2>"$scratch/load.err" &
load=$!
pids+=("$load")

status_of() { timeout 5 "$build/src/cli/godwit" -c "$scratch/godwit.conf" status 2>/dev/null | sed -nE "s/^ *($1) state=ready pid=([0-9]+) .* restarts=([0-9]+) .*/\1 \2 \3/p"; }
answered() { wc -l <"$scratch/sent"; }
flows() { local before; before=$(answered); until_true test_more "$before"; }
test_more() { [ "$(answered)" -gt $(($1 + 50)) ]; }
is_back() { set -- "$1" "$2" "$(status_of "$1")"; [ -n "$3" ] && [ "$(echo "$3" | cut -d' ' -f2)" != "$2" ] && [ "$(echo "$3" | cut -d' ' -f3)" -ge 1 ]; }
is_gone() { local pid; for pid in "$@"; do [ -d "/proc/$pid" ] && ! grep -q '^State:.Z' "/proc/$pid/status" 2>/dev/null && return 1; done; return 0; }

check "mail flows" flows
for role in edge.0 edge.1 queue.0 local.0 directory.0 resolver.0 control.0; do
    pid=$(status_of $role | cut -d' ' -f2)
    [ -n "$pid" ] || { check "$role has a process" false; continue; }
    began=$(date +%s%N)
    kill -KILL "$pid"
    crashes=$((crashes + 1))
    check "$role was killed and is back, status counts it" until_true is_back $role "$pid"
    took=$((($(date +%s%N) - began) / 1000000))
    case $role in edge.*) check "$role is back within a second ($took ms)" [ "$took" -lt 1000 ] ;; esac
    check "mail flows again after $role" flows
done

kill_parent() { children=$(pgrep -P "$server"); kill -KILL "$server"; wait "$server" 2>/dev/null; }
kill_parent
crashes=$((crashes + 1))
# shellcheck disable=SC2086
check "no process outlives the parent" until_true is_gone $children
server_start
check "mail flows after the parent was killed" flows

everybody="$server $(pgrep -P "$server")"
# shellcheck disable=SC2086
kill -KILL $everybody
wait "$server" 2>/dev/null
crashes=$((crashes + 1))
# shellcheck disable=SC2086
until_true is_gone $everybody
server_start
check "mail flows after everything was killed at once" flows

touch "$scratch/stop"
wait "$load"
total=$(answered)
drained() { godwit queue list 2>/dev/null | grep -q 'queue is empty'; }
for _ in $(seq 200); do drained && break; sleep 0.1; done
check "the queue is empty in the end" drained
check "the load was real: $total messages were answered 250" [ "$total" -ge 1000 ]
verdict() { timeout 60 /usr/bin/python3 "$top/tests/interop/kill.py" check "$scratch/sent" "$(mailbox box@example.test)" $crashes; }
check "each of them is there, whole, and no more often than $crashes crashes explain" verdict
sed 's/^/    /' "$scratch/check.out"
# The judge must be able to find fault: a message that was answered and lies nowhere.
lost() { cp "$scratch/sent" "$scratch/sent.more"; echo 999999999 >>"$scratch/sent.more"
    ! timeout 60 /usr/bin/python3 "$top/tests/interop/kill.py" check "$scratch/sent.more" "$(mailbox box@example.test)" $crashes; }
check "a lost message would be noticed" lost
finish
