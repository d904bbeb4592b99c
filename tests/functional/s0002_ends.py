#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""When a session cannot go on its streams end at once, with the reason; and visitors wait for a client that is away."""
import select
import time

from lib import Closed, Cut, check, main, response, same, seconds, story, wait_until
from lib.load import UPGRADE
from lib.relay import Relay


class Streams:
    """One stream of each kind that waits: an answer that does not come, a body that goes on, a WebSocket."""

    def __init__(self, t):
        self.local_ends = []
        self.origin = t.origin(self.serve)

    def serve(self, peer, origin):
        request = peer.read_request()
        if request is None:
            return
        if request.target == "/hello":
            peer.send(response(200, b"hello\n"))
            return
        if request.target == "/body":
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nsome")
        if request.target == "/upgrade":
            peer.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        origin.requests.append(request.target)
        try:
            while peer.fill():
                pass
        except Closed:
            pass
        self.local_ends.append(request.target)

    def open(self, t, tunnel):
        self.tunnel = tunnel
        self.silent, self.body, self.upgrade = (t.keep(tunnel.visit(timeout=30)) for _ in range(3))
        self.silent.send(tunnel.request(target="/silent"))
        self.body.send(tunnel.request(target="/body"))
        self.upgrade.send(tunnel.request(target="/upgrade", fields=UPGRADE))
        self.body_head = self.body.read_head()
        self.body.read_exact(4)
        same(self.upgrade.read_response().status, 101, "status")
        wait_until(lambda: len(self.origin.requests) == 3, "the three requests arrive")

    def quiet(self, during):
        for peer in (self.silent, self.body, self.upgrade):
            check(peer.is_quiet(during), "the stream waits")

    def visitors_end(self, within, error):
        began = time.monotonic()
        answer = self.silent.read_response()
        same((answer.status, answer.error), (502, error), "the answer that did not come")
        try:
            self.body.read_body(self.body_head, request=False)
            check(False, "the body is not cut")
        except Cut:
            pass
        check(self.upgrade.is_closed(5), "the WebSocket is cut")
        took = time.monotonic() - began
        check(took < seconds(within), f"it took {took:.1f} s")

    def locals_end(self, within):
        wait_until(lambda: len(self.local_ends) == 3, "the local connections end", within)


def relayed(t, origin, server=()):
    tunnel = t.tunnel(server=server)
    relay = t.keep(Relay(tunnel.server.mqtt))
    direct, tunnel.server.mqtt = tunnel.server.mqtt, relay.port
    tunnel.client = tunnel.add_client("tim", {"hello": origin})
    tunnel.server.mqtt = direct
    return tunnel, relay


@story("the client stays away for longer than the grace time: streams end at both ends, and the name works again")
def _(t):
    streams = Streams(t)
    tunnel, relay = relayed(t, streams.origin, ["--grace", "2"])
    streams.open(t, tunnel)
    relay.refusing = True
    relay.cut()
    streams.quiet(0.3)
    streams.visitors_end(4, "session-lost")
    streams.locals_end(4)
    relay.refusing = False
    tunnel.wait_connected(limit=20)
    same(tunnel.ask(target="/hello").body, b"hello\n", "afterwards")


@story("the client is killed and started again: the streams of the old process end at once")
def _(t):
    streams = Streams(t)
    tunnel = t.tunnel({"hello": streams.origin})
    streams.open(t, tunnel)
    tunnel.client.kill()
    streams.quiet(0.3)
    tunnel.client = tunnel.add_client("tim", {"hello": streams.origin})
    streams.visitors_end(3, "session-unknown")
    same(tunnel.ask(target="/hello").body, b"hello\n", "afterwards")


@story("the server is killed and started again: the streams of the old process end at the client")
def _(t):
    streams = Streams(t)
    tunnel = t.tunnel({"hello": streams.origin})
    streams.open(t, tunnel)
    tunnel.server.kill()
    tunnel.restart_server()
    tunnel.wait_connected()
    streams.locals_end(4)
    same(tunnel.ask(target="/hello").body, b"hello\n", "afterwards")


@story("two clients of the same id and state directory run at the same time, one is killed: the other's streams go on")
def _(t):
    streams = Streams(t)
    tunnel = t.tunnel({"hello": streams.origin})
    streams.open(t, tunnel)
    state = ["--state-dir", str(tunnel.directory / "client-tim.state")]
    other = tunnel.add_client("tim", {"hello": streams.origin}, options=state, label="other")
    other.wait_log("connected to")
    other.kill()
    streams.quiet(1.5)


@story("the server ends: streams of its clients end at once, with SIGTERM")
def _(t):
    streams = Streams(t)
    tunnel = t.tunnel({"hello": streams.origin}, server=["--drain", "0.2"])
    streams.open(t, tunnel)
    same(tunnel.server.stop(), 0, "exit status")
    streams.locals_end(3)


@story("a client that was away leaves nothing behind: descriptors and streams are as before")
def _(t):
    streams = Streams(t)
    tunnel, relay = relayed(t, streams.origin, ["--grace", "1"])
    tunnel.ask(target="/hello")
    before = [program.fds() for program in tunnel.programs]
    for number in range(3):
        streams.origin.requests.clear()
        streams.local_ends.clear()
        streams.open(t, tunnel)
        relay.refusing = True
        relay.cut()
        streams.visitors_end(4, "session-lost")
        streams.locals_end(4)
        for peer in (streams.silent, streams.body, streams.upgrade):
            peer.close()
        relay.refusing = False
        tunnel.wait_connected(limit=20)
    tunnel.ask(target="/hello")
    wait_until(lambda: all(p.fds() <= b + 3 for p, b in zip(tunnel.programs, before)), "descriptors are closed again", 5)


@story("a visitor that comes while the client is away is served when it is back")
def _(t):
    origin = t.origin()
    tunnel, relay = relayed(t, origin)
    relay.refusing = True
    relay.cut()
    wait_until(lambda: "client is gone" in tunnel.server.log, "the server notices")
    with tunnel.visit(timeout=30) as visitor:
        visitor.send(tunnel.request())
        check(visitor.is_quiet(0.3), "it waits")
        relay.refusing = False
        same(visitor.read_response().body, b"hello\n", "answer")


@story("a visitor waits five seconds for a client that is away, then gets 503 with Retry-After")
def _(t):
    tunnel = t.tunnel({"hello": t.origin()})
    tunnel.client.kill()
    wait_until(lambda: "client is gone" in tunnel.server.log, "the server notices")
    began = time.monotonic()
    answer = tunnel.ask()
    took = time.monotonic() - began
    same((answer.status, answer.error), (503, "client-offline"), "answer")
    check(answer.get("Retry-After"), "Retry-After")
    check(4.5 < took < 5 + seconds(2), f"it waited {took:.1f} s")
    same(tunnel.ask(host="hello.nobody.example.com").status, 404, "an id that was never there does not wait")


@story("--hold 0: nobody waits")
def _(t):
    tunnel = t.tunnel({"hello": t.origin()}, server=["--hold", "0"])
    tunnel.client.kill()
    wait_until(lambda: "client is gone" in tunnel.server.log, "the server notices")
    began = time.monotonic()
    same(tunnel.ask().status, 503, "status")
    check(time.monotonic() - began < seconds(1), "at once")


@story("more visitors wait than may: those above the maximum get 503 at once, the others are served")
def _(t):
    origin = t.origin()
    tunnel = t.tunnel({"hello": origin}, server=["--hold", "30", "--workers", "1", "--visitors-per-address", "0"])
    tunnel.client.kill()
    wait_until(lambda: "client is gone" in tunnel.server.log, "the server notices")
    visitors = []
    for _ in range(1024 + 20):
        visitor = t.keep(tunnel.visit(timeout=40))
        visitor.send(tunnel.request())
        visitors.append(visitor)
    answered = select.poll()
    for visitor in visitors:
        answered.register(visitor.sock, select.POLLIN)
    # Which of them come last is the kernel's choice.
    wait_until(lambda: len(answered.poll(0)) >= 20, "those above the maximum are answered")
    early = {fd for fd, _ in answered.poll(0)}
    refused = [visitor for visitor in visitors if visitor.sock.fileno() in early]
    same(len(refused), 20, "above the maximum")
    for visitor in refused:
        answer = visitor.read_response()
        same((answer.status, answer.error), (503, "client-offline"), "above the maximum")
    tunnel.client = tunnel.add_client("tim", {"hello": origin}, label="back", wait=False)
    for visitor in visitors:
        if visitor in refused:
            continue
        same(visitor.read_response().body, b"hello\n", "answer to a visitor that waited")


main()
