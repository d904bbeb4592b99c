# SPDX-License-Identifier: Apache-2.0
"""A client of our own that speaks the protocol as well as it likes: MQTT, envelopes, TLS, frames (mdm-tunnel-protocol(7))."""
import os
import socket
import ssl
import struct
import subprocess
import threading

from .clock import seconds, wait_until
from .evil import packet_split

DATA, OPEN, ACCEPT, REFUSE, WINDOW, RESET, PING, PONG = range(0x80, 0x88)
SERVICES, GOAWAY = 0x08, 0x89
FIN = 1
HELLO, HELLO_ACK, E_DATA, E_ACK, E_NACK, E_BYE = range(1, 7)
HEAD, FRAME_HEAD = struct.Struct(">BBIQQI"), struct.Struct(">BBHII")
SEALED = b"\x81\x00\x01\x01"


def text(value):
    raw = value.encode()
    return struct.pack(">H", len(raw)) + raw


def packet(first, body):
    length, out = len(body), bytearray()
    while True:
        out.append(length & 127 | (128 if length > 127 else 0))
        length >>= 7
        if not length:
            return bytes([first]) + bytes(out) + body


def service(name):
    """An entry of SERVICES: HTTP, no options."""
    return bytes([1, len(name)]) + name.encode() + b"\x00\x00"


class Mqtt:
    """One MQTT 3.1.1 connection, whose will is to clear a topic; publications go to `heard(topic, payload)` on a thread of its own."""

    def __init__(self, port, client_id, heard=None, will=None):
        self.sock = socket.create_connection(("127.0.0.1", port), seconds(10))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.heard, self.closed, self.lock = heard or (lambda topic, payload: None), False, threading.RLock()
        self.answers = []
        flags, last = (0x26, text(will) + text("")) if will else (2, b"")
        self.send(packet(0x10, text("MQTT") + bytes([4, flags]) + struct.pack(">H", 60) + text(client_id) + last))
        threading.Thread(target=self._read, daemon=True).start()
        wait_until(lambda: self.answers or self.closed, "CONNACK")

    def send(self, raw):
        with self.lock:
            self.sock.sendall(raw)

    def subscribe(self, topic):
        """The broker's answer: 0 to 2, or 128 for a refusal."""
        count = len(self.answers)
        self.send(packet(0x82, b"\x00\x01" + text(topic) + b"\x00"))
        wait_until(lambda: len(self.answers) > count or self.closed, "SUBACK")
        return self.answers[-1][-1] if len(self.answers) > count else 128

    def publish(self, topic, payload, retain=False):
        self.send(packet(0x30 | retain, text(topic) + payload))

    def _read(self):
        buffer = bytearray()
        try:
            while data := self.sock.recv(65536):
                buffer += data
                while True:
                    raw, buffer = packet_split(buffer)
                    if raw is None:
                        break
                    self._take(raw)
        except OSError:
            pass
        self.closed = True

    def _take(self, raw):
        if raw[0] >> 4 != 3:
            self.answers.append(raw)
            return
        at = 1
        while raw[at] >= 128:
            at += 1
        end = at + 3 + struct.unpack_from(">H", raw, at + 1)[0]
        self.heard(raw[at + 3:end].decode(), raw[end:])

    def close(self):
        self.closed = True
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.sock.close()


def key_make(directory, name):
    """A self-signed Ed25519 certificate and its key in one file."""
    path = directory / f"{name}.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-keyout", path, "-out", f"{path}.crt", "-subj",
                    "/CN=fake", "-days", "2"], check=True, capture_output=True)
    with open(path, "ab") as file, open(f"{path}.crt", "rb") as certificate:
        file.write(certificate.read())
    return path


class Fake:
    """Answers the server's HELLO and handshake, then gives every frame to `frame(self, type, flags, stream, payload)`."""

    def __init__(self, port, client_id, key, frame=None, services=("hello",), prefix="mdm"):
        self.id, self.instance, self.prefix, self.services = client_id, os.urandom(16).hex(), prefix, services
        self.key, self.frame = key, frame or (lambda fake, *frame: None)
        self.server, self.session, self.sealed, self.out, self.tls, self.ended = None, 0, False, 0, None, None
        self.room, self.acks = 1 << 20, True  # what the server may send, and whether it hears of what came
        self.next, self.plain, self.up, self.frames, self.sending = 0, bytearray(), False, 0, threading.RLock()
        presence = f"{prefix}/at/{self.id}/{self.instance}"
        self.mqtt = Mqtt(port, self.instance, self._heard, presence)
        self.mqtt.subscribe(f"{prefix}/to/{self.instance}/+")
        self.mqtt.publish(presence, b"{}", retain=True)

    def wait_up(self):
        wait_until(lambda: self.up, f"the fake {self.id} has a session")

    # -- envelopes

    def envelope(self, kind, body=b"", seq=None, ack=None, flags=0):
        head = HEAD.pack(0x10 | kind, flags, self.session, self.out if seq is None else seq,
                         self.next if ack is None else ack, self.room)
        self.mqtt.publish(f"{self.prefix}/to/{self.server}/{self.instance}", head + body)

    def _heard(self, topic, payload):
        if len(payload) < HEAD.size:
            return
        self.server = topic.split("/")[-1]
        first, _, session, seq, _, _ = HEAD.unpack_from(payload)
        kind, body = first & 15, payload[HEAD.size:]
        if kind == HELLO and session != self.session:
            self._hello(session)
        elif kind == E_BYE:
            self.ended, self.up = self.ended or struct.unpack_from(">H", body)[0], False
        elif kind == E_DATA and seq == self.next:
            self.next += 1
            self._bytes(body)
            if self.acks:
                self.envelope(E_ACK)

    def _hello(self, session):
        self.session, self.out, self.next, self.tls, self.sealed = session, 0, 0, None, False
        self.plain.clear()
        self.envelope(HELLO_ACK, struct.pack(">IH", 128 * 1024, 60) + SEALED, seq=0)

    # -- TLS, and frames in it

    def _tls_make(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.num_tickets = 0
        context.load_cert_chain(self.key)
        context.set_alpn_protocols([f"mdm/1/{self.server}/{self.instance}/{self.id}"])
        self.into, self.outof = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.into, self.outof, server_side=True)

    def _bytes(self, body):
        with self.sending:
            self._take_bytes(body)

    def _take_bytes(self, body):
        if self.tls is None:
            self._tls_make()
        self.into.write(body)
        try:
            if not self.sealed:
                self.tls.do_handshake()
                self.sealed = True
                self._flush()
                self.send(SERVICES, 0, b"".join(service(s) for s in self.services))
            while data := self.tls.read(65536):
                self.plain += data
        except ssl.SSLWantReadError:
            pass
        self._flush()
        self._frames()

    def _flush(self):
        with self.sending:
            while data := self.outof.read(60000):
                seq, self.out = self.out, self.out + 1
                self.envelope(E_DATA, data, seq=seq)

    def _frames(self):
        while len(self.plain) >= FRAME_HEAD.size:
            kind, flags, _, stream, length = FRAME_HEAD.unpack_from(self.plain)
            if len(self.plain) < FRAME_HEAD.size + length:
                return
            payload = bytes(self.plain[FRAME_HEAD.size:FRAME_HEAD.size + length])
            del self.plain[:FRAME_HEAD.size + length]
            self.up, self.frames = True, self.frames + 1
            self.frame(self, kind, flags, stream, payload)

    def send(self, kind, stream, payload=b"", flags=0, length=None):
        self.send_raw(FRAME_HEAD.pack(kind, flags, 0, stream, len(payload) if length is None else length) + payload)

    def send_raw(self, data):
        with self.sending:
            self.tls.write(data)
            self._flush()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.mqtt.close()


def polite(answer):
    """A service that accepts every stream and answers what comes first with these bytes."""
    def frame(fake, kind, _flags, stream, payload):
        if kind == OPEN:
            fake.send(ACCEPT, stream)
        elif kind == DATA and payload:
            fake.send(DATA, stream, answer)
            fake.send(WINDOW, stream, struct.pack(">I", len(payload)))
    return frame
