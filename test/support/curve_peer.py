"""A camera with CURVE, or without: one REQ socket of pyzmq that sends one request and prints the reply.

    curve_peer.py '{"endpoint": "tcp://127.0.0.1:5555", "text": "Barn|jpg|x", "size": 1000, "keys": "barn.key_secret",
                    "server_key": "<Z85>"}'

Without `keys` the mechanism is NULL. It waits for its reply for as long as it is let live.
"""

import json
import sys

import zmq
import zmq.auth

options = json.loads(sys.argv[1])
socket = zmq.Context().socket(zmq.REQ)
socket.setsockopt(zmq.LINGER, 0)
if "keys" in options:
    socket.curve_publickey, socket.curve_secretkey = zmq.auth.load_certificate(options["keys"])
    socket.curve_serverkey = options["server_key"].encode("ascii")
socket.connect(options["endpoint"])
socket.send_json({"msg": options["text"]}, zmq.SNDMORE)
socket.send(b"\xff\xd8" + b"x" * (options["size"] - 4) + b"\xff\xd9")
print(socket.recv_multipart()[-1].decode("utf-8"), flush=True)
