#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A workstation reaches a device by its name: through the server's broker, and through one that is not ours."""
import contextlib
import hashlib
import os
import signal
import socket
import threading
import time

from lib import Closed, check, main, same, seconds, story, wait_until
from lib.load import BIG
from lib.mosquitto import Mosquitto
from lib.workstation import Site, dial, echo, is_turned_away


def site(t, services, broker=False, **rest):
    place = t.keep(Mosquitto(t.directory)) if broker else t.tunnel().server
    return Site(t, place, services, **rest)


@story("the device's ssh, said step by step; bytes and half-close pass; Ctrl-C ends it at both ends")
def _(t):
    origin = t.origin(echo)
    s = site(t, {"ssh": origin, "web": 9})
    program, port = s.way()
    for word in ("connecting to", "connected to", "gateway is there", "seen for the first time", "gateway/ssh is at 127.0.0.1:"):
        check(word in program.log, f"{word!r} is said")
    check(all(line[:7].strip().replace(".", "").isdigit() for line in program.log.splitlines()), "each step has its time")
    check(f"ssh user@localhost -p {port}\n" in program.stdout and f"-p {port} -L " in program.stdout, program.stdout)
    with dial(port) as peer:
        peer.send(b"first bytes")
        same(peer.read_exact(11), b"first bytes", "echo")
        peer.sock.shutdown(socket.SHUT_WR)
        same(peer.read_rest(), b"", "after the end comes the end")
    s.device.wait_log("gateway/ssh#.* ended by oli: 11 bytes to the service, 11 from it in ")
    with dial(port) as peer:
        peer.send(b"x")
        same(peer.read_exact(1), b"x", "echo")
        program.signal(signal.SIGINT)
        began = time.monotonic()
        try:
            same(peer.read_rest(), b"", "cut here")
        except Closed:
            pass
        wait_until(lambda: origin.open_connections == 0, "closed there")
        check(time.monotonic() - began < seconds(1), "within a second")
    same(program.wait_exit(), 0, "exit status")
    s.device.wait_log("session with .* ended")


@story("the only service, several at once, a web page with its URL, an address of one's own")
def _(t):
    s = site(t, {"web": t.origin()})
    program, port = s.way("gateway")
    check(f"http://localhost:{port}/\n" == program.stdout, program.stdout)
    with dial(port) as peer:
        same(peer.ask(host="x").body, b"hello\n", "answer")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        refused = s.workstation("-l", number, "gateway", label="taken")
        same(refused.wait_exit(), 1, "a port that is taken")
        check("in use" in refused.log, refused.log)
    there, port = s.way("-l", f"localhost:{number}", "gateway/web", label="there")
    same(port, number, "the port that was asked for")
    both = s.workstation("gateway/web", "gateway", label="both")
    for port in both.wait_ports(2):
        with dial(port) as peer:
            same(peer.ask(host="x").body, b"hello\n", "answer")


@story("a refused target, an unknown service, an unknown device: said with the reason, and quickly")
def _(t):
    origin = t.origin(echo)
    s = site(t, {"ssh": origin, "web": 9})
    origin.stop_listening()
    program, port = s.way()
    check(is_turned_away(port), "the local connection ends within 2 s")
    program.wait_log("gateway/ssh#.*the service does not accept connections")
    s.device.wait_log("does not accept connections: Connection refused")
    for arguments, word in ((("gateway/nothing",), "offers ssh, web"), (("nobody", "--timeout", 1), "no device nobody")):
        other = s.workstation(*arguments, label=f"other-{arguments[0].replace('/', '-')}")
        same(other.wait_exit(), 1, "exit status")
        check(word in other.log, other.log)


@story("who is not in authorized_peers is told the line that is missing; an edit lets in and shuts out at once")
def _(t):
    s = site(t, {"ssh": t.origin(echo), "web": t.origin(echo)}, authorized=())
    stranger = s.workstation("gateway")
    same(stranger.wait_exit(), 1, "exit status")
    check("SHA256:" in stranger.log and "authorized_peers" in stranger.log, stranger.log)
    s.device.wait_log("wants in. To let it, add a line")
    s.authorize("oli services=ssh", "expired expires=2020-01-01")
    s.device.wait_log("read authorized_peers again")
    program, port = s.way("gateway/ssh", label="again")
    with dial(port) as peer:
        peer.send(b"x")
        same(peer.read_exact(1), b"x", "echo")
        other, other_port = s.way("gateway/web", label="other")
        check(is_turned_away(other_port), "the refused one ends")
        other.wait_log("the device does not let this key use the service")
        s.device.wait_log("not in services= of line 1")
        late = s.workstation("gateway", name="expired")
        same(late.wait_exit(), 1, "exit status")
        s.device.wait_log("line 2 of .* has expired")
        s.authorize()
        check(peer.is_closed(5), "the connection ends")
    same([program.wait_exit(), other.wait_exit()], [1, 1], "shut out")


@story("another key than the device's known one: nothing passes")
def _(t):
    s = site(t, {"ssh": t.origin(echo)})
    program, _port = s.way()
    program.stop()
    known = t.directory / "oli.workstation" / "known_devices"
    name, key = known.read_text().split()
    known.write_text(f"{name} {key[:10]}{'B' if key[10] != 'B' else 'C'}{key[11:]}\n")
    other = s.workstation("gateway", "--timeout", 1, label="other")
    same(other.wait_exit(), 1, "exit status")
    check("THE DEVICE'S KEY HAS CHANGED" in other.log, other.log)


@story("a port that the workstation names: none, unless the device allows it; several forwards at once")
def _(t):
    origin, second = t.origin(echo), t.origin(echo)
    s = site(t, {"web": t.origin()}, options=["--allow-ports", f"{origin.port},127.0.0.2:{second.port}"])
    program, port = s.way("-r", origin.port, "gateway")
    with dial(port) as peer:
        peer.send(b"x")
        same(peer.read_exact(1), b"x", "echo")
    several = s.workstation("-L", f"0:{origin.port}", "-L", f"0:localhost:{second.port}", "gateway", label="several")
    first_port, second_port = several.wait_ports(2)
    with dial(first_port) as peer:
        peer.send(b"y")
        same(peer.read_exact(1), b"y", "echo")
    check(is_turned_away(second_port), "the refused one ends")
    several.wait_log("the device does not let this key use the port")
    s.device.wait_log(f"oli wants localhost:{second.port}, .*--allow-ports {second.port}")


@story("through mosquitto without any server: 100 MiB each way at once, equal, nothing dropped; two workstations", only="plain",
       slow=True)
def _(t):
    sizes = [(1024 if BIG else 100) << 20, 1 << 20]
    block = os.urandom(1 << 20)
    s = site(t, {"ssh": t.origin(echo)}, broker=True, authorized=("oli", "eva"))
    dropped = s.place.watch("publish/messages/dropped")
    ways = [s.way(name=name)[1] for name in ("oli", "eva")]

    def send(peer, size):
        for _ in range(size >> 20):
            peer.send(block)
        peer.shut()

    def there_and_back(port, size, into):
        with dial(port, 60) as peer:
            sender = threading.Thread(target=send, args=(peer, size))
            sender.start()
            digest, count = hashlib.sha256(), 0
            while block := peer.sock.recv(1 << 20):
                digest.update(block)
                count += len(block)
            sender.join()
            into.append((count, digest.hexdigest()))

    results = []
    threads = [threading.Thread(target=there_and_back, args=(port, size, results)) for port, size in zip(ways, sizes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    want = [(size, hashlib.sha256(block * (size >> 20)).hexdigest()) for size in sizes]
    same(sorted(results), sorted(want), "what came back")
    same(dropped(), "0", "messages that mosquitto dropped")


@story("200 connections at once are served, 1,000 more one after the other leave nothing behind")
def _(t):
    origin = t.origin(echo)
    s = site(t, {"ssh": origin})
    program, port = s.way()
    peers = [dial(port) for _ in range(200)]
    for i, peer in enumerate(peers):
        peer.send(b"%06d" % i)
    for i, peer in enumerate(peers):
        same(peer.read_exact(6), b"%06d" % i, "echo")
    for peer in peers:
        peer.close()
    wait_until(lambda: origin.open_connections == 0, "all closed")
    before = [(p.fds(), p.rss()) for p in (program, s.device)]
    for i in range(1000):
        with dial(port) as peer:
            peer.send(b"%06d" % i)
            same(peer.read_exact(6), b"%06d" % i, "echo")
    wait_until(lambda: origin.open_connections == 0, "all closed")
    for p, (fds, rss) in zip((program, s.device), before):
        wait_until(lambda p=p, fds=fds: p.fds() <= fds, f"{p.label} has no more descriptors")
        check(p.rss() < rss + (8 << 20), f"{p.label} grew from {rss} to {p.rss()}")


@story("a close on either side is seen on the other within a second")
def _(t):
    def closes(peer, _origin):
        peer.read_exact(1)

    there = t.origin(echo)
    s = site(t, {"ssh": t.origin(closes), "echo": there})
    _program, port = s.way()
    with dial(port) as peer:
        peer.send(b"x")
        began = time.monotonic()
        same(peer.read_rest(), b"", "the end")
        check(time.monotonic() - began < seconds(1), "seen here")
    _program, port = s.way("gateway/echo", label="echo")
    with dial(port) as peer:
        peer.send(b"x")
        same(peer.read_exact(1), b"x", "echo")
        same(there.open_connections, 1, "open there")
        began = time.monotonic()
    wait_until(lambda: there.open_connections == 0, "closed there")
    check(time.monotonic() - began < seconds(1), "seen there")


def suppressed(deed, *arguments):
    with contextlib.suppress(OSError):
        deed(*arguments)


@story("the broker is started again in the middle of a transfer: it goes on; the device is killed in another one: said")
def _(t):
    size = 48 << 20
    data = os.urandom(1 << 20) * (size >> 20)
    origin = t.origin(echo)
    s = site(t, {"ssh": origin}, broker=True)
    program, port = s.way()
    with dial(port, 60) as peer:
        sender = threading.Thread(target=lambda: peer.send(data))
        sender.start()
        got = bytearray()
        while len(got) < size:
            if len(got) < size // 3 <= len(got) + (1 << 20):
                s.place.stop()
                s.place.start()
            got += peer.read_exact(1 << 20)
        sender.join()
    same(hashlib.sha256(got).hexdigest(), hashlib.sha256(data).hexdigest(), "what came back")
    program.wait_log("connected again")
    with dial(port, 60) as peer:
        sender = threading.Thread(target=lambda: suppressed(peer.send, data))
        sender.start()
        peer.read_exact(1 << 20)
        gone = program.log.count("gateway is gone")  # the other broker was
        s.device.kill()
        program.wait_log("gateway is gone", count=gone + 1)
        check(is_turned_away(port), "a new connection ends")
        program.wait_log("refused: the client is not connected now")
        program.signal(signal.SIGINT)  # the transfer waits for the device, up to --grace; its user does not
        sender.join()
    same(program.wait_exit(), 0, "exit status")


main()
