#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The main job: a local service under a public name."""
import errno

from lib import check, connect, main, same, skip, story
from lib.example import example


@story("GET answers with the service's status, header and bytes")
def _(t):
    origin = t.origin(
        b"HTTP/1.1 201 Created\r\nContent-Type: text/x-odd\r\nX-One: 1\r\nContent-Length: 3\r\n\r\nab\0"
    )
    tunnel = t.tunnel({"hello": origin})
    answer = tunnel.ask(target="/some/where?x=y")
    same(
        (answer.status, answer.get("Content-Type"), answer.get("X-One"), answer.body),
        (201, "text/x-odd", "1", b"ab\0"),
    )
    same([(r.method, r.target) for r in origin.requests], [("GET", "/some/where?x=y")], "what the service was asked")
    same(answer.error, None, "X-Mdm-Tunnel-Error")


@story("a keep-alive connection takes many requests, and so does the one to the service")
def _(t):
    origin = t.origin(
        lambda r: b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(r.target), r.target.encode())
    )
    tunnel = t.tunnel({"hello": origin})
    with tunnel.visit() as visitor:
        for number in range(100):
            answer = visitor.ask(target=f"/{number}", host=tunnel.host("hello"))
            same((answer.status, answer.body), (200, b"/%d" % number), "answer")
    check(origin.accepted <= 2, f"{origin.accepted} connections to the service for 100 requests")


@story("the example hello-world greets through the tunnel")
def _(t):
    tunnel = t.tunnel({"hello-world": example(t, "hello-world")})
    answer = tunnel.ask("hello-world", target="/some/where")
    same(answer.body, b"Hello World\nYou asked hello-world.tim.example.com for /some/where.\n", "text")
    answer = tunnel.ask("hello-world", target="/%3Cb%3E", fields=[("Accept", "text/html")])
    check(b"<code>/&lt;b&gt;</code>" in answer.body, f"page: {answer.body!r}")
    same(tunnel.ask("hello-world", "POST", body=b"x").status, 405, "POST")


@story("the example websockets serves its page and echoes")
def _(t):
    tunnel = t.tunnel({"websockets": example(t, "websockets")})
    check(b"new WebSocket" in tunnel.ask("websockets").body, "page")
    with tunnel.visit() as visitor:
        visitor.send(
            tunnel.request(
                "websockets",
                fields=[
                    ("Connection", "Upgrade"),
                    ("Upgrade", "websocket"),
                    ("Sec-WebSocket-Version", "13"),
                    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
                ],
            )
        )
        answer = visitor.read_response()
        same((answer.status, answer.get("Sec-WebSocket-Accept")), (101, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "handshake")
        visitor.send(bytes([0x81, 0x82, 0, 0, 0, 0]) + b"hi")
        same(visitor.read_exact(4), b"\x81\x02hi", "echo")


@story("without --bind visitors come over IPv4 and IPv6")
def _(t):
    tunnel = t.tunnel({"hello": t.origin()}, server=["--any-address"])
    with connect(tunnel.server.http, "127.0.0.1") as visitor:
        same(visitor.ask(host=tunnel.host("hello")).body, b"hello\n", "answer over IPv4")
    try:
        visitor = connect(tunnel.server.http, "::1")
    except OSError as error:
        if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
            skip("there is no IPv6 here")
        raise
    with visitor:
        same(visitor.ask(host=tunnel.host("hello")).body, b"hello\n", "answer over IPv6")


main()
