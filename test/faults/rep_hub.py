"""What the Python hub is to the network: a REP socket of libzmq that answers each request with OK.

    rep_hub.py ADDRESS
"""

import sys

import zmq

socket = zmq.Context().socket(zmq.REP)
socket.bind(sys.argv[1])
print("bound", flush=True)
while True:
    socket.recv_multipart()
    socket.send(b"OK")
