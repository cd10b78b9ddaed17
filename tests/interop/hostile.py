#!/usr/bin/env python3
"""hostile.py - one kind of bad client over a real socket. usage: hostile.py PORT KIND [ARGUMENT]; see the table at the end."""
import os
import re
import socket
import struct
import sys
import time

port, kind, argument = int(sys.argv[1]), sys.argv[2], (sys.argv[3:] or [""])[0]


class Client:
    def __init__(self, greeted=True, timeout=30):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.input = self.socket.makefile("rb")
        if greeted:
            self.want(b"220")

    def send(self, octets):
        self.socket.sendall(octets)

    def reply(self):
        while True:
            line = self.input.readline()
            if not line or line[3:4] != b"-":
                return line.rstrip(b"\r\n")

    def want(self, code):
        reply = self.reply()
        assert reply.startswith(code), (code, reply)
        return reply

    def say(self, command, code):
        self.send(command + b"\r\n")
        return self.want(code)

    def envelope(self, recipient=b"alice@example.test"):
        self.say(b"EHLO client.example.org", b"250")
        self.say(b"MAIL FROM:<bob@example.test>", b"250")
        self.say(b"RCPT TO:<" + recipient + b">", b"250")

    def want_end(self):
        """The server has closed; octets of ours it did not read may make that a reset."""
        try:
            assert self.input.read() == b""
        except ConnectionResetError:
            pass

    def vanish(self):
        """Close with a reset, as a machine does that lost its power and came back."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.input.close()
        self.socket.close()


def foreign(octets):
    """Another protocol: one reply, then the end; never an answer to each of its lines."""
    client = Client()
    client.send(octets)
    client.want(b"421 4.7.0")
    client.want_end()


def http():
    foreign(b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 90\r\n\r\nEHLO a\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<alice@example.test>\r\n")
    foreign(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")


def tls():
    body = os.urandom(32)
    hello = b"\x01\x00\x00\x2b\x03\x03" + body + b"\x00\x00\x02\x13\x01\x01\x00\x00\x00"
    foreign(b"\x16\x03\x01" + struct.pack(">H", len(hello)) + hello)


def ssh():
    foreign(b"SSH-2.0-OpenSSH_9.2\r\n")


def binary():
    """64 KiB of noise in lines: an error each up to the limit of 20, one past it, and 421."""
    client = Client()
    noise = b"".join(os.urandom(60).replace(b"\n", b"x").replace(b"\r", b"y").replace(b"\x16", b"z") + b"\r\n" for _ in range(1000))
    try:
        client.send(b"Q" + noise)
    except (ConnectionResetError, BrokenPipeError):
        pass
    replies = []
    try:
        while line := client.reply():
            replies.append(line)
    except ConnectionResetError:
        pass
    assert 1 <= len(replies) <= 22, len(replies)
    assert all(r[:1] in b"45" for r in replies), replies
    assert replies[-1].startswith(b"421"), replies[-1]


def nul_command():
    client = Client()
    client.say(b"EHLO client.example.org", b"250")
    client.say(b"MAIL FROM:<a\0@b.example>", b"501")
    client.say(b"\0\0\0\0", b"501")
    client.say(b"NOOP", b"250")


def in_data(message, code):
    """The message is refused after its real end, and the session goes on."""
    client = Client()
    client.envelope()
    client.say(b"DATA", b"354")
    client.send(message + b"\r\n.\r\n")
    client.want(code)
    client.say(b"NOOP", b"250")


def nul_in_data():
    in_data(b"Subject: \0\r\n\r\ntext", b"554 5.6.0")
    in_data(b"Subject: x\r\n\r\nte\0xt", b"554 5.6.0")


def long_command():
    """A command line past the limit: 500 at its end, and the session goes on. Of 1 MiB no more is read than the budget allows."""
    client = Client()
    client.send(b"MAIL FROM:<" + b"a" * (32 << 10) + b"@b.example>\r\n")
    client.want(b"500 5.5.2")
    client.say(b"NOOP", b"250")
    try:
        client.send(b"MAIL FROM:<" + b"a" * (1 << 20) + b"@b.example>\r\n")
        assert client.reply()[:4] in (b"500 ", b"421 ")
    except (ConnectionResetError, BrokenPipeError):
        pass  # our octets were on their way when it closed


def long_line():
    in_data(b"Subject: x\r\n\r\n" + b"y" * (1 << 20), b"554 5.6.0")


def eight_bit():
    client = Client()
    client.say(b"EHLO client.example.org", b"250")
    client.say(b"NOOP \xff\xfe", b"501")
    client.say(b"MAIL FROM:<\xc3\xa9@b.example>", b"550 5.6.7")
    client.say(b"MAIL FROM:<\xff@b.example> SMTPUTF8", b"501 5.1.7")


def bare_lf():
    """The second message of a smuggler is text of the first, which is refused as a whole."""
    for end in (b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n.\n", b"\r\n.\r"):
        in_data(b"Subject: x\r\n\r\ntext" + end + b"MAIL FROM:<evil@b.example>\r\nRCPT TO:<alice@example.test>\r\nDATA\r\nSubject: smuggled\r\n",
                b"550 5.6.0")


def flood():
    """A client that sends and never reads is not buffered without bound; it is held up, or let go."""
    client = Client(timeout=3)
    line = b"NOOP " + b"x" * 100 + b"\r\n"
    sent = 0
    try:
        while sent < 64 << 20:
            sent += client.socket.send(line * 500)
    except (TimeoutError, ConnectionResetError, BrokenPipeError):
        pass
    assert sent < 64 << 20, "64 MiB of commands were taken from a client that reads no reply"
    client.vanish()


def split():
    client = Client()
    dialogue = [(b"EHLO client.example.org\r\n", b"250"), (b"MAIL FROM:<bob@example.test> SIZE=100\r\n", b"250"),
                (b"RCPT TO:<alice@example.test>\r\n", b"250"), (b"DATA\r\n", b"354"),
                (b"Subject: split\r\n\r\n..dot\r\n.\r\n", b"250 2.0.0")]
    client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for octets, code in dialogue:
        for i in range(len(octets)):
            client.send(octets[i:i + 1])
            time.sleep(0.001)
        client.want(code)


def drip():
    client = Client()
    client.envelope()
    client.say(b"DATA", b"354")
    for octet in b"Subject: drip\r\n\r\nslowly\r\n.\r\n":
        client.send(bytes([octet]))
        time.sleep(0.1)
    client.want(b"250 2.0.0")


def vanish():
    for _ in range(5 if argument != "dot" else 1):
        client = Client(greeted=argument != "connect")
        if argument == "ehlo":
            client.say(b"EHLO client.example.org", b"250")
        elif argument == "mail":
            client.say(b"EHLO client.example.org", b"250")
            client.say(b"MAIL FROM:<bob@example.test>", b"250")
        elif argument == "rcpt":
            client.envelope()
        elif argument in ("data", "body", "dot"):
            client.envelope()
            client.say(b"DATA", b"354")
            if argument == "body":
                client.send(b"Subject: vanished\r\n\r\n" + b"half a message\r\n" * 20000)
            if argument == "dot":  # without waiting for the reply; closed in order, so that the dot arrives
                client.send(b"Subject: vanished after the dot\r\n\r\ntext\r\n.\r\n")
                client.socket.close()
                client.input.close()
                continue
        elif argument == "bdat":
            client.envelope()
            client.send(b"BDAT 100000\r\n" + b"x" * 50000)
        elif argument == "quit":
            client.send(b"QUIT\r\n")
        client.vanish()


def pss_kib(pid):
    with open(f"/proc/{pid}/smaps_rollup") as file:
        return int(re.search(r"^Pss: +(\d+) kB", file.read(), re.M).group(1))


def crowd():
    pid = int(argument)
    before = pss_kib(pid)
    crowd_ = [Client(timeout=60) for _ in range(1000)]
    for client in crowd_[:500]:  # half of them say hello and then nothing
        client.say(b"EHLO client.example.org", b"250")
    each = (pss_kib(pid) - before) / len(crowd_)
    print(f"idle sessions take {each:.1f} KiB each")
    began = time.monotonic()
    client = Client()
    client.envelope()
    client.say(b"DATA", b"354")
    client.send(b"Subject: through the crowd\r\n\r\ntext\r\n.\r\n")
    client.want(b"250 2.0.0")
    print(f"a message among them took {1000 * (time.monotonic() - began):.0f} ms")
    assert time.monotonic() - began < 5
    assert each < 32, each
    for client in crowd_:
        client.socket.close()
        client.input.close()


def idle():
    client = Client(timeout=60)
    began = time.monotonic()
    client.want(b"421 4.4.2")
    client.want_end()
    assert 15 < time.monotonic() - began < 40, time.monotonic() - began


{"http": http, "tls": tls, "ssh": ssh, "binary": binary, "nul-command": nul_command, "nul-in-data": nul_in_data,
 "long-command": long_command, "long-line": long_line, "eight-bit": eight_bit, "bare-lf": bare_lf, "flood": flood, "split": split,
 "drip": drip, "vanish": vanish, "crowd": crowd, "idle": idle}[kind]()
