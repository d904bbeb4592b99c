#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Limits on what strangers may use: each with its refusal, its counter, and room again afterwards. Those of rules are in u0001 and
u0002, those on a client's session in h0007."""
import contextlib
import json
import socket
import time

from lib import Closed, Peer, check, connect, main, request_bytes, response, same, seconds, story, wait_until
from lib.secure import Certificate, context, secure
from lib.websocket import HANDSHAKE, Echo

FRONT, TRUSTED = "127.0.0.2", "127.0.0.3"


def visit(port, source="127.0.0.1", before=b""):
    peer = Peer(socket.create_connection(("127.0.0.1", port), seconds(10), source_address=(source, 0)))
    peer.send(before)
    return peer


def counters(tunnel):
    with visit(tunnel.server.http, TRUSTED) as visitor:
        answer = visitor.ask(host="127.0.0.1", fields=[("Accept", "application/json")])
        if answer.status != 200:
            raise Closed(answer.error)
        return json.loads(answer.body)["counters"]


def count(tunnel, name):
    """-1: there is no room to ask just now."""
    with contextlib.suppress(Closed):
        return counters(tunnel)[name]
    return -1


def in_front(source):
    return f"PROXY TCP4 {source} 127.0.0.1 4711 80\r\n".encode()


@story("visitors' connections: from one address, in all, over TLS and behind a PROXY head; 503 or a close, and room again")
def _(t):
    ours = Certificate(t.directory)
    echo = t.keep(Echo())
    tunnel = t.tunnel({"hello": t.origin(), "ws": echo.port},
                      server=[*ours.options, "--visitors", 8, "--visitors-per-address", 3, "--proxy-protocol-from", FRONT,
                              "--trusted-proxies", TRUSTED])
    host, http, https = tunnel.host("hello"), tunnel.server.http, tunnel.server.https
    wait_until(lambda: count(tunnel, "visitors") == 1, "those who asked for tim are gone")
    with contextlib.ExitStack() as stack:
        stay = stack.enter_context
        first = stay(visit(http))
        second = stay(secure(https, host, context(ours)))
        third = stay(visit(http))
        for visitor in first, second, third:
            same(visitor.ask(host=host).body, b"hello\n", "one of three")
        same(third.ask(host=tunnel.host("ws"), fields=HANDSHAKE).status, 101, "a WebSocket goes on counting")
        with visit(http) as fourth:
            answer = fourth.read_response()  # not even asked
            same((answer.status, answer.error, answer.get("Connection"), answer.get("Retry-After")), (503, "limit", "close", "5"),
                 "a fourth one")
            check(answer.get("Date") and fourth.is_closed(), "and closed")
        with contextlib.suppress(ConnectionError, OSError):
            secure(https, host, context(ours)).close()
            check(False, "TLS is not begun with a fourth one")
        # The address that a front proxy names is what counts, and a proxy of fields counts for none.
        behind = [stay(visit(http, FRONT, in_front("192.0.2.7"))) for _ in range(3)]
        for visitor in behind:
            same(visitor.ask(host=host).status, 200, "three behind the proxy")
        with visit(http, FRONT, in_front("192.0.2.7")) as late:
            same(late.read_response().error, "limit", "a fourth one behind the proxy")
        with visit(http, FRONT, in_front("192.0.2.8")) as other:
            same(other.ask(host=host).status, 200, "another one")
        wait_until(lambda: count(tunnel, "visitors") in range(7), "it is gone")
        full = []
        wait_until(lambda: len(full) == 2 or let_in(full, visit(http, TRUSTED), host), "trusted: as many as there is room for")
        with visit(http, TRUSTED) as ninth:
            same(ninth.read_response().error, "limit", "in all")
        for visitor in full:
            visitor.close()
        wait_until(lambda: count(tunnel, "visitors_refused") >= 4, "they are counted")
    wait_until(lambda: visit_ok(http, host), "there is room again")
    wait_until(lambda: count(tunnel, "visitors") == 1, "nobody is left")


def let_in(visitors, visitor, host):
    """Kept when there was room; true when there are two of them."""
    with contextlib.suppress(Closed):
        if visitor.ask(host=host).status == 200:
            visitors.append(visitor)
            return len(visitors) == 2
    visitor.close()
    return False


def visit_ok(port, host):
    with visit(port) as visitor, contextlib.suppress(Closed):
        return visitor.ask(host=host).status == 200


@story("a head that does not come to its end in time: 408, also on a kept connection and over TLS; a body: 408; no request: closed")
def _(t):
    ours = Certificate(t.directory)
    tunnel = t.tunnel({"hello": t.origin()}, server=[*ours.options, "--head-timeout", 1, "--stall-timeout", 1, "--idle-timeout", 1])
    host, http = tunnel.host("hello"), tunnel.server.http
    head = request_bytes(host=host)
    began = time.monotonic()

    def kept(visitor):
        same(visitor.ask(host=host).status, 200, "the request before")
        time.sleep(0.1)  # beyond the resolution of the kernel's clock
        return visitor

    def says(visitor, start):
        visitor.send(start)
        return visitor

    post = tunnel.request(method="POST", fields=[("Content-Length", "100")])
    chunked = tunnel.request(method="POST", fields=[("Transfer-Encoding", "chunked")])
    late = {
        "nothing but a letter": says(connect(http), b"G"),
        "over TLS": says(secure(tunnel.server.https, host, context(ours)), head[:-2]),
        "a second head": says(kept(connect(http)), head[:10]),
        "a second head over TLS": says(kept(secure(tunnel.server.https, host, context(ours))), head[:10]),
        "a body": says(connect(http), post + b"some"),
        "a chunked body over TLS": says(secure(tunnel.server.https, host, context(ours)), chunked + b"5\r\nab"),
        "a head without its end": says(connect(http), head[:-2]),
    }
    idle = {"silent": connect(http), "asked once": kept(connect(http)), "silent, TLS": secure(tunnel.server.https, host, context(ours))}
    with contextlib.suppress(OSError):
        for _ in range(5):  # a byte now and then buys no time
            time.sleep(0.1)
            late["a head without its end"].send(b"x")
    for what, visitor in late.items():
        answer = visitor.read_response()
        same((answer.status, answer.error, answer.get("Connection")), (408, "request-timeout", "close"), what)
        check(visitor.is_closed(), f"{what}: closed")
    for what, visitor in idle.items():
        with contextlib.suppress(Closed):
            same(visitor.read_rest(), b"", what)
    check(time.monotonic() - began < seconds(5), f"it took {time.monotonic() - began:.1f} s")
    seen = counters(tunnel)
    same((seen["heads_late"], seen["bodies_stalled"], seen["visitors_idle"] >= 3), (5, 2, True), "counters")
    same(tunnel.ask().status, 200, "others are served")


@story("requests of one connection, bytes of a head, new streams of one address: the last answer says close, 431, 429")
def _(t):
    echo = t.keep(Echo())
    tunnel = t.tunnel({"hello": t.origin(), "ws": echo.port},
                      server=["--connection-requests", 3, "--max-head", 16384, "--visitor-opens", 1, "--trusted-proxies", TRUSTED,
                              "--workers", 1])
    for target in ("/", ""):  # the service's answers, and our own pages
        with tunnel.visit() as visitor:
            ask = dict(host=tunnel.host("hello") if target else "nobody.example.com")
            same([visitor.ask(**ask).get("Connection") for _ in range(3)], [None, None, "close"], "answers")
            check(visitor.is_closed(), "after the third")
    same(tunnel.ask(fields=[("X-Large", "x" * 12000)]).status, 200, "a large head")
    same(tunnel.ask(fields=[("X-Large", "x" * 17000)]).status, 431, "a larger one")
    with contextlib.ExitStack() as stack:
        visitors = [stack.enter_context(tunnel.visit()) for _ in range(12)]
        for visitor in visitors:  # at once, however slow the machine is
            visitor.send(tunnel.request("ws", fields=HANDSHAKE))
        answers = [visitor.read_response() for visitor in visitors]
        check(101 in {a.status for a in answers}, "a first WebSocket")
        refused = [a for a in answers if a.status != 101]
        same({(a.status, a.error, a.get("Retry-After")) for a in refused}, {(429, "too-many-requests", "1")}, "too many")
    same(tunnel.ask().status, 200, "an idle stream is taken, none opened")
    with visit(tunnel.server.http, TRUSTED) as visitor:
        same(visitor.ask(host=tunnel.host("ws"), fields=[*HANDSHAKE, ("X-Forwarded-For", "192.0.2.1")]).status, 101, "another address")
    seen = counters(tunnel)
    check(seen["denied_opens"] >= 1 and seen["visitors_used_up"] == 2 and seen["heads_refused"] == 1, seen)


@story("clients' connections that do not say who they are: from one address, in all, and how long", only="plain")
def _(t):
    tunnel = t.tunnel({"hello": t.origin()},
                      server=["--connecting", 4, "--connecting-per-address", 2, "--connect-timeout", 1, "--trusted-proxies", TRUSTED])
    mqtt = tunnel.server.mqtt
    silent = [visit(mqtt) for _ in range(2)]
    with visit(mqtt) as third:
        check(third.is_closed(1), "a third one from here")
    silent += [visit(mqtt, FRONT), visit(mqtt, TRUSTED)]
    with visit(mqtt, "127.0.0.4") as fifth:
        check(fifth.is_closed(1), "a fifth one in all")
    for visitor in silent:
        check(visitor.is_closed(3), "closed after a second")
    seen = counters(tunnel)
    check(seen["broker_refused"] >= 2 and seen["broker_timeouts"] >= 4, seen)
    same(tunnel.ask().status, 200, "the client that is there stays")


main()
