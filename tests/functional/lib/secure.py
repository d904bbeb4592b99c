# SPDX-License-Identifier: Apache-2.0
"""Visitors and services with TLS: certificates of our own, and the end of a connection as it was said."""
import contextlib
import select
import shutil
import socket
import ssl
import subprocess

from .clock import seconds
from .peer import Closed, Peer

NAMES = ("*.example.com", "*.tim.example.com")


class Certificate:
    """Self-signed, so that it is its own authority."""

    def __init__(self, directory, label="certificate", names=NAMES):
        self.cert = directory / f"{label}.pem"
        self.key = directory / f"{label}.key"
        self.make(names)

    def make(self, names=NAMES):
        """Again: another certificate in the same files, each replaced at once."""
        fresh = [path.with_name(path.name + ".new") for path in (self.cert, self.key)]
        command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2".split()
        names = ",".join(f"DNS:{name}" for name in names)
        extra = ["-subj", "/CN=test", "-addext", f"subjectAltName={names}", "-out", fresh[0], "-keyout", fresh[1]]
        subprocess.run([*command, *extra], check=True, capture_output=True)
        for path, new in zip((self.cert, self.key), fresh):
            shutil.move(new, path)

    @property
    def options(self):
        return ["--tls-port", 0, "--tls-cert", self.cert, "--tls-key", self.key]

    @property
    def der(self):
        return ssl.PEM_cert_to_DER_cert(self.cert.read_text())

    def server_context(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, self.key)
        return context


def context(certificate=None, version=None):
    """A visitor's: who it speaks to is checked against `certificate`, or not at all."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF  # a cut is no end
    if certificate is None:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    else:
        made.load_verify_locations(certificate.cert)
    if version is not None:
        made.minimum_version = made.maximum_version = version
    return made


class SecurePeer(Peer):
    """`notified`: the other end said that it has finished; an end without that word is a cut."""

    notified = False

    def fill(self, size=65536):
        try:
            more = super().fill(size)
        except ssl.SSLError as error:
            self.eof = True
            raise Closed(f"cut: {error.reason}") from error
        self.notified = self.notified or not more
        return more

    def exchange(self, data):
        """Sends `data` while as many bytes come; on one thread, since a connection of OpenSSL is for one at a time."""
        got, sent, before = bytearray(self.take(len(self.buffer))), 0, self.sock.gettimeout()
        self.sock.settimeout(0)
        try:
            while len(got) < len(data):
                had = sent + len(got)
                with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLWantWriteError):
                    if sent < len(data):
                        sent += self.sock.send(memoryview(data)[sent : sent + 65536])
                with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLWantWriteError):
                    more = self.sock.recv(65536)
                    if not more:
                        raise Closed(f"wanted {len(data)} bytes, got {len(got)}")
                    got += more
                if had == sent + len(got):
                    waits = [self.sock] if sent < len(data) else []
                    if not any(select.select([self.sock], waits, [], before)):
                        raise TimeoutError(f"{sent} bytes sent, {len(got)} of {len(data)} came")
        finally:
            self.sock.settimeout(before)
        return bytes(got)

    def finish(self):
        """Says close_notify, and goes on reading (RFC 8446 6.1)."""
        with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLSyscallError, OSError):
            self.sock.settimeout(0)
            self.sock.unwrap()


def secure(port, name, made=None, timeout=10, before=b"", source="127.0.0.1"):
    """A visitor's connection; `before` is said in front of TLS."""
    sock = socket.create_connection(("127.0.0.1", port), seconds(timeout), source_address=(source, 0))
    if before:
        sock.sendall(before)
    wrapped = (made or context()).wrap_socket(sock, server_hostname=name, suppress_ragged_eofs=False)
    return SecurePeer(wrapped, timeout)
