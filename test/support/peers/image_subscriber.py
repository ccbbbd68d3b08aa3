"""Subscribers as imagezmq's ImageHub(open_port=…, REQ_REP=False) makes them: SUB sockets that connect, and whose recv_jpg takes a
frame of JSON and one of the image.

    image_subscriber.py '{"endpoint": "tcp://127.0.0.1:5556", "count": 10, "topic": null, "keys": null, "server_key": null}'

With a topic, a frame with the camera's name comes first. Each line of its output is a message: the subscriber's number, the topic,
the text and the SHA-256 of the image. It ends when standard input does.
"""

import hashlib
import json
import sys
import threading

import zmq
import zmq.auth

options = json.loads(sys.argv[1])
topic = options.get("topic")
context = zmq.Context()
poller = zmq.Poller()
numbers = {}
for number in range(options["count"]):
    socket = context.socket(zmq.SUB)
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt_string(zmq.SUBSCRIBE, topic or "")
    if options.get("keys"):
        socket.curve_publickey, socket.curve_secretkey = zmq.auth.load_certificate(options["keys"])
        socket.curve_serverkey = options["server_key"].encode("ascii")
    socket.connect(options["endpoint"])
    poller.register(socket, zmq.POLLIN)
    numbers[socket] = number

ended = threading.Event()


def wait():
    sys.stdin.read()
    ended.set()


threading.Thread(target=wait, daemon=True).start()
print(json.dumps("connects"), flush=True)
while not ended.is_set():
    for socket, _ in poller.poll(100):
        name = socket.recv_string() if topic is not None else None
        text = socket.recv_json()["msg"]
        image = socket.recv()
        print(json.dumps([numbers[socket], name, text, hashlib.sha256(image).hexdigest()]), flush=True)
