#!/usr/bin/env python3
"""dovecot.py - one step of dovecot.sh: send by SMTP, look by IMAP.

usage: dovecot.py SMTP-PORT IMAP-PORT SCRATCH read|idle|quota|full|lmtp|lmtp-one|stored
Fails with an assertion that names what was different.
"""
import imaplib
import os
import re
import smtplib
import sys
import time

smtp_port, imap_port, scratch, step = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
LINES = b"".join(b"line %d of a body, .dots and 8-bit \xc3\xa9\r\n" % i for i in range(40)) + b".\r\n..two\r\n"
CONTENT = b"From: bob@elsewhere.example\r\nTo: alice@example.test\r\nSubject: gr\xc3\xbc\xc3\x9fe\r\n\r\n" + LINES


def send(content, *recipients):
    with smtplib.SMTP("127.0.0.1", smtp_port) as smtp:
        smtp.ehlo("client.example.org")
        return smtp.sendmail("bob@elsewhere.example", recipients, content, mail_options=["BODY=8BITMIME", "SMTPUTF8"])


def login(user):
    imap = imaplib.IMAP4("127.0.0.1", imap_port)
    imap.login(user, "imap")
    imap.select("INBOX")
    return imap


def wait_for(imap, count):
    for _ in range(150):
        imap.noop()
        numbers = imap.search(None, "ALL")[1][0].split()
        if len(numbers) >= count:
            break
        time.sleep(0.1)
    assert len(numbers) == count, (numbers, count)
    return numbers


def fetch(imap, number, what="BODY.PEEK[]"):
    data = imap.fetch(number, f"(FLAGS {what})")[1]
    return data[0][1], b"".join(part if isinstance(part, bytes) else part[0] for part in data)


def sizes(user):
    """Octets and messages as the lines of maildirsize add up to."""
    local, domain = user.split("@")
    with open(os.path.join(scratch, "mail", domain, local, "maildirsize")) as file:
        lines = [line.split() for line in file.read().splitlines()[1:]]
    return sum(int(a) for a, b in lines), sum(int(b) for a, b in lines)


def usage(imap):
    """Used KiB and limit in KiB by IMAP's QUOTA (RFC 2087)."""
    text = repr(imap.getquotaroot("INBOX"))
    match = re.search(r"STORAGE (\d+) (\d+)", text)
    assert match, text
    return int(match.group(1)), int(match.group(2))


def read():
    send(CONTENT, "alice@example.test")
    imap = login("alice@example.test")
    number = wait_for(imap, 1)[0]
    octets, flags = fetch(imap, number)
    assert octets.endswith(b"\r\n" + CONTENT), octets
    trace = octets[:len(octets) - len(CONTENT)]
    names = [line.split(b":")[0] for line in trace.split(b"\r\n") if line and line[:1] not in b" \t"]
    assert names == [b"Return-Path", b"Delivered-To", b"Received"], names
    assert b"\\Seen" not in flags, flags
    size = int(re.search(rb"RFC822.SIZE (\d+)", imap.fetch(number, "(RFC822.SIZE)")[1][0]).group(1))
    assert size == len(octets), (size, len(octets))
    imap.store(number, "+FLAGS", r"(\Seen \Flagged)")
    imap.logout()
    send(CONTENT, "alice@example.test")
    imap = login("alice@example.test")
    first, second = wait_for(imap, 2)
    assert b"\\Seen" in fetch(imap, first)[1] and b"\\Flagged" in fetch(imap, first)[1]
    assert b"\\Seen" not in fetch(imap, second)[1]
    imap.logout()


def idle():
    imap = login("alice@example.test")
    before = len(wait_for(imap, 2))
    imap.send(b"x1 IDLE\r\n")
    assert imap.readline().startswith(b"+")
    send(CONTENT, "alice@example.test")
    imap.sock.settimeout(40)
    line = imap.readline()
    while b"EXISTS" not in line:
        assert line, "the connection ended"
        line = imap.readline()
    assert line.startswith(b"* %d EXISTS" % (before + 1)), line
    imap.send(b"DONE\r\n")


def quota():
    for i in range(3):
        send(CONTENT + b"x" * (700 * i) + b"\r\n", "eve@small.example.test")
    imap = login("eve@small.example.test")
    wait_for(imap, 3)
    ours = sizes("eve@small.example.test")
    used, limit = usage(imap)
    assert limit == 1024, limit
    assert ours[1] == 3, ours
    assert used == ours[0] // 1024 or used == -(-ours[0] // 1024), (used, ours)
    # Without the file Dovecot counts the messages itself.
    os.remove(os.path.join(scratch, "mail/small.example.test/eve/maildirsize"))
    imap.logout()
    imap = login("eve@small.example.test")
    assert usage(imap)[1] == 1024
    theirs = sizes("eve@small.example.test")
    assert theirs == ours, (theirs, ours)
    imap.logout()


def full():
    """Four messages of 250 KiB fit beside those that are there, six do not; what was answered 250 waits, and comes when there is room."""
    user = "eve@small.example.test"
    big = CONTENT + (b"y" * 76 + b"\r\n") * 3300
    taken = 0
    for _ in range(6):
        try:
            send(big, user)
            taken += 1
        except smtplib.SMTPRecipientsRefused as error:
            assert error.recipients[user][0] in (452, 552), error
            break
    imap = login(user)
    wait_for_quiet(imap)
    numbers = imap.search(None, "ALL")[1][0].split()
    assert len(numbers) == 3 + 4, (numbers, taken)
    octets, count = sizes(user)
    assert octets <= 1024 * 1024 and count == len(numbers), (octets, count, numbers)
    imap.store(b",".join(numbers).decode(), "+FLAGS", r"(\Deleted)")
    imap.expunge()
    wait_for(imap, taken - 4)
    imap.logout()


def wait_for_quiet(imap):
    """Until the count of messages stood still for two seconds."""
    last, since = None, time.monotonic()
    while time.monotonic() - since < 2:
        imap.noop()
        now = imap.search(None, "ALL")[1][0]
        if now != last:
            last, since = now, time.monotonic()
        time.sleep(0.05)


def lmtp():
    refused = send(CONTENT, "carol@store.example.test", "dave@store.example.test")
    assert refused == {}, refused


def lmtp_one():
    assert send(CONTENT, "carol@store.example.test") == {}


def stored():
    imap = login("carol@store.example.test")
    octets, flags = fetch(imap, wait_for(imap, 1)[0])
    assert octets.endswith(b"\r\n" + CONTENT), octets
    trace = octets[:len(octets) - len(CONTENT)]
    assert trace.lower().count(b"return-path:") == 1, trace
    assert trace.startswith(b"Return-Path: <bob@elsewhere.example>"), trace
    assert b"by mx.example.test with UTF8SMTP id " in trace, trace
    imap.logout()


{"read": read, "idle": idle, "quota": quota, "full": full, "lmtp": lmtp, "lmtp-one": lmtp_one, "stored": stored}[step]()
