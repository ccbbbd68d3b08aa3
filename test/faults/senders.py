"""Many senders in one process, each a thread with a REQ socket of its own, that send as imagezmq does and keep a journal.

    senders.py --connect tcp://127.0.0.1:5555 --journal load.jsonl --images 8 --events 2 [--heartbeats 1] [--tests 1]
               [--size 45000] [--pause-ms 0] [--timeout-ms 5000] [--prefix Cam]
               [--keys cam.key_secret --server-key Z85]

They send until the end of standard input. Every request gets a line of the journal at once:
{"kind", "msg", "sha256", "reply", "ms", "at"}; `reply` is null where none came in time, `at` when that was known, in
seconds since 1970, and `ms` the time from the send to then. A socket that got no answer is closed and another takes its
place. No two payloads and no two texts are the same, as long as the prefixes of two processes are not. With `--keys`, a file
of zmq.auth, they have CURVE.
"""

import argparse
import hashlib
import json
import os
import random
import sys
import threading
import time

import zmq
import zmq.auth

parser = argparse.ArgumentParser()
parser.add_argument("--connect", required=True)
parser.add_argument("--journal", required=True)
for kind in ("images", "events", "heartbeats", "tests"):
    parser.add_argument("--" + kind, type=int, default=0)
parser.add_argument("--size", type=int, default=45000)
parser.add_argument("--pause-ms", type=float, default=0)
parser.add_argument("--timeout-ms", type=int, default=5000)
parser.add_argument("--prefix", default="Cam")
parser.add_argument("--keys", default="")
parser.add_argument("--server-key", default="")
options = parser.parse_args()

stop = threading.Event()
context = zmq.Context()
journal = open(options.journal, "a", encoding="utf-8")
lock = threading.Lock()
TINY = b"\xff\xd8\xff\xe0tiny\xff\xd9"


def connect():
    socket = context.socket(zmq.REQ)
    socket.setsockopt(zmq.LINGER, 0)
    # A socket whose connection was refused has nobody to send to: then a send waits too.
    socket.setsockopt(zmq.SNDTIMEO, options.timeout_ms)
    socket.setsockopt(zmq.RCVTIMEO, options.timeout_ms)
    if options.keys:
        socket.curve_publickey, socket.curve_secretkey = zmq.auth.load_certificate(options.keys)
        socket.curve_serverkey = options.server_key.encode("ascii")
    socket.connect(options.connect)
    return socket


def run(kind, index):
    node = f"{options.prefix}{kind[0].upper()}{index}"
    body = bytearray(b"\xff\xd8\xff\xe0" + os.urandom(options.size - 6) + b"\xff\xd9")
    socket = connect()
    # So that those that pause do not all send in the same moment.
    stop.wait(random.random() * options.pause_ms / 1000)
    number = 0
    while not stop.is_set():
        number += 1
        if kind == "image":
            body[8:16] = number.to_bytes(8, "big")
            msg, payload = f"{node}|jpg|{number}", bytes(body)
        elif kind == "event":
            msg, payload = f"{node}|Count|{number}|{time.time()}", TINY
        elif kind == "heartbeat":
            msg, payload = f"{node}|Heartbeat", TINY
        else:
            msg, payload = node, TINY
        entry = {"kind": kind, "msg": msg, "sha256": hashlib.sha256(payload).hexdigest()}
        before = time.perf_counter()
        try:
            socket.send_json({"msg": msg}, zmq.SNDMORE)
            socket.send(payload, copy=False)
            entry["reply"] = socket.recv().decode("utf-8", "replace")
        except zmq.Again:
            entry["reply"] = None
            socket.close()
            socket = connect()
        entry["ms"] = round((time.perf_counter() - before) * 1000, 3)
        entry["at"] = time.time()
        with lock:
            journal.write(json.dumps(entry) + "\n")
            journal.flush()
        if options.pause_ms:
            stop.wait(options.pause_ms / 1000)
    socket.close()


threads = [
    threading.Thread(target=run, args=(kind, index))
    for kind, number in (
        ("image", options.images),
        ("event", options.events),
        ("heartbeat", options.heartbeats),
        ("test", options.tests),
    )
    for index in range(number)
]
for thread in threads:
    thread.start()
sys.stdin.read()
stop.set()
for thread in threads:
    thread.join()
context.term()
