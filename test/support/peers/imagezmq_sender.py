"""A sender that puts on the wire what imagezmq 1.1 puts there, driven by a test.

imagezmq's ImageSender in REQ/REP mode is a zmq.REQ socket; send_image_reqrep() makes the array contiguous, then does
send_json({"msg", "dtype", "shape"}, SNDMORE), send(array, copy=False) and recv(); send_jpg_reqrep() does the same with
send_json({"msg"}, SNDMORE) and the bytes of the JPEG. This program repeats exactly these calls, so that a test needs
neither imagezmq nor OpenCV.

    imagezmq_sender.py --connect tcp://127.0.0.1:5555 [--timeout-ms 20000] [--routing-id ID]

It reads one command a line from standard input, each a JSON object, carries them out one after the other, prints one
JSON object a line for each, and ends at the end of its input. Every command has an `id`, which the answer repeats, and
a `do`; `timeout_ms` may stand in each to override the option. A REQ socket that got no answer in time cannot be used
again, so it is closed and the next command connects anew.

  {"id": 1, "do": "jpg", "msg": "Barn|jpg|moving", "file": "barn.jpg"}
  {"id": 2, "do": "jpg", "msg": "Barn|jpg|moving", "size": 45000, "seed": 7}
      A JPEG file's bytes, or `size` bytes that begin and end as a JPEG does and are random between.
  {"id": 3, "do": "raw", "msg": "Barn|image|moving", "kind": "bgr", "height": 480, "width": 640, "seed": 7}
      An array: `bgr` has shape [h, w, 3], `gray` [h, w], `sliced` is every second row and column of a larger array,
      which is not contiguous. In the whole array (for `sliced` that is twice as high and wide, H by W) the pixel of
      row y and column x is
          blue  = 255 * x // (W - 1),   green = 255 * y // (H - 1),   red = (seed + 64 * x // W + 64 * y // H) % 256,
      and a gray one has the value of its blue. Keep `seed` below 128, or red has an edge that JPEG smears. `bgra` is `bgr`
      with an opacity that is different in each pixel. `bool` has squares of 16 pixels, black and white in turn.
  {"id": 4, "do": "event", "msg": "Garage|Temp|76 F", "payload": "jpg"}
      A text with the tiny black image that imagenode sends with it: as JPEG (`jpg`) or as a 3x3 array (`raw`).
  {"id": 5, "do": "frames", "frames": ["eyJ9", ""], "socket": "req", "wait": true}
      Any frames, in base64, from a socket of their own: REQ, or DEALER, which adds no delimiter. With `wait` false the
      socket is closed without waiting for a reply once the frames are sent.
  {"id": 6, "do": "load", "msg": "Barn|jpg", "count": 1000, "size": 45000, "seed": 7, "journal": "load.jsonl"}
      `count` random JPEGs, each different, as fast as the replies come. `msg` gets a further field with the number. The
      journal gets one line for each, at once: {"msg", "sha256", "reply"}, the reply null where none came in time; that
      ends the load.

  {"id": 7, "do": "array", "msg": "Barn|image|moving", "dtype": ">u2", "shape": [48, 64], "seed": 7}
      An array of random items; `spelt` names the dtype in the header otherwise than numpy's str() does.
  {"id": 8, "do": "encoded", "msg": "Barn|jpg|moving", "file": "barn.jpg", "shape": [-1, 1]}
      A JPEG file as `cv2.imencode(...)[1]` gives it: an array of its bytes, sent by send_image.
  {"id": 9, "do": "png", "file": "Barn.png", "dtype": ">u2"}
      Sends nothing, and reads a PNG of 16 bits. Answers {"id", "shape", "sha256"}: of the pixels as an OpenCV array of this
      dtype, so that it can be compared with that of an array that was sent.

Answers: {"id", "reply", "ms", "sha256", "size", "frames"}. `reply` is the last frame of the reply as text, or null where
none came in time; `ms` the time from before the send to the reply; `sha256` and `size` are of the last frame sent;
`frames` those of the reply in base64. A load answers {"id", "sent", "ok", "refused", "unanswered"}. A command that cannot
be carried out answers {"id", "error"}.
"""

import argparse
import base64
import hashlib
import json
import random
import struct
import sys
import time
import zlib

import numpy as np
import zmq

# Of a 3x3 black image, made by libjpeg: what imagenode's tiny image is once compressed.
TINY_JPEG = base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAIBAQEBAQIBAQECAgICAgQDAgICAgUEBAMEBgUGBgYFBgYGBwkIBgcJBwYGCAsICQoKCgoKBggLDA"
    "sKDAkKCgr/wAALCAADAAMBAREA/8QAHwAAAQUBAQEBAQEAAAAAAAAAAAECAwQFBgcICQoL/8QAtRAAAgEDAwIEAwUFBAQAAAF9AQIDAAQRBRIh"
    "MUEGE1FhByJxFDKBkaEII0KxwRVS0fAkM2JyggkKFhcYGRolJicoKSo0NTY3ODk6Q0RFRkdISUpTVFVWV1hZWmNkZWZnaGlqc3R1dnd4eXqDhI"
    "WGh4iJipKTlJWWl5iZmqKjpKWmp6ipqrKztLW2t7i5usLDxMXGx8jJytLT1NXW19jZ2uHi4+Tl5ufo6erx8vP09fb3+Pn6/9oACAEBAAA/AP5/"
    "6//Z"
)


def random_jpeg(size, seed):
    """`size` bytes which begin and end as a JPEG does."""
    return b"\xff\xd8\xff\xe0" + random.Random(seed).randbytes(max(0, size - 6)) + b"\xff\xd9"


def pattern(kind, height, width, seed):
    """The array that the module's description defines."""
    if kind not in ("bgr", "gray", "sliced", "bgra", "bool"):
        raise ValueError(f"no such kind of array: {kind}")
    if kind == "sliced":
        return pattern("bgr", 2 * height, 2 * width, seed)[::2, ::2]
    if kind == "bgra":
        opacity = np.arange(height * width, dtype=np.uint8).reshape(height, width, 1)
        return np.concatenate([pattern("bgr", height, width, seed), opacity], axis=-1)
    y, x = np.mgrid[0:height, 0:width]
    if kind == "bool":
        return (x // 16 + y // 16) % 2 == 1
    blue = 255 * x // max(1, width - 1)
    if kind == "gray":
        return blue.astype(np.uint8)
    green = 255 * y // max(1, height - 1)
    red = (seed + 64 * x // width + 64 * y // height) % 256
    return np.stack([blue, green, red], axis=-1).astype(np.uint8)


def read_png(path):
    """The pixels of a PNG of 16 bits a channel as OpenCV holds them, by the specification (RFC 2083): no library is asked."""
    with open(path, "rb") as opened:
        data = opened.read()
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        raise ValueError("the file has another signature")
    chunks, at = [], 8
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        body, (check,) = data[at + 8 : at + 8 + length], struct.unpack(">I", data[at + 8 + length : at + 12 + length])
        if zlib.crc32(kind + body) != check:
            raise ValueError(f"the chunk {kind} has another checksum")
        chunks.append((kind, body))
        at += 12 + length
    if chunks[0][0] != b"IHDR" or chunks[-1] != (b"IEND", b""):
        raise ValueError("the file does not begin with IHDR or does not end with IEND")
    width, height, depth, colour, *rest = struct.unpack(">IIBBBBB", chunks[0][1])
    channels = {0: 1, 2: 3, 6: 4}[colour]
    if depth != 16 or rest != [0, 0, 0]:
        raise ValueError(f"depth {depth}, compression, filter and interlace {rest}")
    rows = np.frombuffer(zlib.decompress(b"".join(body for kind, body in chunks if kind == b"IDAT")), np.uint8)
    rows = rows.reshape(height, 1 + width * channels * 2)
    if rows[:, 0].any():
        raise ValueError("a row has a filter")
    pixels = np.ascontiguousarray(rows[:, 1:]).view(">u2").reshape(height, width, channels)
    return pixels[:, :, 0] if channels == 1 else pixels[:, :, [2, 1, 0, 3][:channels]]


class NoReply(Exception):
    """The hub did not answer in time."""


class Sender:
    """The one REQ socket of this process, and the commands."""

    def __init__(self, address, timeout_ms, routing_id):
        self.address = address
        self.timeout_ms = timeout_ms
        self.routing_id = routing_id
        self.context = zmq.Context()
        self.req = None

    def socket(self, kind):
        socket = self.context.socket(kind)
        # So that the process can end while a hub is down; imagezmq leaves the default, which is to
        # wait for ever.
        socket.setsockopt(zmq.LINGER, 0)
        if self.routing_id is not None:
            socket.setsockopt_string(zmq.ROUTING_ID, self.routing_id)
        socket.connect(self.address)
        return socket

    def receive(self, socket, timeout_ms):
        if not socket.poll(self.timeout_ms if timeout_ms is None else timeout_ms, zmq.POLLIN):
            raise NoReply
        return socket.recv_multipart()

    def request(self, header, payload, timeout_ms):
        """One request as imagezmq makes it; returns the reply's frames."""
        if self.req is None:
            self.req = self.socket(zmq.REQ)
        try:
            self.req.send_json(header, zmq.SNDMORE)
            self.req.send(payload, copy=False)
            return self.receive(self.req, timeout_ms)
        except NoReply:
            self.req.close()
            self.req = None
            raise

    def send_jpg(self, msg, jpg_buffer, timeout_ms=None):
        return self.request(dict(msg=msg), jpg_buffer, timeout_ms)

    def send_image(self, msg, image, timeout_ms=None, spelt=None):
        if not image.flags["C_CONTIGUOUS"]:
            image = np.ascontiguousarray(image)
        dtype = str(image.dtype) if spelt is None else spelt
        return self.request(dict(msg=msg, dtype=dtype, shape=image.shape), image, timeout_ms)

    def timed(self, payload, send):
        """Runs `send` and makes the answer of it."""
        data = np.ascontiguousarray(payload).tobytes() if isinstance(payload, np.ndarray) else payload
        answer = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "reply": None, "frames": []}
        before = time.perf_counter()
        try:
            frames = send()
            answer["reply"] = frames[-1].decode("utf-8", "replace") if frames else ""
            answer["frames"] = [base64.b64encode(frame).decode("ascii") for frame in frames]
        except NoReply:
            pass
        answer["ms"] = round((time.perf_counter() - before) * 1000, 3)
        return answer

    def do_jpg(self, msg, file=None, size=0, seed=0, timeout_ms=None):
        if file is None:
            data = random_jpeg(size, seed)
        else:
            with open(file, "rb") as opened:
                data = opened.read()
        return self.timed(data, lambda: self.send_jpg(msg, data, timeout_ms))

    def do_raw(self, msg, kind, height, width, seed=0, timeout_ms=None):
        image = pattern(kind, height, width, seed)
        return self.timed(image, lambda: self.send_image(msg, image, timeout_ms))

    def do_array(self, msg, dtype, shape, seed=0, spelt=None, timeout_ms=None):
        generator = np.random.default_rng(seed)
        if np.dtype(dtype) == bool:
            image = generator.integers(0, 2, shape).astype(bool)
        else:
            items = int(np.prod(shape)) * np.dtype(dtype).itemsize
            image = np.frombuffer(generator.bytes(items), dtype).reshape(shape)
        return self.timed(image, lambda: self.send_image(msg, image, timeout_ms, spelt))

    def do_encoded(self, msg, file, shape, timeout_ms=None):
        image = np.fromfile(file, np.uint8).reshape(shape)
        return self.timed(image, lambda: self.send_image(msg, image, timeout_ms))

    def do_png(self, file, dtype):
        pixels = np.ascontiguousarray(read_png(file).astype(dtype))
        return {"shape": pixels.shape, "sha256": hashlib.sha256(pixels.tobytes()).hexdigest()}

    def do_event(self, msg, payload="jpg", timeout_ms=None):
        if payload == "raw":
            image = np.zeros((3, 3), dtype="uint8")
            return self.timed(image, lambda: self.send_image(msg, image, timeout_ms))
        return self.timed(TINY_JPEG, lambda: self.send_jpg(msg, TINY_JPEG, timeout_ms))

    def do_frames(self, frames, socket="req", wait=True, timeout_ms=None):
        raw = [base64.b64decode(frame) for frame in frames]
        opened = self.socket({"req": zmq.REQ, "dealer": zmq.DEALER}[socket])
        if not wait:
            # Else closing would drop what is not on the wire yet, for instance as the connection is
            # still being made.
            opened.setsockopt(zmq.LINGER, self.timeout_ms)

        def send():
            opened.send_multipart(raw)
            return self.receive(opened, timeout_ms) if wait else []

        try:
            return self.timed(raw[-1], send)
        finally:
            opened.close()

    def do_load(self, msg, count, size, journal, seed=0, timeout_ms=None):
        body = bytearray(random_jpeg(size, seed))
        totals = {"sent": 0, "ok": 0, "refused": 0, "unanswered": 0}
        with open(journal, "a", encoding="utf-8", buffering=1) as lines:
            for number in range(count):
                body[4:12] = number.to_bytes(8, "big")
                data = bytes(body)
                text = f"{msg}|{number}"
                totals["sent"] += 1
                try:
                    reply = self.send_jpg(text, data, timeout_ms)[-1].decode("utf-8", "replace")
                    totals["ok" if reply == "OK" else "refused"] += 1
                except NoReply:
                    reply = None
                    totals["unanswered"] += 1
                entry = {"msg": text, "sha256": hashlib.sha256(data).hexdigest(), "reply": reply}
                lines.write(json.dumps(entry) + "\n")
                if reply is None:
                    break
        return totals


def main():
    parser = argparse.ArgumentParser(description="Sends to an imagehub as imagezmq does; see the top of this file.")
    parser.add_argument("--connect", required=True, metavar="ADDRESS")
    parser.add_argument("--timeout-ms", type=int, default=20000)
    parser.add_argument("--routing-id", help="which imagezmq does not set; such requests are stored by a writer")
    options = parser.parse_args()
    sender = Sender(options.connect, options.timeout_ms, options.routing_id)
    for line in sys.stdin:
        command = json.loads(line)
        number = command.pop("id")
        try:
            answer = getattr(sender, "do_" + command.pop("do"))(**command)
        except Exception as error:  # Whatever it is, the test that asked shall see it.
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps({"id": number, **answer}), flush=True)


if __name__ == "__main__":
    main()
