"""libzmq's own proxy between senders and a hub, as a machine between two networks runs it.

    zmq_proxy.py tcp://127.0.0.1:5600 tcp://127.0.0.1:5555

Senders connect to the first address, the hub is at the second. It prints "ready" when it takes connections.
"""

import sys

import zmq

context = zmq.Context()
frontend = context.socket(zmq.ROUTER)
frontend.bind(sys.argv[1])
backend = context.socket(zmq.DEALER)
backend.connect(sys.argv[2])
print("ready", flush=True)
zmq.proxy(frontend, backend)
