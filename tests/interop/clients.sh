#!/usr/bin/env bash
# Ordinary mail clients send to Godwit; each message is found in the mailbox with its content.
. "$(dirname "$0")/lib.sh"
begin clients
server_config
server_start
account alice@example.test
account bob@example.test

count=0
# sent WHAT COMMAND...: the command succeeds and one more message lies in alice's mailbox with the word in it.
sent() {
    local what=$1
    shift
    count=$((count + 1))
    check "$what sends" "$@"
    check "$what is delivered" until_true mail_is alice@example.test $count
    check "$what arrives whole" grep -q "word-$what" "$(newest alice@example.test)"
}

message() { printf 'From: bob@example.test\nTo: alice@example.test\nSubject: %s\n\nA line.\n.\n..two\nword-%s\n' "$1" "$1"; }

with_curl() { message curl | curl -sS --crlf "smtp://127.0.0.1:$port/there" --mail-from bob@example.test --mail-rcpt alice@example.test -T -; }
with_msmtp() { message msmtp | msmtp --host=127.0.0.1 --port="$port" --auth=off --tls=off --from=bob@example.test alice@example.test; }
with_swaks() { swaks -S 2 --server 127.0.0.1 --port "$port" --from bob@example.test --to alice@example.test --body "word-swaks"; }
with_python() {
    /usr/bin/python3 - "$port" <<'P'
import smtplib, sys
with smtplib.SMTP("127.0.0.1", int(sys.argv[1])) as s:
    s.sendmail("bob@example.test", ["alice@example.test"], "Subject: python\r\n\r\n.dot\r\nword-python\r\n")
P
}
with_python_utf8() {
    /usr/bin/python3 - "$port" <<'P'
import smtplib, sys
from email.message import EmailMessage
m = EmailMessage()
m["From"], m["To"], m["Subject"] = "bjørn@example.org", "alice@example.test", "grüße"
m.set_content("word-utf8\n")
with smtplib.SMTP("127.0.0.1", int(sys.argv[1])) as s:
    s.send_message(m, "bjørn@example.org", ["alice@example.test"])
P
}
with_snail() {
    printf 'word-s-nail\n' | s-nail -:/ -S v15-compat=yes -S mta="smtp://127.0.0.1:$port" -S smtp-auth=none -S from=bob@example.test \
        -s s-nail alice@example.test
}
with_nodemailer() {
    NODE_PATH=$peers/npm/node_modules node - "$port" <<'N'
const nodemailer = require("nodemailer");
const t = nodemailer.createTransport({host: "127.0.0.1", port: +process.argv[2], ignoreTLS: true});
t.sendMail({from: "bob@example.test", to: "alice@example.test", subject: "node", text: "word-nodemailer"}).then(() => process.exit(0), e => { console.error(e); process.exit(1); });
N
}

sent curl with_curl
sent msmtp with_msmtp
sent swaks with_swaks
sent python with_python
sent utf8 with_python_utf8
sent s-nail with_snail
if command -v npm >/dev/null && { [ -d "$peers/npm/node_modules/nodemailer" ] || npm install --silent --no-fund --no-audit --prefix "$peers/npm" nodemailer >/dev/null 2>&1; }; then
    sent nodemailer with_nodemailer
else
    skip nodemailer "npm is not there"
fi

refused() { ! swaks -S 2 --server 127.0.0.1 --port "$port" --from bob@example.test --to "$1" >"$scratch/out" 2>&1 && grep -q "$2" "$scratch/out"; }
check "an unknown user is refused at RCPT" refused nobody@example.test '550 5.1.1'
check "a stranger may not relay" refused someone@elsewhere.example '550 5.7.1'
check "why tells of the refusal" sh -c "'$build/src/cli/godwit' -c '$scratch/godwit.conf' why someone@elsewhere.example | grep -q 5.7.1"
check "why tells of the delivery" sh -c "'$build/src/cli/godwit' -c '$scratch/godwit.conf' why alice@example.test | grep -q delivered"
check "the log has no password" sh -c "! grep -q secret '$scratch/log'"
check "SIGTERM ends it in order" server_stop
check "no socket is left" sh -c "[ -z \"\$(find '$scratch/run' -type s)\" ]"
finish
