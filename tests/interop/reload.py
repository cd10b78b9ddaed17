#!/usr/bin/env python3
"""reload.py - one SMTP session: lines of standard input go to the server with CRLF, what it says goes to standard output.

usage: reload.py PORT. Ends when the server closes the connection, or 2 s after standard input has ended.
"""
import socket
import sys
import threading

connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])))


def hear():
    while True:
        octets = connection.recv(4096)
        if not octets:
            return
        sys.stdout.write(octets.decode("latin-1").replace("\r\n", "\n"))
        sys.stdout.flush()


listener = threading.Thread(target=hear, daemon=True)
listener.start()
for line in sys.stdin:
    connection.sendall(line.rstrip("\n").encode() + b"\r\n")
listener.join(2)
