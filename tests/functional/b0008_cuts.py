#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A response cut short is seen as a cut, never as a clean end."""
from lib import Closed, Cut, check, main, response, same, story


def cut_by(t, sent, reset):
    def serve(peer, origin):
        peer.read_request()
        peer.send(sent)
        if reset:
            origin.gone.wait()

    origin = t.origin(serve)
    tunnel = t.tunnel({"hello": origin})
    with tunnel.visit() as visitor:
        visitor.send(tunnel.request())
        head = visitor.read_head()
        same(head.status, 200, "status")
        if reset:
            first = visitor.read_until(b"some")
            visitor.buffer = first + visitor.buffer
            origin.peers[0].reset()
        try:
            visitor.read_body(head, request=False)
        except Cut as cut:
            check(
                b"some" in cut.partial or cut.partial.startswith(b"4\r\n") or not cut.partial,
                f"partial: {cut.partial!r}",
            )
            return
        if head.get("Content-Length") is None and not head.has_token("Transfer-Encoding", "chunked"):
            check(False, "the visitor cannot tell the cut from an end: close-delimited, closed cleanly")
        check(False, f"no cut is seen: {head} {head.body[:100]!r}")


@story("Content-Length cut by a close")
def _(t):
    cut_by(t, b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nsome", False)


@story("chunked cut by a close, between chunks")
def _(t):
    cut_by(t, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n", False)


@story("chunked cut by a close, inside a chunk")
def _(t):
    cut_by(t, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n400\r\nsome", False)


@story("chunked with a wrong size")
def _(t):
    cut_by(t, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\nzz\r\nmore\r\n0\r\n\r\n", False)


@story("Content-Length cut by a reset")
def _(t):
    cut_by(t, b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nsome", True)


@story("chunked cut by a reset")
def _(t):
    cut_by(t, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n", True)


@story("close-delimited cut by a reset")
def _(t):
    cut_by(t, b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nsome", True)


@story("an HTTP/1.0 visitor sees a cut as a reset or a missing rest")
def _(t):
    def serve(peer, origin):
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nsome")

    tunnel = t.tunnel({"hello": t.origin(serve)})
    with tunnel.visit() as visitor:
        visitor.send(tunnel.request(version="HTTP/1.0"))
        head = visitor.read_head()
        try:
            visitor.read_body(head, request=False)
            check(False, f"no cut is seen: {head} {head.body!r}")
        except (Cut, Closed):
            pass


@story("the client ends in the middle of a response: a cut, and then client-offline")
def _(t):
    def serve(peer, origin):
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nsome")
        peer.read_head()

    tunnel = t.tunnel({"hello": t.origin(serve)})
    with tunnel.visit(timeout=90) as visitor:
        visitor.send(tunnel.request())
        head = visitor.read_head()
        visitor.read_exact(4)
        tunnel.client.stop(30)
        try:
            visitor.read_body(head, request=False)
            check(False, "no cut is seen")
        except Cut:
            pass
    answer = tunnel.ask()
    same((answer.status, answer.error), (503, "client-offline"), "afterwards")


@story("the bytes behind a complete response do not reach the next visitor")
def _(t):
    tunnel = t.tunnel(
        {"hello": t.origin(response(200, b"right") + b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong")}
    )
    for _ in range(10):
        same(tunnel.ask().body, b"right", "answer")


main()
