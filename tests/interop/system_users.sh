#!/usr/bin/env bash
# Delivery to users of the machine: home Maildirs, ~/.forward, commands, the aliases file's commands. The users live in a copy of
# /etc/passwd that is mounted over the real one in a mount namespace of this script alone; no account is made.
if [ -z "${GODWIT_PRIVATE_PASSWD:-}" ]; then
    [ "$(id -u)" -eq 0 ] || { echo "skipped: needs root, to become other users"; exit 77; }
    unshare -m true 2>/dev/null || { echo "skipped: no mount namespace can be made here"; exit 77; }
    GODWIT_PRIVATE_PASSWD=1 exec unshare -m --propagation private "$BASH" "$0" "$@"
fi
. "$(dirname "$0")/lib.sh"
begin system_users

homes=$scratch/home
mkdir -p "$homes"
chmod 755 "$scratch" "$homes"
cp /etc/passwd "$scratch/passwd"
uid=64001
for user in bob carol dave erin frank grace heidi ivan judy mallory oscar peggy; do
    echo "$user:x:$uid:64000:$user:$homes/$user:/bin/sh" >>"$scratch/passwd"
    install -d -m 755 -o $uid -g 64000 "$homes/$user"
    uid=$((uid + 1))
done
echo "lowly:x:900:64000:below min-uid:$homes/lowly:/bin/sh" >>"$scratch/passwd"
install -d -m 755 -o 900 -g 64000 "$homes/lowly"
printf 'cmduser:x:64900:64000::/nonexistent:/bin/sh\n' >>"$scratch/passwd"
chmod 644 "$scratch/passwd"
mount --bind "$scratch/passwd" /etc/passwd || skip_all "/etc/passwd cannot be mounted over"
cleanup_users() { umount /etc/passwd 2>/dev/null; cleanup; }
trap cleanup_users EXIT

# put USER FILE MODE: standard input becomes a file of the user's.
put() { cat >"$homes/$1/$2" && chown "$1:64000" "$homes/$1/$2" && chmod "$3" "$homes/$1/$2"; }

cat >"$scratch/record" <<'SCRIPT'
#!/usr/bin/python3
# What a delivery command sees: its words, environment, identity, and standard input.
import os, resource, sys
out = sys.argv[1]
with open(out, "w") as f:
    print("argv", sys.argv[2:], file=f)
    for name in sorted(os.environ): print(f"env {name}={os.environ[name]}", file=f)
    print("ids", os.getresuid(), os.getresgid(), sorted(os.getgroups()), file=f)
    print("cwd", os.getcwd(), file=f)
    print("fds", sorted(fd for fd in map(int, os.listdir("/proc/self/fd")) if fd < 100 and fd != f.fileno() and os.path.exists(f"/proc/self/fd/{fd}")), file=f)
    print("nnp", [l.split()[1] for l in open("/proc/self/status") if l.startswith("NoNewPrivs")], file=f)
    print("core", resource.getrlimit(resource.RLIMIT_CORE)[0], "as", resource.getrlimit(resource.RLIMIT_AS)[0], file=f)
with open(out, "a") as f:
    f.write(sys.stdin.read())
SCRIPT
chmod 755 "$scratch/record"
cat >"$scratch/say" <<'SCRIPT'
#!/bin/sh
# say STATUS TEXT...: write the text and exit.
status=$1; shift; echo "$*"; exit "$status"
SCRIPT
chmod 755 "$scratch/say"
mkdir -m 1777 "$scratch/out"

echo "dave@example.test" | put carol .forward 644
printf '"|%s %s/out/dave '"'two words' \$HOME ;ls"'"\n' "$scratch/record" "$scratch" | put dave .forward 600
printf '"|%s 75 try later"\n' "$scratch/say" | put erin .forward 600
printf '"|%s 67 nobody of that name"\n' "$scratch/say" | put frank .forward 600
echo "alice@example.test" | put grace .forward 664
install -d -o heidi -g 64000 "$homes/heidi/elsewhere"
ln -s elsewhere "$homes/heidi/Maildir"
printf '\\ivan, judy\nbob@mx.example.test\n' | put ivan .forward 600
echo "oscar" | put peggy .forward 600
echo "peggy" | put oscar .forward 600
printf '"|%s 75 4.9.9 own words"\n' "$scratch/say" | put mallory .forward 600
chmod 777 "$homes/judy"

cat >"$scratch/aliases" <<ALIASES
list: "|$scratch/record $scratch/out/list", bob
append: /tmp/never
ALIASES
server_config "local { aliases $scratch/aliases; system-users on; command-user cmduser; command-time 5 s; }
domain local.test { recipients local; }"
sed -i 's/^local { aliases none; }$//' "$scratch/godwit.conf"
server_start
account alice@example.test
account dave@example.test

send() {
    /usr/bin/python3 - "$port" "$@" <<'P'
import smtplib, sys
port, sender, to, word = sys.argv[1:5]
with smtplib.SMTP("127.0.0.1", int(port)) as s:
    s.sendmail(sender, to.split(","), f"From: <{sender}>\r\nSubject: {word}\r\n\r\n.dot\r\nword-{word}\r\n{'x' * 70}\r\n" * (2000 if word == "large" else 1))
P
}
refused() { ! send sender@example.org "$1" "${2:-x}" 2>"$scratch/refusal" && grep -q "550" "$scratch/refusal"; }
home_files() { find "$homes/$1/Maildir/new" -type f 2>/dev/null; }
home_has() { grep -lqr "word-$2" "$homes/$1/Maildir/new" 2>/dev/null; }
home_count() { [ "$(home_files "$1" | wc -l)" -eq "$2" ]; }
# result_is EVENT ADDRESS PATTERN: the log comes to tell of that result.
log_says() { grep -E "$1" "$scratch/log" | grep -E -- "$2" | grep -qE -- "$3"; }
result_is() { until_true log_says "$1" "to=\"?<?$2" "$3"; }

check "mail for a user is taken" send sender@example.org bob@mx.example.test first
check "it lies in ~/Maildir" until_true home_has bob first
owned() {
    local f
    for f in "$homes/bob/Maildir" "$homes/bob/Maildir/"{cur,new,tmp} $(home_files bob); do
        [ "$(stat -c %u:%g "$f")" = "64001:64000" ] || { stat "$f"; return 1; }
    done
    [ "$(stat -c %a "$homes/bob/Maildir")" = 700 ] && [ "$(stat -c %a "$(home_files bob | head -n 1)")" = 600 ]
}
check "it is the user's, and nobody else can read it" owned
fields() { head -n 2 "$(home_files bob | head -n 1)" | tr '\n' '|' | grep -qxF 'Return-Path: <sender@example.org>|Delivered-To: bob@mx.example.test|'; }
check "Return-Path and Delivered-To come first" fields
check "no CR is left" bash -c "grep -q word-first '$homes/bob/Maildir/new/'* && ! grep -q \$'\\r' '$homes/bob/Maildir/new/'*"

check "a detail is accepted" send sender@example.org bob+shop@mx.example.test detail
check "and leads to the user" until_true home_has bob detail
check "another local domain, capitals" send sender@example.org BOB@local.test capitals
check "lead to the user" until_true home_has bob capitals
check "a message larger than a call" send sender@example.org bob@mx.example.test large
check "arrives" until_true home_has bob large

check "a forwarding user" send sender@example.org carol@mx.example.test forwarded
check "has his mail at the other address" until_true grep -lqr word-forwarded "$scratch/mail/example.test/dave/new"
check "and nothing at home" test ! -e "$homes/carol/Maildir"

check "a user with a command" send 'odd${x}|y@example.org' dave+ext@mx.example.test piped
check "the command has run" until_true grep -q word-piped "$scratch/out/dave"
for line in "argv ['two words', '\$HOME', ';ls']" "env SENDER=odd__x__y@example.org" "env RECIPIENT=dave+ext@mx.example.test" \
    "env EXTENSION=ext" "env LOCAL=dave+ext" "env DOMAIN=mx.example.test" "env USER=dave" "env LOGNAME=dave" "env HOME=$homes/dave" \
    "env SHELL=/bin/sh" "env CLIENT_ADDRESS=127.0.0.1" "env ENVID=" "env ORIGINAL_RECIPIENT=dave+ext@mx.example.test" \
    "env PATH=/usr/local/bin:/usr/bin:/bin" "ids (64003, 64003, 64003) (64000, 64000, 64000) [64000]" "cwd $homes/dave" \
    "fds [0, 1, 2]" "nnp ['1']" "core 0 as 536870912" 'Return-Path: <odd${x}|y@example.org>' "Delivered-To: dave+ext@mx.example.test" ".dot"; do
    check "its view: ${line%% \[*}" grep -qxF -- "$line" "$scratch/out/dave"
done
check "the queue id is told" grep -qE '^env MESSAGE_ID=[0-9A-Z]{20}$' "$scratch/out/dave"
check "no CR comes in" bash -c "! grep -q \$'\\r' '$scratch/out/dave'"

send sender@example.org erin@mx.example.test tempfail
check "exit 75 waits" result_is delivery-deferred erin@mx.example.test 'status="?4\.3\.0.*try later'
send sender@example.org frank@mx.example.test nouser
check "exit 67 fails" result_is delivery-failed frank@mx.example.test 'status="?5\.1\.1.*nobody of that name'
send sender@example.org mallory@mx.example.test words
check "a status in the output wins" result_is delivery-deferred mallory@mx.example.test 'status="?4\.9\.9.*own words'
send sender@example.org grace@mx.example.test writable
check "a .forward others may write waits" result_is delivery-deferred grace@mx.example.test 'others than its owner may write'
send sender@example.org heidi@mx.example.test symlink
check "a Maildir that is a link waits" result_is delivery-deferred heidi@mx.example.test 'symbolic link'
check "and nothing is written behind it" test -z "$(ls -A "$homes/heidi/elsewhere")"
send sender@example.org judy@mx.example.test open
check "a home that all may write waits" result_is delivery-deferred judy@mx.example.test 'everybody may write'
chmod 755 "$homes/judy"

check "a .forward with the user and others" send sender@example.org ivan@mx.example.test several
for user in ivan judy bob; do check "reaches $user" until_true home_has $user several; done

send sender@example.org oscar@mx.example.test circle
check "users who forward to each other end in a failure" result_is delivery-failed '(oscar|peggy)' 'status="?5\.4\.6'

check "root's mail" send sender@example.org root@mx.example.test root
check "goes to postmaster" until_true grep -lqr word-root "$scratch/mail/example.test/alice/new"
check "a user below min-uid is refused" refused lowly@mx.example.test
check "a user who does not exist is refused" refused nosuch@mx.example.test

check "an alias with a command" send sender@example.org list@mx.example.test aliased
check "runs it" until_true grep -q word-aliased "$scratch/out/list"
check "as command-user" grep -qF "ids (64900, 64900, 64900)" "$scratch/out/list"
check "in no home" grep -qxF "cwd /" "$scratch/out/list"
check "with the alias as the recipient" grep -qxF "Delivered-To: list@mx.example.test" "$scratch/out/list"
check "and serves the others of the entry" until_true home_has bob aliased
send sender@example.org append@mx.example.test appended
check "an alias that names a file fails" result_is delivery-failed append@mx.example.test 'status="?5\.7\.1'

# Limits, and what a command leaves behind.
printf '"|/bin/sleep 60"\n' | put erin .forward 600
send sender@example.org erin@mx.example.test slow
check "a command without end is killed" result_is delivery-deferred erin@mx.example.test 'longer than command-time'
check "and is gone" bash -c "! pgrep -u 64004 >/dev/null"
printf '"|/bin/sh -c '"'sleep 61 >/dev/null 2>&1 & exit 0'"'"\n' | put frank .forward 600
send sender@example.org frank@mx.example.test leaver
check "a command that leaves something behind is done" result_is delivery-done frank@mx.example.test 'delivered to a command'
sleep 1
check "and what it left is gone" bash -c "! pgrep -u 64005 -f 'sleep 61' >/dev/null"
printf '"|/usr/bin/python3 -c '"'x = bytearray(700000000)'"'"\n' | put frank .forward 600
send sender@example.org frank@mx.example.test hungry
check "a command beyond its memory does not get it" result_is delivery-failed frank@mx.example.test 'MemoryError'
printf '"|%s 0"\n' "$scratch/no-such-program" | put frank .forward 600
send sender@example.org frank@mx.example.test absent
check "a command that is not there waits" result_is delivery-deferred frank@mx.example.test 'No such file'

check "no delivery process is left" bash -c "! pgrep -x godwit-deliver >/dev/null"
check "nothing was refused by the system" bash -c "! grep -E 'internal-fault|without an answer' '$scratch/log'"
check "the server stops" server_stop

# Without root it delivers to the user it runs as, and to nobody else.
rm -rf "$scratch"/{spool,state,mail,run,drop} "$homes/bob/Maildir" "$homes/judy/Maildir"
install -d -m 755 -o bob -g 64000 "$scratch"/{spool,state,mail,run,drop}
setpriv --reuid 64001 --regid 64000 --clear-groups "$build/src/parent/godwitd" -c "$scratch/godwit.conf" 2>>"$scratch/log" &
server=$!
pids+=("$server")
check "a server without root starts" until_true godwit status
check "it takes mail for its user" send sender@example.org bob@mx.example.test unprivileged
check "and delivers it" until_true home_has bob unprivileged
send sender@example.org judy@mx.example.test other
check "mail for another user waits" result_is delivery-deferred judy@mx.example.test 'runs without root'
check "and is not written" test ! -e "$homes/judy/Maildir"
check "it stops" server_stop
finish
