"""Cameras as imagezmq makes them, with no time-outs, over a link that falls silent.

    link_senders.py ADDRESS BUSY IDLE

BUSY of them send all the time, IDLE once at the start and once more when a line `again` comes on standard input. Every reply is told as
a line `busy N` or `idle N` on standard output. They go on until standard input ends.
"""

import json
import os
import sys
import threading
import time

import zmq

address, busy, idle = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
context = zmq.Context()
again = threading.Event()
lock = threading.Lock()


def tell(line):
    with lock:
        print(line, flush=True)


def send(socket, node, number):
    payload = b"\xff\xd8\xff" + f"{node} {number}".encode().ljust(20_000) + b"\xff\xd9"
    socket.send_json({"msg": f"{node}|jpg|{number}"}, zmq.SNDMORE)
    socket.send(payload)
    socket.recv()


def run(kind, index):
    socket = context.socket(zmq.REQ)
    socket.connect(address)
    number = 0
    while True:
        send(socket, f"{kind} {index}", number)
        tell(f"{kind} {index}")
        number += 1
        if kind == "busy":
            time.sleep(0.05)
        else:
            again.wait()
            if number > 1:
                return


for kind, count in (("busy", busy), ("idle", idle)):
    for index in range(count):
        threading.Thread(target=run, args=(kind, index), daemon=True).start()
for line in sys.stdin:
    if line.strip() == "again":
        again.set()
os._exit(0)
