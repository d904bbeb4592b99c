# SPDX-License-Identifier: Apache-2.0
"""A tunnel whose client lives at the far end of an emulated line, and what moves through it."""
import threading
import time

from .path import NEAR, Path

BLOCK = bytes(1 << 18)


def endless(peer, origin):
    """/download never ends, /upload takes all, everything else is answered."""
    while (request := peer.read_request(body=False)) is not None:
        if request.target == "/download":
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n")
            while True:
                peer.send(BLOCK)
        elif request.target == "/upload":
            while count := len(peer.sock.recv(1 << 20)):
                origin.taken += count
            return
        else:
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello\n")


class Line:
    """A tunnel whose client lives at the far end, and what moves through it."""

    def __init__(self, t, words, broker=None):
        self.path = t.keep(Path(words))
        self.path.lose_halves()
        with self.path.far():
            self.origin = t.origin(endless)
        self.origin.taken = 0
        meet = ["--broker", f"mqtt://{NEAR}:{broker(t)}"] if broker else []
        self.tunnel = t.tunnel(server=meet or ["--client-bind", NEAR])
        with self.path.far():
            self.tunnel.client = self.tunnel.add_client("tim", {"hello": self.origin}, meet or ["--host", NEAR], wait=False)
        self.tunnel.wait_connected()

    def download(self, t):
        """A function that takes what has come and says how much that was."""
        peer = t.keep(self.tunnel.visit(timeout=30))
        peer.send(self.tunnel.request(target="/download"))
        peer.read_head()
        return lambda: len(peer.sock.recv(1 << 20))

    def upload(self, t):
        """The same for a body that is always there to be taken; counts what the service got."""
        peer = t.keep(self.tunnel.visit(timeout=30))
        peer.send(self.tunnel.request(method="POST", target="/upload", fields=[("Content-Length", "1000000000000")]))

        def send():
            try:
                while True:
                    peer.send(BLOCK)
            except OSError:
                pass  # the story is over

        threading.Thread(target=send, daemon=True).start()
        seen = 0

        def taken():
            nonlocal seen
            time.sleep(0.01)  # the pace of looking
            before, seen = seen, self.origin.taken
            return seen - before

        return taken
