# SPDX-License-Identifier: Apache-2.0
"""MQTT over WebSocket (RFC 6455, MQTT 5 6.0) in front of a broker's TCP port; a frame for each MQTT packet."""
import base64
import contextlib
import hashlib
import socket
import threading

from .peer import Closed, Peer

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def frame(opcode, payload):
    size = len(payload)
    head = bytes([size]) if size < 126 else b"\x7e" + size.to_bytes(2, "big") if size < 65536 else b"\x7f" + size.to_bytes(8, "big")
    return bytes([0x80 | opcode]) + head + payload


def read_frame(peer):
    first, second = peer.read_exact(2)
    size = second & 0x7F
    if size >= 126:
        size = int.from_bytes(peer.read_exact(2 if size == 126 else 8), "big")
    mask = peer.read_exact(4)
    data = peer.read_exact(size)
    key = (mask * (size // 4 + 1))[:size]
    return first & 0x0F, (int.from_bytes(data, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")


def read_packet(peer):
    head, size, shift = peer.read_exact(1), 0, 0
    while True:
        byte = peer.read_exact(1)
        head += byte
        size |= (byte[0] & 0x7F) << shift
        shift += 7
        if not byte[0] & 0x80:
            return head + peer.read_exact(size)


class WebSocketGate:
    outlives_programs = True

    def __init__(self, broker_port, tls=None):
        """`tls`: an ssl.SSLContext."""
        self.broker_port, self.tls = broker_port, tls
        self.targets, self.hosts, self.protocols = [], [], []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        with contextlib.suppress(OSError, Closed, TimeoutError):
            visitor = Peer(self.tls.wrap_socket(sock, server_side=True) if self.tls else sock, 600)
            broker = Peer(socket.create_connection(("127.0.0.1", self.broker_port)), 600)
            with visitor, broker:
                self._shake_hands(visitor)
                threading.Thread(target=self._down, args=(broker, visitor), daemon=True).start()
                while (got := read_frame(visitor))[0] != 8:
                    if got[0] == 9:
                        visitor.send(frame(10, got[1]))
                    elif got[0] in (0, 2):
                        broker.send(got[1])

    def _shake_hands(self, visitor):
        request = visitor.read_head()
        self.targets.append(request.target)
        self.hosts.append(request.get("Host"))
        self.protocols.append(request.get("Sec-WebSocket-Protocol"))
        accept = base64.b64encode(hashlib.sha1(request.get("Sec-WebSocket-Key").encode() + GUID).digest())
        visitor.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     b"Sec-WebSocket-Protocol: mqtt\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n")

    @staticmethod
    def _down(broker, visitor):
        with contextlib.suppress(OSError, Closed, TimeoutError):
            while True:
                visitor.send(frame(2, read_packet(broker)))
        visitor.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
