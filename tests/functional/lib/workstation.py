# SPDX-License-Identifier: Apache-2.0
"""A device (a client) and workstations that reach it, at a server's broker or at any other."""
import contextlib
import os
import re
import socket
import subprocess
import time

from .clock import seconds, wait_until
from .peer import Closed, Peer
from .program import Program, raise_limits
from .tunnel import Client

CONNECT = "mdm-tunnel-connect"


def way(place):
    """Options that lead to a server, or to a broker that is not ours."""
    if hasattr(place, "mqtt"):
        return ["--host", "127.0.0.1", "--port", place.mqtt]
    return ["--broker", f"mqtt://127.0.0.1:{place.port}"]


class Workstation(Program):
    def __init__(self, directory, place, arguments, name="oli", environment=None, label=None):
        self.state = directory / f"{name}.workstation"
        super().__init__(CONNECT, [*way(place), "--state-dir", self.state, *arguments], directory, label or f"connect-{name}",
                         environment)

    def wait_ports(self, count=1, limit=10):
        """The local ports, in the order in which they were said."""
        self.wait_log(r" is at .*:\d+$", limit, count)
        return [int(p) for p in re.findall(r" is at \S+:(\d+)$", self.log, re.M)]


def fingerprint(directory, name="oli"):
    out = subprocess.run([Program.find(CONNECT), "--fingerprint", "--state-dir", directory / f"{name}.workstation"],
                         capture_output=True, text=True, check=True, timeout=seconds(10))
    return out.stdout.strip()


class Site:
    """A device `gateway` with its services at a place; workstations open ways to it."""

    def __init__(self, t, place, services, options=(), authorized=("oli",), device_options=None):
        self.t, self.place = t, place
        self.state = t.directory / "client-gateway.state"
        self.authorize(*authorized)
        at = [] if hasattr(place, "mqtt") else [*map(str, way(place)), "--server-key", "none"]
        self.device = Client(t.directory, "gateway", getattr(place, "mqtt", 1), services, [*at, *options])
        t.programs.append(self.device)
        self.device.wait_log("connected to")

    def authorize(self, *lines):
        """Names of workstations, with options behind a space."""
        self.state.mkdir(mode=0o700, exist_ok=True)
        fresh = self.state / "authorized_peers.new"
        fresh.write_text("".join(
            f"{name} {fingerprint(self.t.directory, name)} {options}\n"
            for name, _, options in (line.partition(" ") for line in lines)))
        os.replace(fresh, self.state / "authorized_peers")

    def workstation(self, *arguments, name="oli", **rest):
        program = Workstation(self.t.directory, self.place, arguments, name, **rest)
        self.t.programs.append(program)
        return program

    def way(self, *arguments, **rest):
        """A workstation with one way that is open, and its port."""
        program = self.workstation(*(arguments or ("gateway",)), **rest)
        return program, program.wait_ports()[0]

    def stdio(self, *arguments, name="oli", stdin=subprocess.PIPE, stdout=subprocess.PIPE):
        """A process with pipes; its stderr goes to a file."""
        with open(self.t.directory / f"stdio-{name}.err", "ab") as err:
            return subprocess.Popen(self.command("-W", *arguments, name=name), stdin=stdin, stdout=stdout, stderr=err,
                                    preexec_fn=raise_limits)

    def command(self, *arguments, name="oli"):
        return [str(word) for word in (Program.find(CONNECT), *way(self.place), "--state-dir",
                                       self.t.directory / f"{name}.workstation", *arguments)]


def dial(port, timeout=10, **options):
    sock = socket.create_connection(("127.0.0.1", port), seconds(timeout))
    return Peer(sock, timeout)


def is_turned_away(port, within=2):
    """A connection there ends, in one way or another, and soon."""
    began = time.monotonic()
    with contextlib.suppress(ConnectionError, Closed):
        with dial(port, within) as peer:
            peer.send(b"first")
            peer.read_rest()
    return time.monotonic() - began < seconds(within)


def echo(peer, _origin):
    """Bytes back as they come, and the end after the end."""
    while True:
        data = peer.sock.recv(1 << 16)
        if not data:
            peer.sock.shutdown(socket.SHUT_WR)
            return
        peer.send(data)


__all__ = ["CONNECT", "Site", "Workstation", "dial", "echo", "is_turned_away", "fingerprint", "wait_until", "way"]
