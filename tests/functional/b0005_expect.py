#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Expect: 100-continue (RFC 9110 10.1.1)."""
import time

from lib import check, main, response, same, seconds, story

FIELDS = [("Expect", "100-continue"), ("Content-Length", "5")]


def read_100_then_send(visitor, body):
    """What a patient visitor does: the body only after a 100, or the final answer without one."""
    head = visitor.read_head()
    if head.status != 100:
        visitor.read_body(head, request=False)
        return head
    visitor.send(body)
    return visitor.read_response()


@story("a visitor that waits for 100 gets it, also of a service that never says it, and its body arrives")
def _(t):
    origin = t.origin(lambda r: response(200, r.body))
    tunnel = t.tunnel({"hello": origin})
    with tunnel.visit() as visitor:
        for _ in range(3):
            began = time.monotonic()
            visitor.send(tunnel.request(method="POST", fields=FIELDS))
            answer = read_100_then_send(visitor, b"12345")
            same((answer.status, answer.body), (200, b"12345"), "answer")
            check(time.monotonic() - began < seconds(0.9), f"sooner than curl gives up waiting: it took {time.monotonic() - began:.2f} s")


@story("a service that sends 100 itself, and one that waits for the body first")
def _(t):
    def serve(peer, origin):
        while (request := peer.read_head()) is not None:
            if request.get("Expect"):
                peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            peer.read_body(request, request=True)
            peer.send(response(200, request.body))

    tunnel = t.tunnel({"hello": t.origin(serve)})
    with tunnel.visit() as visitor:
        for _ in range(3):
            visitor.send(tunnel.request(method="PUT", fields=FIELDS))
            same(read_100_then_send(visitor, b"abcde").body, b"abcde", "answer")


@story("a service that refuses with 417 or 413 is heard")
def _(t):
    def refusing(status):
        def serve(peer, origin):
            peer.read_head()
            peer.send(response(status, b"no", ("Connection", "close"), reason="No"))
            peer.is_closed(5)

        return serve

    tunnel = t.tunnel({f"s{status}": t.origin(refusing(status)) for status in (417, 413)})
    for status in (417, 413):
        with tunnel.visit() as visitor:
            visitor.send(tunnel.request(f"s{status}", method="POST", fields=FIELDS))
            answer = read_100_then_send(visitor, b"12345")
            same((answer.status, answer.body), (status, b"no"), "answer")


@story("a visitor that does not wait for the 100")
def _(t):
    tunnel = t.tunnel({"hello": t.origin(lambda r: response(200, r.body))})
    with tunnel.visit() as visitor:
        visitor.send(tunnel.request(method="POST", fields=FIELDS) + b"12345")
        same(visitor.read_response().body, b"12345", "answer")
        visitor.send(
            tunnel.request(method="POST", fields=[("Expect", "100-continue"), ("Transfer-Encoding", "chunked")])
            + b"3\r\nabc\r\n0\r\n\r\n"
        )
        same(visitor.read_response().body, b"abc", "answer to a chunked one")


main()
