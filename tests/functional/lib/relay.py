# SPDX-License-Identifier: Apache-2.0
"""A TCP relay between a client and the server: a network that can be cut, frozen, and mended."""
import contextlib
import socket
import struct
import threading
import time


class Relay:
    outlives_programs = True

    def __init__(self, target_port):
        self.target_port = target_port
        self.flowing = threading.Event()
        self.flowing.set()
        self.refusing = False
        self.rate = None  # bytes a second, each way of each connection; None: as fast as it goes
        self.pairs = []
        self.dead, self.abandoned, self.over = set(), [], threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            if self.refusing:
                near.close()
                continue
            try:
                far = socket.create_connection(("127.0.0.1", self.target_port))
            except OSError:
                near.close()
                continue
            for sock in (near, far):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.pairs.append((near, far))
            for pair in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=pair, daemon=True).start()

    def _pump(self, source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self.flowing.wait()
                while source in self.dead and not self.over.is_set():
                    self.over.wait()
                if self.rate is not None:
                    time.sleep(len(data) / self.rate)
                sink.sendall(data)
        with contextlib.suppress(OSError):
            self.flowing.wait()
            if source in self.dead:
                self.over.wait()
            sink.shutdown(socket.SHUT_WR)

    def cut(self):
        """Resets what is open; new connections pass."""
        for pair in self.pairs:
            for sock in pair:
                with contextlib.suppress(OSError):
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    sock.shutdown(socket.SHUT_RDWR)
                sock.close()
        self.pairs.clear()

    def abandon(self):
        """What is open passes nothing any more and is never closed: a path that died. New connections pass."""
        for pair in self.pairs:
            self.dead.update(pair)
        count = len(self.pairs)
        self.abandoned += self.pairs
        self.pairs = []
        return count

    def freeze(self):
        self.flowing.clear()

    def thaw(self):
        self.flowing.set()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.over.set()
        self.thaw()
        self.pairs += self.abandoned
        self.cut()
