"""Cameras that send as imagezmq does, each with a ZeroMQ context and a REQ socket of its own, and as imagenode does:
whoever gets no answer in time closes its socket, and sends again from a new one.

    cameras.py ADDRESS PREFIX COUNT

They send small JPEGs until the end of standard input, and then wait for their last answers. For each line of standard
input, and at the end, a line tells of each camera what was answered OK, what was answered otherwise, and what was not
answered in time: {"ok": [...], "refused": [...], "lost": [...]}.
"""

import json
import sys
import threading
import time

import zmq

TIMEOUT_MS = 6000
PAUSE_S = 0.05
JPEG = b"\xff\xd8\xff\xe0" + bytes(2000) + b"\xff\xd9"


class Camera(threading.Thread):
    ending = False

    def __init__(self, address, name):
        super().__init__(daemon=True)
        self.address, self.name_sent = address, name
        self.context = zmq.Context()
        self.ok = self.refused = self.lost = 0

    def connect(self):
        socket = self.context.socket(zmq.REQ)
        socket.linger = 0
        socket.connect(self.address)
        return socket

    def run(self):
        socket = self.connect()
        while not self.ending:
            socket.send_json({"msg": f"{self.name_sent}|jpg"}, zmq.SNDMORE)
            socket.send(JPEG)
            if socket.poll(TIMEOUT_MS):
                if socket.recv() == b"OK":
                    self.ok += 1
                else:
                    self.refused += 1
            else:
                self.lost += 1
                socket.close()
                socket = self.connect()
            time.sleep(PAUSE_S)
        socket.close()


def tell(cameras):
    totals = {name: [getattr(each, name) for each in cameras] for name in ("ok", "refused", "lost")}
    print(json.dumps(totals), flush=True)


def main():
    address, prefix, count = sys.argv[1:]
    cameras = [Camera(address, f"{prefix}{number}") for number in range(int(count))]
    for each in cameras:
        each.start()
    for _ in sys.stdin:
        tell(cameras)
    Camera.ending = True
    for each in cameras:
        each.join()
    tell(cameras)


main()
