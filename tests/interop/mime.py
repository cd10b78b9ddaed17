#!/usr/bin/env python3
"""mime.py - send every message of a folder of MIME samples and compare what was delivered.

usage: mime.py PORT NUL-PORT MAIL-DIRECTORY FOLDER...   (files *.msg and *.eml below each FOLDER)

Each message is sent with CRLF line ends and a final one, once by DATA and once by BDAT in chunks that cut it anywhere. PORT is a
listener with the usual policy; NUL-PORT one that takes NUL in a body. What a file must hold afterwards is computed here, from the
sample alone: Return-Path, Delivered-To and Received in front, the sample with LF line ends, less its Return-Path fields (RFC 5321 §4.4).
A sample whose first line is no header field has an empty line between the trace fields and itself, or it would continue them.
Samples that policy refuses are named and must be refused with the reply of the reason: bare CR 550 5.6.0, NUL 554 5.6.0.
Prints `sent WAY FOLDER N`, `refused REASON N` and a line a difference; fails when there is one, or when nothing was sent.
"""
import os
import random
import re
import socket
import sys
import time


class Session:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.input = self.socket.makefile("rb")
        self.want(b"220")
        self.command(b"EHLO client.example.org", b"250")

    def reply(self):
        lines = []
        while True:
            line = self.input.readline()
            if not line:
                raise SystemExit("the server closed the connection")
            lines.append(line.rstrip(b"\r\n"))
            if line[3:4] != b"-":
                return b"\n".join(lines)

    def want(self, code):
        reply = self.reply()
        if not reply.startswith(code):
            raise SystemExit(f"wanted {code!r}, got {reply!r}")
        return reply

    def command(self, line, code):
        self.socket.sendall(line + b"\r\n")
        return self.want(code)

    def mail(self, content, recipient):
        header = content.split(b"\r\n\r\n")[0]
        parameters = b""
        if any(byte > 127 for byte in content):
            parameters += b" BODY=8BITMIME"
        if any(byte > 127 for byte in header):
            parameters += b" SMTPUTF8"
        self.command(b"MAIL FROM:<sender@elsewhere.example>" + parameters, b"250")
        self.command(b"RCPT TO:<" + recipient + b">", b"250")

    def by_data(self, content, recipient):
        self.mail(content, recipient)
        self.command(b"DATA", b"354")
        stuffed = re.sub(rb"(^|\r\n)\.", rb"\1..", content)
        self.socket.sendall(stuffed + b".\r\n")
        return self.reply()

    def by_bdat(self, content, recipient):
        """Chunks may be cut between any two octets; a refused one is followed by RSET (RFC 3030)."""
        self.mail(content, recipient)
        at = 0
        while True:
            size = chunk_size()
            chunk, last = content[at:at + size], at + size >= len(content)
            self.socket.sendall(b"BDAT %d%s\r\n" % (len(chunk), b" LAST" if last else b"") + chunk)
            reply = self.reply()
            at += size
            if last or not reply.startswith(b"250"):
                if not last:
                    self.command(b"RSET", b"250")
                return reply


randomness = random.Random(3030)


def chunk_size():
    return randomness.choice([1, 2, 3, 70, 1000, 4096, 65536, 1 << 20])


def on_the_wire(sample):
    content = re.sub(rb"\r?\n", b"\r\n", sample)
    return content if content.endswith(b"\r\n") else content + b"\r\n"


def refusal(content):
    """The reply with which the policy refuses it, and a name for that; None when it is fine."""
    header, separator, body = content.partition(b"\r\n\r\n")
    if b"\0" in header:
        return b"554 5.6.0", "NUL in the header"
    if re.search(rb"\r(?!\n)", content):
        return b"550 5.6.0", "bare CR"
    if b"\0" in body:
        return b"554 5.6.0", "NUL in the body"
    return None


def without_return_path(content):
    header, separator, body = content.partition(b"\r\n\r\n")
    if content.startswith(b"\r\n"):
        return content
    fields = re.split(rb"\r\n(?![ \t])", header)
    kept = [f for f in fields if not re.match(rb"return-path[ \t]*:", f, re.I)]
    return b"\r\n".join(kept) + separator + body


def expected(content, recipient):
    trace = re.compile(
        rb"Return-Path: <sender@elsewhere\.example>\nDelivered-To: " + re.escape(recipient) +
        rb"\nReceived: from client\.example\.org \(unknown \[127\.0\.0\.1\]\)\n\tby mx\.example\.test with (UTF8SMTP|ESMTP)"
        rb" id [0-9A-Z]+;\n\t[A-Z][a-z]{2}, \d\d? [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d [+-]\d{4}\n")
    is_bare_text = not re.match(rb"[!-9;-~]+[ \t]*:|>?From |\r\n", content)
    return trace, (b"\n" if is_bare_text else b"") + without_return_path(content).replace(b"\r\n", b"\n")


def delivered(directory, count):
    """id -> octets of the file, once there are `count` of them or nothing more comes."""
    found = {}
    for _ in range(600):
        for folder in ("new", "cur"):
            for entry in os.scandir(os.path.join(directory, folder)):
                if entry.path not in found:
                    with open(entry.path, "rb") as file:
                        found[entry.path] = file.read()
        if len(found) >= count:
            break
        time.sleep(0.1)
    by_id = {}
    for octets in found.values():
        match = re.search(rb" id ([0-9A-Z]+);", octets)
        by_id.setdefault(match and match.group(1), []).append(octets)
    return by_id


def main():
    port, nul_port, mailbox = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    session, nul_session = Session(port), Session(nul_port)
    sent, counts, refused, wrong = {}, {}, {}, []
    for folder in sys.argv[4:]:
        name = os.path.basename(folder.rstrip("/"))
        samples = [os.path.join(at, f) for at, _, files in os.walk(folder) for f in files if f.endswith((".msg", ".eml"))]
        for number, path in enumerate(sorted(samples)):
            with open(path, "rb") as file:
                content = on_the_wire(file.read())
            for way in ("DATA", "BDAT"):
                recipient = b"box+%s-%d@example.test" % (way.lower().encode(), number)
                send = Session.by_data if way == "DATA" else Session.by_bdat
                reply = send(session, content, recipient)
                reason = refusal(content)
                if reason:
                    if reply.startswith(reason[0]):
                        refused.setdefault(reason[1], []).append(path)
                    else:
                        wrong.append(f"{path} {way}: {reason[1]} was answered {reply!r}")
                    if reason[1] != "NUL in the body":
                        continue
                    reply = send(nul_session, content, recipient)
                match = re.match(rb"250 2\.0\.0 Accepted, id ([0-9A-Z]+)$", reply)
                if not match:
                    wrong.append(f"{path} {way}: {reply!r}")
                    continue
                sent[match.group(1)] = (path, way, content, recipient)
                counts[(way, name)] = counts.get((way, name), 0) + 1
    files = delivered(mailbox, len(sent))
    for message_id, (path, way, content, recipient) in sent.items():
        copies = files.pop(message_id, [])
        if len(copies) != 1:
            wrong.append(f"{path} {way}: {len(copies)} files")
            continue
        trace, rest = expected(content, recipient)
        match = trace.match(copies[0])
        if not match:
            wrong.append(f"{path} {way}: trace fields {copies[0][:300]!r}")
        elif copies[0][match.end():] != rest:
            got = copies[0][match.end():]
            at = next((i for i, (a, b) in enumerate(zip(got, rest)) if a != b), min(len(got), len(rest)))
            wrong.append(f"{path} {way}: octet {at}: {got[at - 20:at + 60]!r} instead of {rest[at - 20:at + 60]!r}")
    for key in files:
        wrong.append(f"nobody sent {key!r}")
    for (way, name), count in sorted(counts.items()):
        print(f"sent {way} {name} {count}")
    for name, paths in sorted(refused.items()):
        print(f"refused {name} {len(paths)}: " + " ".join(sorted({os.path.basename(p) for p in paths})))
    print("\n".join(wrong))
    sys.exit(1 if wrong or not sent else 0)


main()
