"""imagezmq's ImageSender, as far as its user sees its socket: the real one where it is installed, else one like it.

What matters here: it makes a REQ socket and connects it in its constructor, and keeps it as `zmq_socket`. So whatever is set on that
socket later comes after the connect.
"""

try:
    from imagezmq import ImageSender
except ImportError:
    import zmq

    class ImageSender:
        """Connects to a hub."""

        def __init__(self, connect_to="tcp://127.0.0.1:5555"):
            self.zmq_context = zmq.Context()
            self.zmq_socket = self.zmq_context.socket(zmq.REQ)
            self.zmq_socket.connect(connect_to)
