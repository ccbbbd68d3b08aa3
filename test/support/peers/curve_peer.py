"""A camera with CURVE, or without: one REQ socket that sends one request and prints the reply.

    curve_peer.py '{"endpoint": "tcp://127.0.0.1:5555", "text": "Barn|jpg|x", "size": 1000, "keys": "barn.key_secret",
                    "server_key": "<Z85>", "way": "plain"}'

Without `keys` the mechanism is NULL. `way` says when they are set: `plain`, on a socket of pyzmq before it connects; `late`, on that
of an ImageSender, which has connected already; `again`, on the same, which is disconnected before and connected again after it.
It waits for its reply for as long as it is let live.
"""

import json
import sys

import zmq
import zmq.auth
from image_sender import ImageSender

options = json.loads(sys.argv[1])
hub = options["endpoint"]
way = options["way"]
socket = zmq.Context().socket(zmq.REQ) if way == "plain" else ImageSender(connect_to=hub).zmq_socket
socket.setsockopt(zmq.LINGER, 0)
if way == "again":
    socket.disconnect(hub)
if "keys" in options:
    socket.curve_publickey, socket.curve_secretkey = zmq.auth.load_certificate(options["keys"])
    socket.curve_serverkey = options["server_key"].encode("ascii")
if way != "late":
    socket.connect(hub)
socket.send_json({"msg": options["text"]}, zmq.SNDMORE)
socket.send(b"\xff\xd8" + b"x" * (options["size"] - 4) + b"\xff\xd9")
print(socket.recv_multipart()[-1].decode("utf-8"), flush=True)
