# SPDX-License-Identifier: Apache-2.0
"""A name server for TXT records (RFC 1035), at a port of loopback; UDP, and TCP for what does not fit."""
import socket
import struct
import threading

TXT, NXDOMAIN, SERVFAIL = 16, 3, 2


def strings(text):
    """The text as a record's strings, of 255 bytes at most each."""
    parts = [text[i:i + 255] for i in range(0, len(text), 255)] or [b""]
    return b"".join(bytes([len(part)]) + part for part in parts)


def same_ports():
    """A socket of UDP and one of TCP, at a port that is free for both."""
    while True:
        tcp, udp = socket.create_server(("127.0.0.1", 0)), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            udp.bind(tcp.getsockname())
            return udp, tcp
        except OSError:
            udp.close()
            tcp.close()


class NameServer:
    """`records`: name -> texts; a name that is not there does not exist. `asked` counts questions by name. `raw`: name -> bytes that are
    sent behind the question's number, whatever they are; `broken`: answers with SERVFAIL; `silent`: does not answer."""

    def __init__(self):
        self.records, self.raw, self.asked = {}, {}, {}
        self.broken = self.silent = False
        self.udp, self.tcp = same_ports()
        self.address = "127.0.0.1:%d" % self.tcp.getsockname()[1]
        for serve in (self.serve_udp, self.serve_tcp):
            threading.Thread(target=serve, daemon=True).start()

    def answer(self, query, most):
        name, at = [], 12
        while query[at]:
            name.append(query[at + 1:at + 1 + query[at]].decode())
            at += 1 + query[at]
        question, name = query[12:at + 5], ".".join(name).lower()
        self.asked[name] = self.asked.get(name, 0) + 1
        if self.silent:
            return None
        if name in self.raw:
            return query[:2] + self.raw[name]
        texts = self.records.get(name)
        code = SERVFAIL if self.broken else NXDOMAIN if texts is None else 0
        data = [strings(text.encode()) for text in texts or ()] if code == 0 else []
        answers = b"".join(struct.pack(">HHHIH", 0xC00C, TXT, 1, 1, len(d)) + d for d in data)
        if 12 + len(question) + len(answers) > most:
            return query[:2] + struct.pack(">HHHHH", 0x8380, 1, 0, 0, 0) + question
        return query[:2] + struct.pack(">HHHHH", 0x8180 | code, 1, len(data), 0, 0) + question + answers

    def serve_udp(self):
        try:
            while True:
                query, peer = self.udp.recvfrom(4096)
                answer = self.answer(query, 512)
                if answer is not None:
                    self.udp.sendto(answer, peer)
        except OSError:
            pass  # it was closed

    def serve_tcp(self):
        try:
            while True:
                sock, _ = self.tcp.accept()
                with sock, sock.makefile("rb") as stream:
                    answer = self.answer(stream.read(struct.unpack(">H", stream.read(2))[0]), 65535)
                    if answer is not None:
                        sock.sendall(struct.pack(">H", len(answer)) + answer)
        except OSError:
            pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.udp.close()
        self.tcp.close()
