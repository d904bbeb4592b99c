# SPDX-License-Identifier: Apache-2.0
"""A hostile network between a client and its broker: MQTT packets pass through a function that may do what it likes."""
import contextlib
import socket
import struct
import threading

PUBLISH = 3


def packet_split(buffer):
    """The first whole packet and what follows; None when it is not there yet (MQTT 5 1.5.5, 2.1.4)."""
    length, shift, at = 0, 0, 1
    while True:
        if at >= len(buffer):
            return None, buffer
        byte = buffer[at]
        length |= (byte & 127) << shift
        shift, at = shift + 7, at + 1
        if byte < 128:
            break
    if len(buffer) < at + length:
        return None, buffer
    return bytes(buffer[:at + length]), buffer[at + length:]


class Packet:
    """A PUBLISH with QoS 0 whose payload can be looked at and changed; anything else passes as it is."""

    def __init__(self, raw, version5):
        self.raw = raw
        self.payload = None
        if raw[0] >> 4 != PUBLISH or raw[0] & 6:
            return
        at = 1
        while raw[at] >= 128:
            at += 1
        at += 1
        self.head_end = at
        topic_end = at + 2 + struct.unpack_from(">H", raw, at)[0]
        self.topic = raw[at + 2:topic_end].decode()
        self.start = topic_end + (1 + raw[topic_end] if version5 else 0)
        if "/to/" in self.topic:
            self.payload = raw[self.start:]

    @property
    def is_data(self):
        return self.payload is not None and len(self.payload) > 26 and self.payload[0] == 0x13

    def with_payload(self, payload):
        rest, length = self.raw[self.head_end:self.start] + payload, bytearray()
        left = len(rest)
        while left >= 128:
            length.append(left & 127 | 128)
            left >>= 7
        return self.raw[:1] + bytes([*length, left]) + rest


class Evil:
    """`meddle(packet, upwards)` gives the bytes to send instead: a list, of none, one or more."""

    def __init__(self, target_port):
        self.target_port = target_port
        self.meddle = lambda packet, upwards: [packet.raw]
        self.seen = bytearray()
        self.sockets = []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                far = socket.create_connection(("127.0.0.1", self.target_port))
                self.sockets += [near, far]
                version = [False]
                threading.Thread(target=self._pump, args=(near, far, True, version), daemon=True).start()
                threading.Thread(target=self._pump, args=(far, near, False, version), daemon=True).start()

    def _pump(self, source, sink, upwards, version5):
        buffer = bytearray()
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self.seen += data
                buffer += data
                while True:
                    raw, buffer = packet_split(buffer)
                    if raw is None:
                        break
                    if raw[0] >> 4 == 1:
                        version5[0] = b"\x00\x04MQTT\x05" in raw[:16]
                    for out in self.meddle(Packet(raw, version5[0]), upwards):
                        sink.sendall(out)
        for sock in (source, sink):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def cut(self):
        """Ends all connections that are there."""
        for sock in self.sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.cut()
        for sock in self.sockets:
            sock.close()
