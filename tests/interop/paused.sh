#!/usr/bin/env bash
# While deliveries are paused mail is taken and waits in the spool; a reload that ends the pause delivers it.
. "$(dirname "$0")/lib.sh"
begin paused
server_config 'delivery { paused on; }'
server_start
account alice@example.test

send() {
    /usr/bin/python3 - "$port" <<'P'
import smtplib, sys
with smtplib.SMTP("127.0.0.1", int(sys.argv[1]), timeout=20) as client:
    client.sendmail("bob@sender.example", ["alice@example.test"], "Subject: later\r\n\r\nWait for it.\r\n")
P
}
counter() { godwit status --json | grep -qE "\"$1\": ?$2\b"; }
nobody_has_it() { sleep 1; mail_is alice@example.test 0; }
end_of_pause() {
    sed -i 's/paused on/paused off/' "$scratch/godwit.conf"
    godwit reload
}
check "mail is taken" send
check "it is not delivered" nobody_has_it
check "the status says paused" counter paused 1
check "and one message ready" counter ready 1
check "a reload ends the pause" end_of_pause
check "the message is delivered" until_true mail_is alice@example.test 1
check "the status says so" counter paused 0
finish
