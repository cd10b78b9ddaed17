#!/usr/bin/env bash
# Changing the configuration of a running server: ten mistakes are all told and change nothing; a good one is taken while a session goes on.
. "$(dirname "$0")/lib.sh"
begin reload
server_config "include conf.d/*.conf;"
mkdir "$scratch/conf.d"
cp "$scratch/godwit.conf" "$scratch/good.conf"
server_start
account alice@example.test
cli="$build/src/cli/godwit"

generation() { godwit status | sed -nE 's/^ *generation +([0-9]+)$/\1/p' | head -n 1; }
has_generation() { [ "$(generation)" = "$1" ]; }
taken() { timeout 20 swaks -S 2 --server 127.0.0.1 --port "${2:-$port}" --from bob@example.test --to "$1"; }

# --- a session that stays open over all that follows; fed through a fifo, its replies in a file
mkfifo "$scratch/say"
timeout 100 /usr/bin/python3 "$top/tests/interop/reload.py" "$port" <"$scratch/say" >"$scratch/heard" 2>&1 &
pids+=("$!")
exec 9>"$scratch/say"
heard() { [ "$(grep -c "^$1" "$scratch/heard")" -ge "$2" ]; }
until_true heard 220 1
echo "EHLO client.example.org" >&9
check "a session is open" until_true heard '250 ' 1
echo "MAIL FROM:<bob@example.test>" >&9
check "it has a transaction under way" until_true heard '250 2.1.0' 1

# --- ten mistakes
cat >>"$scratch/godwit.conf" <<'BAD'
hostnam mx2.example.test;
hostname again.example.test;
listener second { adress 127.0.0.1:9; }
listener third { address 127.0.0.1; }
limits { message-size 50; }
limits { idle-timeout 5 parsecs; }
spool { may-be-lost perhaps; }
domain exa_mple..test { }
edges many;
include missing.conf;
BAD
first=$(($(wc -l <"$scratch/good.conf") + 1))
each_line() {
    local line
    for line in $(seq "$first" $((first + 9))); do
        grep -qE "godwit.conf:$line:[0-9]+[: ]" "$1" || { echo "nothing about line $line"; cat "$1"; return 1; }
    done
}
check_fails() { godwit check >"$scratch/said" 2>&1; [ $? -eq 78 ]; }
check "check refuses ten mistakes with 78" check_fails
check "check names each of the ten, with file:line:column" each_line "$scratch/said"
check "check guesses what was meant" grep -q "did you mean.*hostname" "$scratch/said"
reload_fails() { ! godwit reload >"$scratch/said" 2>&1; }
check "reload refuses them" reload_fails
check "reload names each of the ten" each_line "$scratch/said"
check "the old configuration is in force" has_generation 1
lines_before=$(wc -l <"$scratch/log")
kill -HUP "$server"
logged() { tail -n +$((lines_before + 1)) "$scratch/log" >"$scratch/said"; each_line "$scratch/said"; }
check "SIGHUP logs each of the ten" until_true logged
check "the old configuration is still in force" has_generation 1
check "the server takes mail as before" taken alice@example.test

# --- a good one, by SIGHUP: another domain, another listener
second=$(free_port)
{ cat "$scratch/good.conf"; echo "domain new.example.test { catch-all alice@example.test; }"
  echo "listener second { address 127.0.0.1:$second; }"; } >"$scratch/godwit.conf"
kill -HUP "$server"
check "a good configuration is taken at SIGHUP" until_true has_generation 2
check "its new domain takes mail" until_true taken somebody@new.example.test
check "its new listener answers" until_true taken alice@example.test "$second"
echo "RCPT TO:<alice@example.test>" >&9
check "the session from before goes on" until_true heard '250 2.1.5' 1
echo "DATA" >&9
check "its transaction goes on" until_true heard '354' 1
printf 'Subject: over the reload\n\nword-reload\n.\n' >&9
check "its message is taken" until_true heard '250 2.0.0 Accepted' 1
arrived() { grep -rq word-reload "$(mailbox alice@example.test)"; }
check "its message arrives" until_true arrived

# --- godwit reload takes a listener away again
cp "$scratch/good.conf" "$scratch/godwit.conf"
check "godwit reload says what it did" sh -c "'$cli' -c '$scratch/godwit.conf' reload | grep ."
check "it has taken it" until_true has_generation 3
closed() { ! timeout 5 bash -c "exec 3<>/dev/tcp/127.0.0.1/$second" 2>/dev/null; }
check "the listener that went is closed" until_true closed
refused() { ! taken "$1" >"$scratch/out" 2>&1 && grep -q '550 5.7.1' "$scratch/out"; }
check "the domain that went is a stranger's" until_true refused somebody@new.example.test

# --- godwit domain add
check "domain add" godwit domain add added.example.test postmaster=alice@example.test
check "it wrote conf.d/added.example.test.conf" grep -q '^domain added.example.test {' "$scratch/conf.d/added.example.test.conf"
check "the running server has the domain" until_true taken postmaster@added.example.test
again() { ! godwit domain add added.example.test; }
check "the same domain a second time is refused" again
nonsense() { ! godwit domain add 'no domain' && [ -z "$(find "$scratch/conf.d" -name '*no*')" ]; }
check "what is no domain is refused and leaves no file" nonsense

# --- ports in use
busy=$(free_port)
/usr/bin/python3 -c 'import socket, sys, time
s = socket.socket(); s.bind(("127.0.0.1", int(sys.argv[1]))); s.listen(); time.sleep(100)' "$busy" &
holder=$!
pids+=("$holder")
until_true bash -c "exec 3<>/dev/tcp/127.0.0.1/$busy"
before=$(generation)
echo "listener busy { address 127.0.0.1:$busy; }" >>"$scratch/godwit.conf"
in_use() { ! godwit reload >"$scratch/said" 2>&1 && grep -q ":$busy" "$scratch/said" && grep -q "$holder" "$scratch/said" && cat "$scratch/said"; }
check "a port in use refuses the reload and names the process that holds it" in_use
check "it says how to stop that process" grep -qE "kill $holder|systemctl stop" "$scratch/said"
check "the old configuration stays" has_generation "$before"
sed -E "s#$scratch/(spool|mail|state|run|drop)#$scratch/other/\1#; s/127.0.0.1:$port/127.0.0.1:$busy/; /^listener busy/d" "$scratch/godwit.conf" >"$scratch/other.conf"
mkdir -p "$scratch"/other/{spool,mail,state,run}
start_fails() { timeout 20 "$build/src/parent/godwitd" -c "$scratch/other.conf" >"$scratch/said" 2>&1; status=$?; cat "$scratch/said"; [ $status -ne 0 ] && [ $status -ne 124 ] && grep -q "$holder" "$scratch/said"; }
check "a start on a port in use fails and names the process" start_fails

# --- the end
echo "NOOP" >&9
check "the session from before all reloads still answers" until_true heard '250 2.0.0 OK' 1
check "SIGTERM ends the server" server_stop
check "the session was told 421" until_true heard '421' 1
exec 9>&-
finish
