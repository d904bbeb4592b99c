#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Server-sent events, and visitors that go away."""
import threading
import time

from lib import Closed, check, main, response, same, seconds, story, wait_until

SSE_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n"


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


@story("each event arrives within 150 ms, chunked or close-delimited")
def _(t):
    sent = {}
    stop = threading.Event()

    def serve(peer, origin):
        request = peer.read_request()
        chunked = request.target == "/chunked"
        peer.send(SSE_HEAD + (b"Transfer-Encoding: chunked\r\n" if chunked else b"") + b"\r\n")
        for number in range(30):
            event = b"data: %d\n\n" % number
            sent[number] = time.monotonic()
            peer.send(chunk(event) if chunked else event)
            stop.wait(0.003 + 0.01 * (number % 4))  # the rhythm of the events, not a synchronisation

    tunnel = t.tunnel({"hello": t.origin(serve)})
    for target in ("/chunked", "/close"):
        sent.clear()
        with tunnel.visit() as visitor:
            visitor.send(tunnel.request(target=target))
            visitor.read_head()
            for number in range(30):
                visitor.read_until(b"data: %d\n\n" % number)
                late = time.monotonic() - sent[number]
                check(late < seconds(0.15), f"{target}: event {number} took {late * 1000:.0f} ms")


@story("the head of a stream arrives before its first event")
def _(t):
    go_on = threading.Event()

    def serve(peer, origin):
        peer.read_request()
        peer.send(SSE_HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        go_on.wait(seconds(10))
        peer.send(chunk(b"data: x\n\n") + b"0\r\n\r\n")
        peer.read_head()

    tunnel = t.tunnel({"hello": t.origin(serve)})
    with tunnel.visit() as visitor:
        visitor.send(tunnel.request())
        same(visitor.read_head().get("Content-Type"), "text/event-stream", "Content-Type")
        go_on.set()
        visitor.read_until(b"0\r\n\r\n")


def gone_within(t, serve, leave, read_first=True):
    """The service's connection must end within a second of the visitor's leaving."""
    ended = threading.Event()

    def serve_and_tell(peer, origin):
        try:
            serve(peer, origin)
        except (Closed, ConnectionError):
            pass
        ended.set()

    origin = t.origin(serve_and_tell)
    tunnel = t.tunnel({"hello": origin})
    visitor = tunnel.visit()
    visitor.send(tunnel.request())
    if read_first:
        visitor.read_head()
        visitor.read_exact(10)
    else:
        wait_until(lambda: origin.requests, "the request arrives")
    left = time.monotonic()
    leave(visitor)
    check(ended.wait(seconds(5)), "the service's connection ends")
    took = time.monotonic() - left
    check(took < seconds(1), f"it took {took:.2f} s")


def flowing(peer, origin):
    peer.read_request()
    peer.send(SSE_HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    while not origin.gone.is_set():
        peer.send(chunk(b"x" * 10000))


def stalled(peer, origin):
    peer.read_request()
    peer.send(SSE_HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunk(b"data: first\n\n"))
    peer.fill()


@story("a tab closed while data flows: the local connection ends within a second")
def _(t):
    gone_within(t, flowing, lambda visitor: visitor.close())


@story("a tab closed while nothing comes: the local connection ends within a second")
def _(t):
    gone_within(t, stalled, lambda visitor: visitor.close())


@story("a visitor that resets: the local connection ends within a second")
def _(t):
    gone_within(t, stalled, lambda visitor: visitor.reset())


@story("a visitor that resets before any answer: the local connection ends within a second")
def _(t):
    def serve(peer, origin):
        origin.requests.append(peer.read_request())
        peer.fill()

    gone_within(t, serve, lambda visitor: visitor.reset(), read_first=False)


@story("an upload that stops with a reset reaches the service as a cut")
def _(t):
    outcome = []

    def serve(peer, origin):
        request = peer.read_head()
        origin.requests.append(request)
        try:
            peer.read_exact(int(request.get("Content-Length")))
            outcome.append("whole")
        except Closed:
            outcome.append("cut")

    origin = t.origin(serve)
    tunnel = t.tunnel({"hello": origin})
    visitor = tunnel.visit()
    visitor.send(tunnel.request(method="POST", fields=[("Content-Length", "1000000")]) + b"x" * 5000)
    wait_until(lambda: origin.requests, "the request arrives")
    visitor.reset()
    wait_until(lambda: outcome, "the service's connection ends")
    same(outcome, ["cut"], "outcome")


@story("after a hundred visitors that went away nothing is left open")
def _(t):
    go_on = threading.Event()

    def serve(peer, origin):
        while (request := peer.read_request()) is not None:
            if request.target == "/quick":
                peer.send(response(200, b"quick"))
                continue
            peer.send(SSE_HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunk(b"data: first\n\n"))
            peer.fill()
            return

    origin = t.origin(serve)
    tunnel = t.tunnel({"hello": origin})
    tunnel.ask(target="/quick")
    before = [program.fds() for program in tunnel.programs]
    visitors = []
    for _ in range(100):
        visitor = tunnel.visit()
        visitor.send(tunnel.request())
        visitors.append(visitor)
    for visitor in visitors:
        visitor.read_head()
    for visitor in visitors:
        visitor.close()
    go_on.set()
    wait_until(
        lambda: all(p.fds() <= b + 3 for p, b in zip(tunnel.programs, before)), "descriptors are closed again", 5
    )
    same(tunnel.ask(target="/quick").body, b"quick", "afterwards")


main()
