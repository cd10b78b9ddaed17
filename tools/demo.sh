#!/usr/bin/env bash
# demo.sh - run Godwit on loopback with a demo domain and two accounts until Ctrl-C. usage: demo.sh BUILD-DIR
#
# Everything it makes is below var/demo/: configuration, spool, accounts, mail. Sockets and the lock go with the server;
# mail and accounts stay for the next run. Nothing is ever sent beyond loopback.
set -euo pipefail

build=$(cd "$1" && pwd)
top=$(pwd)
demo=$top/var/demo
port=${GODWIT_DEMO_PORT:-2525}
daemon=$build/src/parent/godwitd
godwit=$build/src/cli/godwit

mkdir -p "$demo"/{spool,state,mail,run,conf.d}
if [ ! -e "$demo/godwit.conf" ]; then
    cat >"$demo/godwit.conf" <<CONF
# The demo's configuration; change it and run: build/release/src/cli/godwit -c var/demo/godwit.conf reload
hostname demo.example.test;
postmaster alice@example.test;

listener demo {
    address 127.0.0.1:$port;
}

domain example.test {
}

spool { directory $demo/spool; }
mail { directory $demo/mail; }
state-directory $demo/state;
run-directory $demo/run;
sendmail { drop-directory none; }
local { aliases none; }
resolver { reverse-dns off; }
users { edge 61001; queue 61002; local 61003; resolver 61004; directory 61005; control 61006; group 61000; }

include conf.d/*.conf;
CONF
fi

"$godwit" check -c "$demo/godwit.conf" >/dev/null || exit $?

stop() {
    trap '' INT TERM HUP
    kill -TERM "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
    rm -f "$demo"/run/*.sock
    echo
    echo "Godwit has stopped. Mail and accounts stay in var/demo/ for the next run."
    exit 0
}

: >"$demo/log"
"$daemon" -c "$demo/godwit.conf" 2> >(trap '' INT; exec tee -a "$demo/log" >/dev/null) &
server=$!
trap stop INT TERM HUP

for _ in $(seq 100); do
    "$godwit" -c "$demo/godwit.conf" status >/dev/null 2>&1 && break
    if ! kill -0 "$server" 2>/dev/null; then
        wait "$server" && status=0 || status=$?
        cat "$demo/log" >&2
        exit "$status"
    fi
    sleep 0.1
done

add() {
    # An account that is there from an earlier run is no failure.
    if ! out=$(echo "$2" | "$godwit" -c "$demo/godwit.conf" account add "$1" 2>&1); then
        "$godwit" -c "$demo/godwit.conf" account list example.test 2>/dev/null | grep -q "$1" || { echo "$out" >&2; return 1; }
    fi
}
add alice@example.test alice-demo
add bob@example.test bob-demo

cat <<TEXT

Godwit listens on 127.0.0.1:$port (loopback only) for example.test; alice@ and bob@ have mailboxes.
The log is in var/demo/log.

In another terminal, send a first mail:

  printf 'Subject: Hello\n\nA first mail.\n' | curl -s --crlf smtp://127.0.0.1:$port/there --mail-from bob@example.test --mail-rcpt alice@example.test -T -

  python3 -c "import smtplib; smtplib.SMTP('127.0.0.1', $port).sendmail('bob@example.test', ['alice@example.test'], 'Subject: Hello\r\n\r\nA first mail.\r\n')"

Look at it:

  cat $demo/mail/example.test/alice/new/*

Ask what happened:

  $godwit -c $demo/godwit.conf why alice@example.test
  $godwit -c $demo/godwit.conf queue list
  $godwit -c $demo/godwit.conf status

Ctrl-C stops it.
TEXT

wait "$server" && status=0 || status=$?
rm -f "$demo"/run/*.sock
echo "Godwit ended by itself (status $status); the log is in var/demo/log." >&2
exit "$status"
