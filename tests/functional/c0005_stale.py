#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Connections to services that are kept for reuse."""
from lib import check, main, response, same, story, wait_until


@story("the service is started again while idle connections to it are kept: nobody notices")
def _(t):
    origin = t.origin(lambda r: response(200, r.method.encode()))
    tunnel = t.tunnel({"hello": origin})
    with tunnel.visit() as visitor:
        for _ in range(10):
            same(visitor.ask(host=tunnel.host("hello")).body, b"GET", "answer")
            origin.stop()
            origin.start()
            same(visitor.ask(host=tunnel.host("hello")).body, b"GET", "answer after the service was started again")


@story("a service that closes after each answer without saying so: every GET is served")
def _(t):
    def serve(peer, origin):
        if peer.read_request():
            origin.requests.append(1)
            peer.send(response(200, b"once"))

    origin = t.origin(serve)
    tunnel = t.tunnel({"hello": origin})
    with tunnel.visit() as visitor:
        for _ in range(100):
            same(visitor.ask(host=tunnel.host("hello")).body, b"once", "answer")
    same(len(origin.requests), 100, "requests at the service")


@story("a service that reads a repeated request and closes: a POST is not sent twice")
def _(t):
    def serve(peer, origin):
        while (request := peer.read_request()) is not None:
            origin.requests.append(request)
            if request.target == "/die":
                return
            peer.send(response(200, b"ok"))

    origin = t.origin(serve)
    tunnel = t.tunnel({"hello": origin})
    with tunnel.visit() as visitor:
        same(visitor.ask(host=tunnel.host("hello")).body, b"ok", "first")
        answer = visitor.ask("POST", "/die", host=tunnel.host("hello"), body=b"pay")
        same((answer.status, answer.error), (502, "service-closed"), "answer")
    same([r.target for r in origin.requests].count("/die"), 1, "times that the service saw the POST")


@story("the service sends bytes nobody asked for on an idle connection: it is not used again")
def _(t):
    dropped = []

    def serve(peer, origin):
        if peer.read_request() is not None:
            peer.send(response(200, b"right"))
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong")
            if peer.is_closed(10):
                dropped.append(peer)

    tunnel = t.tunnel({"hello": t.origin(serve)})
    with tunnel.visit() as visitor:
        for number in range(1, 11):
            same(visitor.ask(host=tunnel.host("hello")).body, b"right", "answer")
            wait_until(lambda number=number: len(dropped) == number, "the connection is not kept")


@story("the service goes and comes: 502 while it is away, served when it is back")
def _(t):
    origin = t.origin()
    tunnel = t.tunnel({"hello": origin})
    same(tunnel.ask().body, b"hello\n", "before")
    origin.stop()
    answer = tunnel.ask()
    same((answer.status, answer.error), (502, "service-refused"), "while it is away")
    origin.start()
    wait_until(lambda: tunnel.ask().status == 200, "it serves again", 3)
    check(origin.accepted >= 2, "a new connection")


main()
