"""Many cameras in one thread, each with a REQ socket of its own, that send at a steady pace. Whoever gets no answer in
time closes its socket and goes on with a new one, as imagenode does.

    crowd.py ADDRESS FIRST COUNT RATE BYTES TIMEOUT_S

Each image is told apart by what stands in it: the number of its camera and its own. For each line of standard input
a line tells how many cameras were answered at least once, for the end of it what was answered when, as JSON:

    {"ok": [[camera, image, second, seconds waited], ...], "refused": [camera, ...], "lost": [camera, ...]}
"""

import heapq
import json
import os
import select
import sys
import time

import zmq

ADDRESS, FIRST, COUNT, RATE, BYTES, TIMEOUT_S = (word if n == 0 else float(word) for n, word in enumerate(sys.argv[1:]))
FILLER = os.urandom(int(BYTES) - 22)


class Camera:
    def __init__(self, number, context):
        self.number, self.context = number, context
        self.image = 0
        self.is_waiting = False
        self.connect()

    def connect(self):
        self.socket = self.context.socket(zmq.REQ)
        self.socket.linger = 0
        self.socket.connect(ADDRESS)

    def send(self):
        self.image += 1
        self.is_waiting = True
        self.sent_s = time.monotonic()
        self.socket.send_json({"msg": f"cam{self.number:05d}|jpg"}, zmq.SNDMORE)
        identity = f"{self.number:06d} {self.image:07d}".encode()
        self.socket.send(b"\xff\xd8\xff\xfe" + identity + FILLER + b"\xff\xd9")


def main():
    context = zmq.Context()
    cameras = [Camera(int(FIRST) + index, context) for index in range(int(COUNT))]
    poller = zmq.Poller()
    by_socket = {}

    def register(camera):
        poller.register(camera.socket, zmq.POLLIN)
        by_socket[camera.socket] = camera

    for camera in cameras:
        register(camera)
    begin_s = time.monotonic()
    due = [(begin_s + index / COUNT / RATE, index) for index in range(len(cameras))]
    heapq.heapify(due)
    ok, refused, lost = [], [], []
    answered = set()
    is_ending = False
    while not is_ending or any(camera.is_waiting for camera in cameras):
        now_s = time.monotonic()
        while not is_ending and due and due[0][0] <= now_s:
            due_s, index = heapq.heappop(due)
            heapq.heappush(due, (due_s + 1 / RATE, index))
            if not cameras[index].is_waiting:
                cameras[index].send()
        wait_s = 0.05 if is_ending else min(0.05, max(0, due[0][0] - now_s))
        for socket, _ in poller.poll(wait_s * 1000):
            camera = by_socket[socket]
            reply = socket.recv()
            camera.is_waiting = False
            waited_s = time.monotonic() - camera.sent_s
            if reply == b"OK":
                answered.add(camera.number)
                ok.append((camera.number, camera.image, round(time.time(), 3), round(waited_s, 6)))
            else:
                refused.append(camera.number)
        for camera in cameras:
            if camera.is_waiting and now_s - camera.sent_s > TIMEOUT_S:
                lost.append(camera.number)
                poller.unregister(camera.socket)
                del by_socket[camera.socket]
                camera.socket.close()
                camera.connect()
                camera.is_waiting = False
                register(camera)
        while not is_ending and select.select([sys.stdin], [], [], 0)[0]:
            if sys.stdin.readline() == "":
                is_ending = True
            else:
                print(len(answered), flush=True)
    print(json.dumps({"ok": ok, "refused": refused, "lost": lost}), flush=True)


main()
