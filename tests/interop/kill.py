#!/usr/bin/env python3
"""kill.py - load that remembers what was answered 250, and the reckoning afterwards.

usage: kill.py load PORT FILE STOP-FILE      eight sessions send numbered messages until STOP-FILE is there; FILE gets a number a line,
                                             written only after its 250 was read
       kill.py check FILE MAILDIR CRASHES    every number has a file with its whole content; copies beyond one are at most CRASHES each
"""
import itertools
import os
import re
import socket
import sys
import threading
import time


def content(number):
    """Every fiftieth is above 1 MiB, where the spool keeps a file of its own."""
    lines = 45000 if number % 50 == 0 else 30
    return b"Subject: message %d\r\n\r\n" % number + b"".join(b"%d line %d of the body\r\n" % (number, i) for i in range(lines))


def session(port, numbers, answered, stop):
    """One connection until it breaks or the load ends."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        replies = connection.makefile("rb")

        def reply(code):
            while True:
                line = replies.readline()
                if not line.startswith(code):
                    raise OSError(line)
                if line[3:4] != b"-":
                    return

        reply(b"220")
        connection.sendall(b"EHLO client.example.org\r\n")
        reply(b"250")
        for _ in range(100):
            if os.path.exists(stop):
                return
            number = next(numbers)
            connection.sendall(b"MAIL FROM:<s@load.example>\r\nRCPT TO:<box@example.test>\r\nDATA\r\n")
            reply(b"250")
            reply(b"250")
            reply(b"354")
            connection.sendall(content(number) + b".\r\n")
            reply(b"250")
            answered(number)
            time.sleep(0.01)


def load(port, path, stop):
    numbers, lock = itertools.count(1), threading.Lock()
    with open(path, "w", buffering=1) as file:
        def answered(number):
            with lock:
                file.write(f"{number}\n")

        def worker():
            while not os.path.exists(stop):
                try:
                    session(port, numbers, answered, stop)
                except OSError:
                    time.sleep(0.05)

        workers = [threading.Thread(target=worker) for _ in range(8)]
        for w in workers:
            w.start()
        for w in workers:
            w.join()


def check(path, maildir, crashes):
    with open(path) as file:
        answered = {int(line) for line in file}
    copies = {}
    for folder in ("new", "cur"):
        for entry in os.scandir(os.path.join(maildir, folder)):
            with open(entry.path, "rb") as file:
                octets = file.read()
            match = re.search(rb"\nSubject: message (\d+)\n", octets)
            assert match, (entry.path, octets[:300])
            number = int(match.group(1))
            assert octets.endswith(b"\n" + content(number).replace(b"\r\n", b"\n")), entry.path
            copies[number] = copies.get(number, 0) + 1
    lost = sorted(answered - copies.keys())
    doubled = {n: c for n, c in copies.items() if c > 1}
    print(f"{len(answered)} answered, {len(copies)} delivered, {len(copies.keys() - answered)} of them without an answer that arrived, "
          f"{len(doubled)} with a second copy")
    assert not lost, f"{len(lost)} lost: {lost[:20]}"
    assert all(c <= 1 + crashes for c in copies.values()), doubled


if sys.argv[1] == "load":
    load(int(sys.argv[2]), sys.argv[3], sys.argv[4])
else:
    check(sys.argv[2], sys.argv[3], int(sys.argv[4]))
