# SPDX-License-Identifier: Apache-2.0
"""One end of a TCP connection that speaks HTTP/1 byte for byte. Visitors and origins are both made of it."""
import socket
import struct

from .clock import seconds


class Closed(Exception):
    """The other end closed (or reset) before what was wanted had come."""


class Cut(Exception):
    """A message ended before its own end; `partial` is what came of the body."""

    def __init__(self, message, partial):
        super().__init__(f"cut after {len(partial)} bytes of body: {message.start}")
        self.message = message
        self.partial = partial


class Message:
    """A head (latin-1 text, so every byte survives) with its body and trailers."""

    def __init__(self, raw):
        self.raw = raw
        lines = raw.decode("latin-1").split("\r\n")
        self.start = lines[0]
        self.fields = [tuple(line.split(":", 1)) for line in lines[1:] if line]
        self.fields = [
            (name, value.strip(" \t")) for name, value in (f if len(f) == 2 else (f[0], "") for f in self.fields)
        ]
        self.body = b""
        self.trailers = []
        self.chunks = []

    def all(self, name):
        return [value for field, value in self.fields if field.lower() == name.lower()]

    def get(self, name):
        return next(iter(self.all(name)), None)

    def has_token(self, name, token):
        return any(token == part.strip().lower() for value in self.all(name) for part in value.split(","))

    @property
    def status(self):
        return int(self.start.split(" ")[1])

    @property
    def method(self):
        return self.start.split(" ")[0]

    @property
    def target(self):
        return self.start.split(" ")[1]

    @property
    def error(self):
        return self.get("X-Mdm-Tunnel-Error")

    def __repr__(self):
        return f"<{self.start!r} {self.fields} {len(self.body)} bytes>"


class Peer:
    def __init__(self, sock, timeout=10):
        self.sock = sock
        self.sock.settimeout(seconds(timeout))
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.eof = False

    # -- bytes

    def send(self, data):
        self.sock.sendall(data)

    def fill(self, size=65536):
        """Takes some more bytes; False at the end. A reset is raised as Closed."""
        try:
            data = self.sock.recv(size)
        except ConnectionResetError as error:
            self.eof = True
            raise Closed("reset") from error
        self.buffer += data
        self.eof = self.eof or not data
        return bool(data)

    def take(self, count):
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def read_exact(self, count):
        if len(self.buffer) > 1 << 20 or count > 1 << 20:
            return self._read_large(count)
        while len(self.buffer) < count:
            if not self.fill():
                raise Closed(f"wanted {count} bytes, got {self.buffer[:200]!r}")
        return self.take(count)

    def _read_large(self, count):
        parts, have = [self.take(count)], 0
        have = len(parts[0])
        while have < count:
            data = self.sock.recv(min(1 << 20, count - have))
            if not data:
                self.eof = True
                self.buffer = b"".join(parts)
                raise Closed(f"wanted {count} bytes, got {have}")
            parts.append(data)
            have += len(data)
        return b"".join(parts)

    def read_until(self, mark):
        while mark not in self.buffer:
            if not self.fill():
                raise Closed(f"wanted {mark!r}, got {self.buffer[:500]!r}")
        return self.take(self.buffer.index(mark) + len(mark))

    def read_rest(self):
        parts = [self.take(len(self.buffer))]
        while self.fill():
            parts.append(self.take(len(self.buffer)))
        return b"".join(parts)

    def is_closed(self, within=5):
        """Does the other end close now? Bytes that still come are dropped."""
        old = self.sock.gettimeout()
        self.sock.settimeout(seconds(within))
        try:
            while self.fill():
                self.buffer = b""
            return True
        except Closed:
            return True
        except TimeoutError:
            return False
        finally:
            self.sock.settimeout(old)

    def is_quiet(self, during=0.3):
        """Nothing comes for a while, and the connection stays."""
        old = self.sock.gettimeout()
        self.sock.settimeout(during)
        try:
            self.fill()
            return False
        except TimeoutError:
            return True
        finally:
            self.sock.settimeout(old)

    def shut(self):
        self.sock.shutdown(socket.SHUT_WR)

    def close(self):
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.sock.close()

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # -- HTTP/1 (RFC 9112)

    def read_head(self):
        """None when the other end closed in between two messages."""
        while b"\r\n\r\n" not in self.buffer:
            if not self.fill():
                if self.buffer:
                    raise Closed(f"in a head: {self.buffer[:500]!r}")
                return None
        return Message(self.read_until(b"\r\n\r\n"))

    def read_request(self, body=True):
        message = self.read_head()
        if message is not None and body:
            self.read_body(message, request=True)
        return message

    def read_response(self, method="GET", skip_informational=True):
        while True:
            message = self.read_head()
            if message is None:
                raise Closed("no response")
            if message.status == 101 or message.status >= 200 or not skip_informational:
                break
        if method != "HEAD" and message.status >= 200 and message.status not in (204, 304):
            self.read_body(message, request=False)
        return message

    def read_body(self, message, request):
        try:
            if message.has_token("Transfer-Encoding", "chunked"):
                self._read_chunks(message)
            elif message.get("Content-Length") is not None:
                message.body = self.read_exact(int(message.get("Content-Length")))
            elif not request:
                message.body = self.read_rest()
        except Closed as error:
            partial = b"".join(message.chunks) + self.buffer
            raise Cut(message, partial) from error

    def _read_chunks(self, message):
        while True:
            size = int(self.read_until(b"\r\n").split(b";")[0], 16)
            if size == 0:
                break
            message.chunks.append(self.read_exact(size))
            if self.read_exact(2) != b"\r\n":
                raise Closed("a chunk does not end with CRLF")
        while (line := self.read_until(b"\r\n")) != b"\r\n":
            name, value = line.decode("latin-1").split(":", 1)
            message.trailers.append((name, value.strip()))
        message.body = b"".join(message.chunks)

    def ask(self, method="GET", target="/", **rest):
        """One request and its answer; the connection stays open."""
        self.send(request_bytes(method, target, **rest))
        return self.read_response(method)


def request_bytes(method="GET", target="/", *, host, fields=(), body=None, version="HTTP/1.1"):
    lines = [f"{method} {target} {version}"]
    if host is not None:
        lines.append(f"Host: {host}")
    lines += [f"{name}: {value}" for name, value in fields]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines + ["", ""]).encode("latin-1") + (body or b"")


def connect(port, address="127.0.0.1", timeout=10, receive_buffer=None):
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    if receive_buffer is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    sock.settimeout(seconds(timeout))
    sock.connect((address, port))
    return Peer(sock, timeout)
