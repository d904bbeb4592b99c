# SPDX-License-Identifier: Apache-2.0
"""Four streams at once that must not lose a byte: a download, an upload, an echoing WebSocket and server-sent events."""
import base64
import hashlib
import os
import random
import threading
import time

from .clock import seconds, wait_until
from .origin import response
from .program import sanitized
from .story import check, same

BLOCK = bytes(range(256)) * 256
BIG = os.environ.get("MDM_TEST_BIG") == "1"
SIZE = (64 << 20) if sanitized() else (1 << 30) if BIG else (256 << 20)
GIB = SIZE if sanitized() else 1 << 30
EVENT_EVERY = 0.05
UPGRADE = [("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"),
           ("Sec-WebSocket-Key", base64.b64encode(b"x" * 16).decode())]


def digest_of(size):
    digest = hashlib.sha256()
    for _ in range(size // len(BLOCK)):
        digest.update(BLOCK)
    return digest.hexdigest()


class Busy:
    """A thread whose failure is raised where it is joined."""

    def __init__(self, name, function):
        self.name, self.error = name, None
        self.thread = threading.Thread(target=self._run, args=(function,), daemon=True)
        self.thread.start()

    def _run(self, function):
        try:
            function()
        except BaseException as error:
            self.error = error

    @property
    def running(self):
        return self.thread.is_alive()

    def join(self, limit):
        self.thread.join(seconds(limit))
        if self.error is not None:
            raise AssertionError(f"{self.name}: {self.error!r}") from self.error
        check(not self.thread.is_alive(), f"{self.name} is over")


class Load:
    """Serves the four as the service `hello` (`serve` for an Origin), and is their visitors once started."""

    def __init__(self, size=SIZE):
        self.size = size
        self.whole = digest_of(size)
        self.ending = threading.Event()
        self.uploaded = self.received = self.sent = 0
        self.echoes = self.events = 0
        self.upload_digest = self.download_digest = None
        self.echo_longest = 0.0
        self.parts = []

    # -- the service

    def serve(self, peer, origin):
        request = peer.read_request(body=False)
        if request is None:
            return
        {"/download": self._serve_download, "/upload": self._serve_upload, "/echo": self._serve_echo,
         "/events": self._serve_events}.get(request.target, self._serve_hello)(peer)

    def _serve_hello(self, peer):
        peer.send(response(200, b"hello\n"))

    def _serve_download(self, peer):
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % self.size)
        for _ in range(self.size // len(BLOCK)):
            peer.send(BLOCK)

    def _serve_upload(self, peer):
        digest, left = hashlib.sha256(), self.size
        while left > 0:
            data = peer.take(len(peer.buffer)) if peer.buffer else peer.sock.recv(65536)
            if not data:
                return
            digest.update(data)
            left -= len(data)
            self.uploaded += len(data)
        self.upload_digest = digest.hexdigest()
        peer.send(response(200, b"taken"))

    def _serve_echo(self, peer):
        peer.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                  b"Sec-WebSocket-Accept: HSmrc0sMlYUkAGmm5OPpG2HaGWk=\r\n\r\n")
        while data := peer.sock.recv(65536):
            peer.send(data)

    def _serve_events(self, peer):
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        number = 0
        while not self.ending.is_set():
            peer.send(b"data: %d\n\n" % number)
            number += 1
            time.sleep(EVENT_EVERY)  # the rhythm of the events, not a synchronisation
        peer.send(b"data: end\n\n")

    # -- the visitors

    def start(self, tunnel, timeout=90):
        for name in ("download", "upload", "echo", "events"):
            peer = tunnel.visit(timeout=timeout)
            function = getattr(self, f"_visit_{name}")
            self.parts.append(Busy(name, lambda peer=peer, function=function: function(tunnel, peer)))
        wait_until(lambda: self.failed or self._flows(), "the four streams flow", 20)
        self.check_alive()

    def _flows(self):
        return self.received > 0 and self.uploaded > 0 and self.echoes > 0 and self.events > 0

    def _visit_download(self, tunnel, peer):
        with peer:
            peer.send(tunnel.request(target="/download"))
            same(peer.read_head().status, 200, "status of the download")
            digest, left = hashlib.sha256(), self.size
            while left > 0:
                data = peer.take(len(peer.buffer)) if peer.buffer else peer.sock.recv(65536)
                check(data, f"the download ended with {left} bytes missing")
                digest.update(data)
                left -= len(data)
                self.received += len(data)
            self.download_digest = digest.hexdigest()

    def _visit_upload(self, tunnel, peer):
        with peer:
            peer.send(tunnel.request(method="POST", target="/upload", fields=[("Content-Length", str(self.size))]))
            for _ in range(self.size // len(BLOCK)):
                peer.send(BLOCK)
                self.sent += len(BLOCK)
            same(peer.read_response().body, b"taken", "answer to the upload")

    def _visit_echo(self, tunnel, peer):
        chance = random.Random(1)
        with peer:
            peer.send(tunnel.request(target="/echo", fields=UPGRADE))
            same(peer.read_response().status, 101, "status of the WebSocket")
            while not self.ending.is_set():
                text = chance.randbytes(chance.choice((1, 7, 125, 1000, 20000)))
                began = time.monotonic()
                peer.send(text)
                check(peer.read_exact(len(text)) == text, f"echo {self.echoes} of {len(text)} bytes is the same")
                self.echo_longest = max(self.echo_longest, time.monotonic() - began)
                self.echoes += 1
                time.sleep(0.005)  # leaves the line to the others

    def _visit_events(self, tunnel, peer):
        with peer:
            peer.send(tunnel.request(target="/events", version="HTTP/1.0"))  # ends with the connection: no chunks
            same(peer.read_head().status, 200, "status of the events")
            while (line := peer.read_until(b"\n\n")) != b"data: end\n\n":
                same(line, b"data: %d\n\n" % self.events, "the next event")
                self.events += 1

    # -- the outcome

    @property
    def failed(self):
        return any(part.error is not None for part in self.parts)

    def check_alive(self):
        """No stream has broken; those without an end are still there."""
        for part in self.parts:
            if part.error is not None:
                part.join(0)
        check(all(part.running for part in self.parts if part.name in ("echo", "events")), "WebSocket and events go on")

    def flows_on(self, limit=10):
        """After a disturbance: an echo and an event get through. How long that took, in seconds."""
        began, echoes, events = time.monotonic(), self.echoes, self.events
        wait_until(lambda: self.failed or (self.echoes > echoes + 1 and self.events > events + 1), "streams go on", limit)
        self.check_alive()
        return time.monotonic() - began

    def finish(self, limit=120):
        """Download and upload come to their end, then the others are ended; every byte arrived once."""
        for part in self.parts[:2]:
            part.join(limit)
        self.check_alive()
        self.ending.set()
        for part in self.parts:
            part.join(30)
        same((self.download_digest, self.upload_digest), (self.whole, self.whole), "SHA-256 of download and upload")
