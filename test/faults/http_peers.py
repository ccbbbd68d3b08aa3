"""Peers that mean no good to the HTTP listener of a hub, until the end of standard input.

    http_peers.py 127.0.0.1 8550 pipeline /healthz 2   requests as fast as they go, and no answer is read
    http_peers.py 127.0.0.1 8550 huge /healthz 8       a request whose headers never end, as fast as it goes
    http_peers.py 127.0.0.1 8550 slow /healthz 200     a request at one byte a second
    http_peers.py 127.0.0.1 8550 deaf /api/status 200  one request whose answer is not read
    http_peers.py 127.0.0.1 8550 silent / 200          connections that never say anything
    http_peers.py 127.0.0.1 8550 crowd /healthz 10000  connections at once, each with a request, as soon as the hub takes it

It prints "ready" when all have connected once. Those that the hub closes connect again at once, or after a second where they are slow.
"""

import resource
import selectors
import socket
import sys
import threading
import time

host, port, kind, path, count = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4], int(sys.argv[5])
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

BEGIN = b"GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n" % path.encode()
connected = threading.Semaphore(0)


def connect():
    connection = socket.socket()
    if kind in ("pipeline", "deaf"):
        # What is not read is to wait in the hub, and not here.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect((host, port))
    return connection


def harm(connection):
    if kind == "pipeline":
        bulk = (BEGIN + b"\r\n") * 1000
        while True:
            connection.sendall(bulk)
    connection.sendall(BEGIN if kind != "silent" else b"")
    if kind == "huge":
        while True:
            connection.sendall(b"X-More: " + b"a" * 60_000 + b"\r\n")
    if kind == "slow":
        connection.sendall(b"X-More: ")
        while True:
            connection.sendall(b"a")
            time.sleep(1)
    if kind == "deaf":
        connection.sendall(b"\r\n")
        # Only an error tells of the end, as nothing is read.
        while connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
            time.sleep(0.2)
    while kind == "silent" and connection.recv(4096):
        pass


def peer():
    first = True
    while True:
        try:
            with connect() as connection:
                if first:
                    connected.release()
                    first = False
                harm(connection)
        except OSError:
            pass
        if kind not in ("pipeline", "huge"):
            time.sleep(1)


def crowd():
    everyone = selectors.DefaultSelector()
    for _ in range(count):
        connection = socket.socket()
        connection.setblocking(False)
        connection.connect_ex((host, port))
        everyone.register(connection, selectors.EVENT_WRITE)
    print("ready", flush=True)
    while True:
        for key, _ in everyone.select(1):
            # What is answered is not read.
            everyone.unregister(key.fileobj)
            try:
                key.fileobj.send(BEGIN + b"\r\n")
            except OSError:
                key.fileobj.close()


if kind == "crowd":
    threading.Thread(target=crowd, daemon=True).start()
    sys.stdin.read()
    sys.exit()

for _ in range(count):
    threading.Thread(target=peer, daemon=True).start()
for _ in range(count):
    connected.acquire()
print("ready", flush=True)
sys.stdin.read()
