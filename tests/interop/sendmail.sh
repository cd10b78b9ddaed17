#!/usr/bin/env bash
# Mail from programs of this machine: cron, mail clients and scripts call sendmail, the server up or down, users honest or not.
. "$(dirname "$0")/lib.sh"
begin sendmail
[ "$(id -u)" -eq 0 ] || skip_all "not root: nobody else's mail can be sent"
mkdir -p "$scratch/bin"
printf 'staff: bob@example.test\n' >"$scratch/aliases"
server_config "trusted-users root games;"
sed -i "s|local { aliases none; }|local { aliases $scratch/aliases; }|" "$scratch/godwit.conf"
chmod 644 "$scratch/godwit.conf" "$scratch/aliases"
# Where programs look for it.
for name in sendmail mailq newaliases; do ln -s "$build/src/cli/sendmail" "$scratch/bin/$name"; done
export GODWIT_CONFIG=$scratch/godwit.conf
sendmail=$scratch/bin/sendmail
server_start
chmod 755 "$scratch" "$scratch/bin"
account alice@example.test
account bob@example.test

nobody() { setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; }
games() { setpriv --reuid 5 --regid 60 --clear-groups "$@"; }
# exits STATUS COMMAND...: it ends with that exit status; what it said is in $scratch/out.
exits() {
    local wanted=$1 status=0
    shift
    "$@" >"$scratch/out" 2>&1 || status=$?
    [ "$status" -eq "$wanted" ] || { echo "exit status $status, not $wanted:"; cat "$scratch/out"; return 1; }
}
said() { grep -q -- "$1" "$scratch/out" || { cat "$scratch/out"; return 1; }; }
logged() { grep -q -- "$1" "$scratch/log"; }
# has WORD N: in alice's mailbox N messages have the word.
has() { [ "$(grep -l -r -- "$1" "$(mailbox alice@example.test)"/{new,cur} 2>/dev/null | wc -l)" -eq "$2" ]; }
# message WORD: the one that has it.
message() { grep -l -r -- "$1" "$(mailbox alice@example.test)"/{new,cur} 2>/dev/null | head -n 1; }
in_message() { grep -q -- "$2" "$(message "$1")" || { cat "$(message "$1")"; return 1; }; }
not_in_message() { ! grep -q -- "$2" "$(message "$1")"; }

# --- what programs do ---

cron() {
    printf '%s\n' 'From: root (Cron Daemon)' 'To: root' 'Subject: Cron <root@mx> run-parts' 'Content-Type: text/plain; charset=UTF-8' \
        'Auto-Submitted: auto-generated' '' 'word-cron' '.' 'after the dot' | "$sendmail" -FCronDaemon -i -B8BITMIME -oem -t
}
check "cron's mail is taken" exits 0 cron
check "and reaches who reads root's mail" until_true has word-cron 1
check "with all of its lines" in_message word-cron '^after the dot$'
check "a Date" in_message word-cron '^Date: '
check "a Message-ID of ours" in_message word-cron '^Message-ID: <[0-9A-Z]*@mx.example.test>$'
check "and the From it had" in_message word-cron '^From: root (Cron Daemon)$'

blind() { printf 'To: "Alice, A." <alice@example.test>\nBcc: bob@example.test,\n (comment) <alice+x@example.test>\nSubject: b\n\nword-blind\n' | "$sendmail" -t; }
check "-t takes To and Bcc" exits 0 blind
check "both recipients of one mailbox" until_true has word-blind 2
check "the blind one too" until_true mail_is bob@example.test 1
check "and tells nobody" not_in_message word-blind '^Bcc'

plain() { printf 'Subject: plain\n\nword-plain\n.\nnot this\n' | nobody "$sendmail" -F "Nö Body, Jr." alice@example.test; }
check "a user without rights sends" exits 0 plain
check "its mail arrives" until_true has word-plain 1
check "from its own address" in_message word-plain '^Return-Path: <nobody@mx.example.test>$'
check "under its name" in_message word-plain '^From: =?utf-8?B?.*?= <nobody@mx.example.test>$'
check "and Received says who it was" in_message word-plain '(local user nobody)'
check "a dot ends it" not_in_message word-plain 'not this'

crlf() { printf 'Subject: crlf\r\nX-Odd: a\rb\r\n\r\nword-crlf\r\n' | "$sendmail" alice@example.test; }
check "a program that writes CRLF" exits 0 crlf
check "its lines are ended once" until_true has 'word-crlf$' 1

# --- who may be whom ---

as() { printf 'Subject: as\n\nword-as-%s\n' "$1" | "${@:2}"; }
check "-f of somebody else is refused" exits 77 as refused nobody "$sendmail" -f root alice@example.test
check "and why is said" said '550 5.7.1'
check "and logged" logged 'event=sender-refused.*from=root@mx.example.test.*reason=sender-not-own'
check "so is another domain" exits 77 as refused nobody "$sendmail" -fnobody@example.test alice@example.test
check "and the null sender" exits 77 as refused nobody "$sendmail" -f '<>' alice@example.test
check "-f of oneself is fine" exits 0 as own nobody "$sendmail" -f nobody alice@example.test
check "root may be anybody" exits 0 as root "$sendmail" -f 'Somebody <some@where.example>' alice@example.test
check "even nobody" exits 0 as null "$sendmail" -f '<>' alice@example.test
check "so may trusted users" exits 0 as trusted games "$sendmail" -r list@where.example alice@example.test
check "all of them arrive" until_true has word-as- 4
check "with the sender they gave" in_message word-as-root '^Return-Path: <some@where.example>$'
check "an id without a name is told so" exits 67 as nameless setpriv --reuid 64321 --regid 64321 --clear-groups "$sendmail" alice@example.test
check "a refusal leaves a trail" sh -c "'$build/src/cli/godwit' why alice@example.test | grep -q . && '$build/src/cli/godwit' why root@mx.example.test | grep -q sender-not-own"

# --- what is wrong ---

send() { printf 'Subject: s\n\nword-%s\n' "$1" | "$sendmail" "${@:2}"; }
check "an unknown user is 67" exits 67 send unknown nobody-here@example.test
check "and is named" said '<nobody-here@example.test>: 550 5.1.1'
check "the others get it" exits 67 send partly nobody-here@example.test alice@example.test
check "once" until_true has word-partly 1
check "elsewhere is 68 while there is no way" exits 68 send remote someone@elsewhere.example
check "no recipient is 64" exits 64 send none
check "nor in the message" exits 64 send none -t
check "an address that is none is 64" exits 64 send none 'a@b@c'
check "an option that is none is 64" exits 64 send none -Z alice@example.test
check "a daemon is not to be had" exits 64 "$sendmail" -bd -q15m
check "and why is said" said godwitd
nul() { printf 'Subject: n\n\n\0\n' | "$sendmail" alice@example.test; }
check "a NUL is 65" exits 65 nul
huge() { { printf 'Subject: huge\n\n'; head -c 60000000 /dev/zero | tr '\0' 'x' | fold -w 100; } | "$sendmail" alice@example.test; }
check "too large is 69" exits 69 huge
big() { { printf 'Subject: big\n\nword-big\n'; head -c 8000000 /dev/zero | tr '\0' 'x' | fold -w 100; } | nobody "$sendmail" alice@example.test; }
check "8 MB are not" exits 0 big
check "and arrive" until_true has word-big 1
check "-bv asks without sending" exits 67 "$sendmail" -bv alice@example.test nobody-here@example.test
check "and says who" said '<alice@example.test>: deliverable'

# --- other modes ---

talk() { printf 'EHLO x%sMAIL FROM:<nobody@mx.example.test>%sRCPT TO:<alice@example.test>%sDATA%sSubject: bs%s%sword-bs-%s%s.%sQUIT%s' "$1" "$1" "$1" "$1" "$1" "$1" "$2" "$1" "$1" "$1" | nobody "$sendmail" -bs; }
check "-bs speaks SMTP" exits 0 talk $'\r\n' crlf
check "as the server does" said '^250 2.0.0 Accepted'
check "-bs with lines that end with LF" exits 0 talk $'\n' lf
check "both arrive" until_true has word-bs- 2
dialogue() { printf 'EHLO x\r\nMAIL FROM:<root@mx.example.test>\r\nQUIT\r\n' | nobody "$sendmail" -bs; }
check "-bs gives nobody another name" exits 0 dialogue
check "either" said '^550 5.7.1'

godwit queue hold all >/dev/null
check "mailq of an empty queue" exits 0 "$scratch/bin/mailq"
check "says so" said '^Mail queue is empty$'
check "mailq of a user is refused with advice" exits 77 nobody "$scratch/bin/mailq"
check "that names the group" said 'control { group }'
sed -i 's/^spool {/delivery { paused on; }\nspool {/' "$scratch/godwit.conf"
godwit reload >/dev/null
as queued "$sendmail" -f '<>' alice@example.test
check "mailq lists what waits" exits 0 "$sendmail" -bp
check "the sender" said '^[0-9A-Z]\{20\}[ *!] *[0-9]* .* MAILER-DAEMON$'
check "the recipient" said '^ *alice@example.test$'
check "the sum" said '^-- [0-9]* Kbytes in 1 Request.$'
sed -i '/^delivery { paused/d' "$scratch/godwit.conf"
godwit reload >/dev/null
check "-q tries again" exits 0 "$sendmail" -q
check "and it is delivered" until_true has word-as-queued 1

printf 'staff: bob@example.test\nops: alice@example.test\n' >"$scratch/aliases"
check "newaliases" exits 0 "$scratch/bin/newaliases"
check "a new alias is known" exits 0 send ops ops
check "and its mail delivered" until_true has word-ops 1
check "newaliases is not for everybody" exits 77 nobody "$scratch/bin/newaliases"

# --- clients ---

with_snail() { echo word-s-nail | nobody env HOME=/nonexistent s-nail -:/ -S v15-compat -S mta="$sendmail" -s s-nail -r nobody@mx.example.test alice@example.test; }
check "s-nail sends through it" exits 0 with_snail
check "and it arrives" until_true has word-s-nail 1
if command -v mutt >/dev/null; then
    with_mutt() { echo word-mutt | mutt -n -F /dev/null -e "set sendmail='$sendmail -oem -oi'; set from=root@mx.example.test; set copy=no" -s mutt alice@example.test; }
    check "mutt sends through it" exits 0 with_mutt
    check "and it arrives" until_true has word-mutt 1
else
    skip "mutt" "it is not installed"
fi
with_python() {
    nobody /usr/bin/python3 - "$sendmail" <<'P'
import subprocess, sys
from email.message import EmailMessage
m = EmailMessage()
m["To"], m["Subject"] = "alice@example.test", "grüße"
m.set_content("word-python ä\n", cte="8bit")
subprocess.run([sys.argv[1], "-t", "-oi"], input=m.as_bytes(), check=True)
P
}
check "a script sends through it" exits 0 with_python
check "and it arrives" until_true has word-python 1
crowd() { local i; for i in $(seq 40); do send "crowd-$i-" alice@example.test & done; wait $(jobs -p | grep -v "^$server\$"); }
check "forty at once" crowd
check "arrive" until_true has word-crowd- 40

# --- the server is down ---

check "the server stops" server_stop
check "the drop directory is open to all and shows nobody" test "$(stat -c '%a %u' "$scratch/drop")" = "1733 0"
check "-bs says so" exits 75 dialogue
check "in SMTP" said '^421 4.3.2'
later() { printf 'Subject: later\n\nword-later-%s\n.\nafter\n' "$1" | "${@:2}"; }
check "root's mail is kept" exits 0 later root "$sendmail" -i -f '<>' alice@example.test
check "a user's too" exits 0 later user nobody "$sendmail" -N never -F 'No Body' alice@example.test
bare() { printf 'To: root, staff\n\nword-later-bare\n' | nobody "$sendmail" -t; }
check "and names without a domain" exits 0 bare
check "a forged sender is noticed later" exits 0 later forged nobody "$sendmail" -f root alice@example.test
check "and so is a wrong recipient" exits 0 later wrong nobody "$sendmail" nobody-here@example.test alice@example.test
check "files are private" test -z "$(find "$scratch/drop" -type f ! -perm 0600)"
check "and owned by who sent" test "$(stat -c %u "$scratch/drop/000001")" = 65534
check "a user cannot list them" exits 2 nobody ls "$scratch/drop"
check "nor read another's" exits 1 nobody cat "$scratch/drop/000000"
check "nor remove it" exits 1 nobody rm -f "$scratch/drop/000000"
check "nor replace it" exits 1 nobody mv -f "$scratch/drop/000001" "$scratch/drop/000000"

limited() { sed "s|drop-directory $scratch/drop;|drop-directory $scratch/drop; $1|" "$scratch/godwit.conf" >"$scratch/limited.conf"; chmod 644 "$scratch/limited.conf"; }
limited 'drop-messages 5;'
check "a full drop directory is 75" exits 75 later full nobody "$sendmail" -C "$scratch/limited.conf" alice@example.test
check "and why is said" said 'as many messages as may wait'
limited 'drop-size 1MiB;'
heavy() { { printf 'Subject: heavy\n\n'; head -c 1200000 /dev/zero | tr '\0' 'x' | fold -w 100; } | nobody "$sendmail" -C "$scratch/limited.conf" alice@example.test; }
check "so is one that is too heavy" exits 75 heavy
check "nothing half-written is left" test -z "$(find "$scratch/drop" -name 'new-*')"

# Files that no sendmail wrote.
head='godwit-drop 1\nto <alice@example.test>\n\nSubject: evil\n\nword-evil-'
printf "$head%s\n" link >"$scratch/linked"
chmod 600 "$scratch/linked"
ln "$scratch/linked" "$scratch/drop/000090"
ln -s "$scratch/linked" "$scratch/drop/000091"
ln -s /etc/shadow "$scratch/drop/000092"
mkfifo -m 600 "$scratch/drop/000093"
truncate -s 100G "$scratch/drop/000094"
printf "$head%s\n" readable >"$scratch/drop/000095"
printf 'Subject: no head\n\nword-evil-garbage\n' >"$scratch/drop/000096"
printf 'godwit-drop 1\nfrom <root@mx.example.test>\nto <alice@example.test>\n\nSubject: evil\r\n\r\nword-evil-forged\r\n' >"$scratch/drop/000097"
chown 65534 "$scratch/drop/000097"
printf 'godwit-drop 1\nto <alice@example.test>\n\nSubject: evil\r\n\r\na\n.\r\nword-evil-smuggled\r\n' >"$scratch/drop/000098"
printf "$head%s\n" name >"$scratch/drop/evil name"
mkdir "$scratch/drop/000099" "$scratch/drop/directory"
chmod 600 "$scratch"/drop/00009[4678] "$scratch/drop/evil name"
chmod 644 "$scratch/drop/000095"
: >"$scratch/drop/new-unfinished"
printf 'ssh-like secret\n' >"$scratch/victim"
chmod 600 "$scratch/victim"

server_start
waits() { find "$scratch/drop" -name '0*' | wc -l; }
taken() { [ "$(waits)" -eq 0 ]; }
check "everything is looked at when the server starts" until_true taken
check "what was kept arrives" until_true has 'word-later-\(root\|user\|wrong\)' 3
check "bare names too" until_true has word-later-bare 1
check "each of them" until_true mail_is bob@example.test 2
check "in the name of who sent it" in_message word-later-user '^Return-Path: <nobody@mx.example.test>$'
check "under the name given" in_message word-later-user '^From: No Body <nobody@mx.example.test>$'
check "as Received says" in_message word-later-user '(local user nobody)'
check "with -i as it was" in_message word-later-root '^after$'
check "without -i up to the dot" not_in_message word-later-user '^after$'
check "what was forged does not" has word-later-forged 0
check "and is reported" logged 'event=drop-refused.*uid=65534.*550 5.7.1'
check "the refused recipient too" logged 'event=drop-refused.*uid=65534.*nobody-here@example.test'
check "nothing evil arrives" has word-evil 0
for reason in 'other names too' 'symbolic link' 'no regular file' 'too large' 'others than its owner' 'no such names' 'not one that sendmail writes' '550 5.6.0'; do
    check "the log has: $reason" logged "event=drop-refused.*$reason"
done
check "refused files are set aside, not deleted" test "$(find "$scratch/drop" -name 'bad-*' | wc -l)" -ge 12
check "links lead to what they led to" test "$(cat "$scratch/victim")" = 'ssh-like secret'
check "a file being written is left alone" test -e "$scratch/drop/new-unfinished"

# A file that appears while the server runs, and a server that dies in the middle.
printf 'godwit-drop 1\nto <alice@example.test>\n\nSubject: now\r\n\r\nword-while-running\r\n' >"$scratch/drop/.x" && chmod 600 "$scratch/drop/.x" && mv "$scratch/drop/.x" "$scratch/drop/000003"
check "mail is taken up while the server runs" until_true has word-while-running 1
check "the server stops again" server_stop
for i in $(seq 60); do later "$i." nobody "$sendmail" alice@example.test || break; done
"$build/src/parent/godwitd" -c "$scratch/godwit.conf" 2>>"$scratch/log" &
server=$!
until_true has 'word-later-[0-9]*\.' 10
kill -9 "$server" $(pgrep -P "$server") 2>/dev/null
wait "$server" 2>/dev/null
server_start
check "killed in the middle, it takes up the rest" until_true taken
numbers() { grep -h -o -r 'word-later-[0-9]*\.' "$(mailbox alice@example.test)"/{new,cur} | sort -u | wc -l; }
all_there() { [ "$(numbers)" -eq 60 ]; }
check "and every message is there" until_true all_there

# Nothing takes mail, the server up or down.
sed -i 's|sendmail { drop-directory [^;]*; }|sendmail { drop-directory none; }|' "$scratch/godwit.conf"
check "the server stops once more" server_stop
check "without a drop directory it is 75" exits 75 later none nobody "$sendmail" alice@example.test
check "newaliases of a server that is down is fine" exits 0 "$scratch/bin/newaliases"
check "mailq of one says what to do" exits 69 "$scratch/bin/mailq"
check "namely" said 'not running'
finish
