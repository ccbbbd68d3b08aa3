"""A camera that publishes: imagezmq's ImageSender with REQ_REP=False, which binds a PUB socket.

    image_publisher.py PORT COUNT [KEYS.key_secret]

Says `bound`, waits for a line on standard input, then sends COUNT JPEGs (`Pub|jpg|N`), a raw array (`Pub Raw|image|1`), an event and
a heartbeat, says `sent`, and stays until standard input ends. With keys it is a CURVE server that lets everybody in.
"""

import json
import sys

import numpy
import zmq
import zmq.auth

port, count = int(sys.argv[1]), int(sys.argv[2])
context = zmq.Context()
socket = context.socket(zmq.PUB)
socket.setsockopt(zmq.LINGER, 0)
socket.setsockopt(zmq.SNDHWM, 0)
if len(sys.argv) > 3:
    socket.curve_publickey, socket.curve_secretkey = zmq.auth.load_certificate(sys.argv[3])
    socket.curve_server = True
socket.bind(f"tcp://127.0.0.1:{port}")
print("bound", flush=True)
sys.stdin.readline()


def send(header, payload):
    socket.send_json(header, zmq.SNDMORE)
    socket.send(payload)


for number in range(count):
    send({"msg": f"Pub|jpg|{number}"}, b"\xff\xd8" + str(number).encode().ljust(20_000) + b"\xff\xd9")
array = numpy.zeros((48, 64, 3), numpy.uint8)
send({"msg": "Pub Raw|image|1", "dtype": str(array.dtype), "shape": array.shape}, array)
send({"msg": "Pub|Temp|76 F"}, b"x")
send({"msg": "Pub|Heartbeat"}, b"x")
print("sent", flush=True)
sys.stdin.read()
