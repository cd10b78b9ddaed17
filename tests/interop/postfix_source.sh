#!/usr/bin/env bash
# Postfix's smtp-source delivers 20,000 messages from 50 sessions; each is found exactly once, with the content that was sent.
. "$(dirname "$0")/lib.sh"
begin postfix_source
command -v apt-get >/dev/null && peer postfix || skip_all "Debian's postfix cannot be fetched"
source_program=$peers/root/usr/sbin/smtp-source
export LD_LIBRARY_PATH=$peers/root/usr/lib/postfix
total=${TOTAL:-20000}
server_config
server_start
account box@example.test

# -N numbers the recipients' names; a plus sign keeps them one account: box+N.
mkdir "$scratch/files"
send() {
    timeout 300 "$source_program" -s 50 -m "$total" -l 1500 -f sender@load.example -t box@example.test "127.0.0.1:$port"
}
check "smtp-source has every message acknowledged" send
all_delivered() { [ "$(find "$(mailbox box@example.test)/new" -type f | wc -l)" -ge "$total" ]; }
for _ in $(seq 600); do all_delivered && break; sleep 0.2; done
check "each message is there exactly once" mail_is box@example.test "$total"

# smtp-source gives every message the same body and a Message-ID of its own.
compare() {
    /usr/bin/python3 - "$(mailbox box@example.test)/new" "$total" <<'P'
import os, sys
seen, bodies = set(), set()
for entry in os.scandir(sys.argv[1]):
    data = open(entry.path, "rb").read()
    head, _, body = data.partition(b"\n\n")
    assert b"\r" not in data, entry.name
    fields = [f for f in head.split(b"\n")]
    names = [f.split(b":")[0] for f in fields if f[:1] not in b" \t"]
    assert names[:3] == [b"Return-Path", b"Delivered-To", b"Received"], names
    assert names.count(b"Return-Path") == 1
    ids = [f for f in fields if f.lower().startswith(b"message-id:")]
    assert len(ids) == 1, ids
    seen.add(ids[0])
    bodies.add(body)
assert len(seen) == int(sys.argv[2]), len(seen)
assert len(bodies) == 1, len(bodies)
P
}
check "content is equal but for the trace fields" compare
finish
