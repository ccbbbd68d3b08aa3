"""Peers that mean no good: they connect to a hub and keep it busy until the end of standard input.

    peers.py 127.0.0.1 5555 silent 5000      connections that never say anything
    peers.py 127.0.0.1 5555 drip 500         connections that send a greeting at one byte a second, and then a frame so
    peers.py 127.0.0.1 5555 idle 2500        connections that greet as ZeroMQ does, and then say nothing
    peers.py 127.0.0.1 5555 images 1         a peer that sends images of 2 kB as fast as it can, and reads no reply
    peers.py 127.0.0.1 5555 flood 1          a peer that sends messages of 1 MiB as fast as it can, and reads no reply
    peers.py 127.0.0.1 5555 burst 20         20 peers that write small events, prepared in bulk, and read no reply

It prints "ready" when all have connected once. Those that the hub closes connect again after four seconds.
"""

import asyncio
import resource
import sys
import threading

host, port, kind, count = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00NULL" + bytes(16) + bytes(1) + bytes(31)



def frame(flags, body):
    return bytes([flags, len(body)]) + body


READY = frame(4, b"\x05READY\x0bSocket-Type" + bytes([0, 0, 0, 6]) + b"DEALER\x08Identity" + bytes(4))


async def peer(connected):
    first = True
    while True:
        try:
            reader, writer = await asyncio.open_connection(host, port)
        except OSError:
            await asyncio.sleep(1)
            continue
        if first:
            connected.release()
            first = False
        try:
            if kind == "drip":
                for byte in GREETING + b"\x04\x19\x05READY":
                    writer.write(bytes([byte]))
                    await writer.drain()
                    await asyncio.sleep(1)
            if kind == "idle":
                writer.write(GREETING + READY)
            while await reader.read(4096):
                pass
        except OSError:
            pass
        writer.close()
        await asyncio.sleep(4)


async def crowd():
    connected = asyncio.Semaphore(0)
    peers = [asyncio.create_task(peer(connected)) for _ in range(count)]
    for _ in range(count):
        await connected.acquire()
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    for task in peers:
        task.cancel()


def flood():
    import zmq

    context = zmq.Context()
    ends = threading.Event()

    def one(index):
        socket = context.socket(zmq.DEALER)
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.SNDTIMEO, 200)
        socket.connect(f"tcp://{host}:{port}")
        kept = kind == "images"
        body = bytes(2000 if kept else 2**20)
        head = b'{"msg": "Flood%d|%s|"}' % (index, b"jpg" if kept else b"Heartbeat")
        while not ends.is_set():
            try:
                socket.send_multipart([b"", head, body], copy=False)
            except zmq.Again:
                pass
        socket.close()

    threads = [threading.Thread(target=one, args=(index,)) for index in range(count)]
    for thread in threads:
        thread.start()
    print("ready", flush=True)
    sys.stdin.read()
    ends.set()
    for thread in threads:
        thread.join()
    context.term()


def burst():
    import socket

    message = frame(1, b"") + frame(1, b'{"msg": "Flood|Temp|1"}') + frame(0, b"x")
    bulk = message * (65536 // len(message))
    connected = threading.Semaphore(0)

    def one():
        first = True
        while True:
            try:
                with socket.create_connection((host, port)) as connection:
                    connection.sendall(GREETING + READY)
                    while True:
                        connection.sendall(bulk)
                        if first:
                            connected.release()
                            first = False
            except OSError:
                pass

    for _ in range(count):
        threading.Thread(target=one, daemon=True).start()
    for _ in range(count):
        connected.acquire()
    print("ready", flush=True)
    sys.stdin.read()


if kind in ("flood", "images"):
    flood()
elif kind == "burst":
    burst()
else:
    asyncio.run(crowd())
