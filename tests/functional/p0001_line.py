#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the tunnel makes of a line: emulated ones, on systems whose TCP halves its rate at every loss."""
import threading
import time

from lib import check, main, same, story
from lib.load import Busy
from lib.mosquitto import Mosquitto
from lib.path import NEAR, Path, measure

LONG = 200e6  # bits a second, at 100 ms
LONG_WORDS = "delay=50 rate=200000 queue=2500000"
SLOW = 20e6
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

    def fills(self, receive, share, settle, upward):
        """At least this share of the long line; or what a lone TCP connection makes of it, if that is less."""
        rate = measure(receive, 2, settle)
        if rate < share * LONG:
            bare = self.path.bare(2, settle, upward)
            check(rate >= 0.9 * bare, f"{rate / 1e6:.0f} Mbit/s, a lone connection has {bare / 1e6:.0f}")


def mosquitto(t):
    return t.keep(Mosquitto(t.directory, f"listener 1883 {NEAR}")) and 1883


@story("a download fills a line of 100 ms and 200 Mbit/s, through the embedded broker, also with losses", only="plain")
def _(t):
    line = Line(t, LONG_WORDS)
    receive = line.download(t)
    line.fills(receive, 0.8, 2, upward=True)
    line.path.tell("loss=0.1")
    line.fills(receive, 0.4, 1, upward=True)


@story("an upload fills a line of 100 ms and 200 Mbit/s, through the embedded broker, also with losses", only="plain")
def _(t):
    line = Line(t, LONG_WORDS)
    receive = line.upload(t)
    line.fills(receive, 0.8, 2, upward=False)
    line.path.tell("loss=0.1")
    line.fills(receive, 0.4, 1, upward=False)


@story("a download fills a line of 100 ms and 200 Mbit/s, through mosquitto, also with losses", only="plain")
def _(t):
    line = Line(t, LONG_WORDS, mosquitto)
    receive = line.download(t)
    line.fills(receive, 0.8, 2.5, upward=True)
    line.path.tell("loss=0.1")
    line.fills(receive, 0.4, 1, upward=True)


@story("an upload through mosquitto fills as much of the long line as mosquitto's own connection can", only="plain")
def _(t):
    line = Line(t, LONG_WORDS, mosquitto)
    line.fills(line.upload(t), 0.8, 2.5, upward=False)


main()
