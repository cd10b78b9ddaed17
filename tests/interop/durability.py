#!/usr/bin/env python3
"""durability.py - send one message, or judge what strace saw meanwhile.

usage: durability.py send PORT OCTETS        one message by DATA; its text holds DURABILITY-MARK
       durability.py judge TRACE log|body    whether the syncs that must precede `250 2.0.0 Accepted` do

The trace holds one completed call a line, `PID TIME call(...) = result`, with the paths of descriptors (strace -y). A call that was
interrupted by another thread's line counts where it ended (`resumed`), so "before" means: had returned before the write began.
"""
import re
import smtplib
import sys


def send(port, octets):
    line = b"DURABILITY-MARK " + b"x" * 60 + b"\r\n"
    content = b"Subject: durable DURABILITY-MARK\r\n\r\n" + line * (octets // len(line))
    with smtplib.SMTP("127.0.0.1", port) as smtp:
        assert smtp.sendmail("bob@elsewhere.example", ["alice@example.test"], content) == {}


def calls(path):
    """(begin, end, name, text) of each call; begin and end are places in the trace."""
    open_calls, done = {}, []
    with open(path, errors="replace") as file:
        for place, line in enumerate(file):
            match = re.match(r"(\d+) +[\d.]+ (.*)$", line)
            if not match:
                continue
            pid, text = match.groups()
            resumed = re.match(r"<\.\.\. (\w+) resumed>(.*)$", text)
            if resumed:
                begin, start = open_calls.pop((pid, resumed.group(1)), (place, ""))
                done.append((begin, place, resumed.group(1), start + resumed.group(2)))
            elif text.endswith("<unfinished ...>"):
                name = text.split("(")[0]
                open_calls[(pid, name)] = (place, text[:-len("<unfinished ...>")])
            elif "(" in text:
                done.append((place, place, text.split("(")[0], text))
    return sorted(done)


def judge(path, kind):
    trace = calls(path)
    replies = [c for c in trace if "250 2.0.0 Accepted" in c[3] and c[2] in ("write", "writev", "sendmsg", "sendto")]
    assert len(replies) == 1, f"{len(replies)} replies"
    reply = replies[0][0]

    def synced(what, after):
        """The end of the first sync of `what` that began after place `after`; it must have succeeded before the reply."""
        for begin, end, name, text in trace:
            if name in ("fsync", "fdatasync") and re.search(what, text) and begin > after and end < reply:
                assert re.search(r"= 0\b", text), text
                return end
        raise AssertionError(f"no sync of {what} between {after} and the reply at {reply}")

    def last_write(what):
        found = [c for c in trace if c[2].startswith(("pwrite", "write")) and re.search(what, c[3]) and c[0] < reply]
        assert found, f"nothing was written to {what}"
        return max(c[1] for c in found)

    # The write that holds the message shows its id in the Received field; the sync must be one of the same file.
    message_id = re.search(r"Accepted, id ([0-9A-Z]+)", replies[0][3]).group(1)
    holding = [c for c in trace if re.match(r"pwrite|write", c[2]) and re.search(r"seg-\d+>", c[3]) and f"id {message_id}" in c[3]]
    assert len(holding) == 1, f"{len(holding)} writes to the log hold the message"
    log_written = holding[0][1]
    log_synced = synced(re.escape(re.search(r"\d+<[^>]*seg-\d+>", holding[0][3]).group(0)), log_written)
    if kind == "body":
        body = r"\d+<[^>]*body/[^>]+>"
        body_synced = synced(body, last_write(body))
        directory_synced = synced(r"\d+<[^>]*/?body>", body_synced)
        assert directory_synced < log_written, "the log spoke of the body file before that was durable"
        print(f"body synced at {body_synced}, directory at {directory_synced}, log written at {log_written}", end=", ")
    print(f"log synced at {log_synced}, 250 at {reply}")


if sys.argv[1] == "send":
    send(int(sys.argv[2]), int(sys.argv[3]))
else:
    judge(sys.argv[2], sys.argv[3])
