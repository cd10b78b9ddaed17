#!/usr/bin/env bash
# Bad input over real sockets: each has its reply, memory stays bounded, and mail goes on.
. "$(dirname "$0")/lib.sh"
begin hostile
server_config "edges 1; limits { sessions-per-address 2000; idle-timeout 20 s; data-timeout 20 s; }"
server_start
account alice@example.test

hostile() { timeout 100 /usr/bin/python3 "$top/tests/interop/hostile.py" "$port" "$@"; }
edge_pid() { godwit status | sed -nE 's/^ *edge\.0 state=ready pid=([0-9]+) .*/\1/p'; }
pss_kib() { sed -nE 's/^Pss: +([0-9]+) kB/\1/p' "/proc/$(edge_pid)/smaps_rollup"; }

edge=$(edge_pid)
before=$(pss_kib)
for what in http tls ssh binary nul-command nul-in-data long-command long-line eight-bit bare-lf flood; do
    check "$what has its reply" hostile $what
done
check "commands split at every octet are answered as whole ones" hostile split
check "a client that drips a message an octet at a time is served" hostile drip
for step in connect ehlo mail rcpt data body dot bdat quit; do
    check "a client that vanishes at $step leaves nothing" hostile vanish $step
done
no_session() { godwit status --json | /usr/bin/python3 -c 'import json, sys
edge = json.load(sys.stdin)["edge.0"]["counters"]
sys.exit(edge["sessions_open"] != 0 or edge["octets_in_flight"] != 0)'; }
check "no session and no octet of theirs is kept" until_true no_session
check "the edge is the one that was started" [ "$(edge_pid)" = "$edge" ]
# What was answered 250: the split message, the dripped one, and what vanished after the final dot.
check "what was acknowledged is delivered, nothing else" until_true mail_is alice@example.test 3

after=$(pss_kib)
check "the edge has not grown by more than 16 MiB ($before KiB before, $after KiB after)" [ $((after - before)) -lt 16384 ]
check "a thousand silent connections are held while a message flows" hostile crowd "$edge"
grep -E '^(idle|a message)' "$scratch/check.out" | sed 's/^/    /'
check "they are let go" until_true no_session
# The last thing: silence is ended by the server, with a reply.
check "a client that says nothing is told 421 and closed" hostile idle
check "the edge is still the one that was started" [ "$(edge_pid)" = "$edge" ]
quiet() { ! grep -E 'event=(internal-fault|child-died|out-of-memory)' "$scratch/log"; }
check "no fault was logged" quiet
finish
