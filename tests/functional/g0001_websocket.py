#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""WebSockets and other upgrades."""
import asyncio
import os
import threading

from lib import check, main, response, same, seconds, story, wait_until
from lib.websocket import HANDSHAKE, Echo, open_socket, run

UPGRADE = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"


@story("text, binary of 1 MiB, fragments, ping and pong")
def _(t):
    echo = t.keep(Echo())
    tunnel = t.tunnel({"hello": echo.port})

    async def visit():
        async with open_socket(tunnel, "/a%2Fb?c=d") as socket:
            for text in ("hi", "", "\u00e4\u20ac" * 1000):
                await socket.send(text)
                same(await socket.recv(), text, "text")
            for size in (0, 1, 125, 126, 65535, 65536, 1 << 20):
                data = os.urandom(size)
                await socket.send(data)
                check(await socket.recv() == data, f"binary of {size} bytes comes back")
            await socket.send(["one", "two", "three"])
            same(await socket.recv(), "onetwothree", "fragments")
            await (await socket.ping(b"are you there"))

    run(visit(), seconds(30))
    same(echo.paths, ["/a%2Fb?c=d"], "path")


@story("close codes and reasons pass both ways")
def _(t):
    echo = t.keep(Echo())
    tunnel = t.tunnel({"hello": echo.port})

    async def visit(mine=None, theirs=None):
        async with open_socket(tunnel) as socket:
            if mine:
                await socket.close(mine, "bye")
            else:
                await socket.send(f"close {theirs}")
                await socket.wait_closed()
            return socket.close_code, socket.close_reason

    same(run(visit(mine=4001), seconds(10))[0], 4001, "the visitor's code")
    wait_until(lambda: echo.closed, "the service sees the close")
    same(echo.closed, [(4001, "bye")], "what the service saw")
    for code in (1000, 1011, 4999):
        same(run(visit(theirs=code), seconds(10)), (code, "as you say"), "the service's code")


@story("200 WebSockets at once")
def _(t):
    echo = t.keep(Echo(backlog=1024))
    tunnel = t.tunnel({"hello": echo.port})

    async def visit(number):
        async with open_socket(tunnel) as socket:
            for round in range(5):
                text = f"{number} {round} " + "x" * 1000
                await socket.send(text)
                same(await socket.recv(), text, "echo")

    async def all_at_once():
        await asyncio.gather(*(visit(number) for number in range(200)))

    run(all_at_once(), seconds(60))


@story("a service that is gone without a close: the visitor's WebSocket ends; and the other way round")
def _(t):
    ended = threading.Event()

    def serve(peer, origin):
        peer.read_request()
        peer.send(UPGRADE)
        if peer.read_exact(3) == b"die":
            return
        peer.is_closed(10)
        ended.set()

    tunnel = t.tunnel({"hello": t.origin(serve)})
    fields = [("Connection", "Upgrade"), ("Upgrade", "echo")]
    with tunnel.visit() as visitor:
        visitor.send(tunnel.request(fields=fields))
        visitor.read_response()
        visitor.send(b"die")
        same(visitor.read_rest(), b"", "end")
    with tunnel.visit() as visitor:
        visitor.send(tunnel.request(fields=fields))
        visitor.read_response()
        visitor.send(b"xxx")
    check(ended.wait(seconds(2)), "the service's connection ends")


@story("bytes right behind the upgrade request, and right behind the 101")
def _(t):
    def serve(peer, origin):
        peer.read_request()
        peer.send(UPGRADE + b"first words")
        same(peer.read_exact(11), b"early bytes", "early bytes")
        peer.send(b"got them")
        peer.is_closed(5)

    origin = t.origin(serve)
    tunnel = t.tunnel({"hello": origin})
    for _ in range(10):
        with tunnel.visit() as visitor:
            visitor.send(tunnel.request(fields=[("Connection", "Upgrade"), ("Upgrade", "echo")]) + b"early bytes")
            answer = visitor.read_response()
            same((answer.status, answer.get("Upgrade")), (101, "echo"), "answer")
            check(answer.has_token("Connection", "upgrade"), "Connection: Upgrade")
            same(visitor.read_exact(19), b"first wordsgot them", "bytes")
    same(origin.troubles, [], "troubles")


@story("bytes behind an upgrade that is refused are not taken for anything else's")
def _(t):
    seen = []

    def serve(peer, origin):
        while (request := peer.read_head()) is not None:
            seen.append(request.start)
            peer.send(response(403, b"no", reason="Forbidden"))

    tunnel = t.tunnel({"hello": t.origin(serve)})
    with tunnel.visit() as visitor:
        visitor.send(tunnel.request(fields=[("Connection", "Upgrade"), ("Upgrade", "echo")]) + b"early bytes")
        same(visitor.read_response().status, 403, "status")
        visitor.is_closed(1)
    with tunnel.visit() as visitor:
        same(visitor.ask(host=tunnel.host("hello"), target="/next").status, 403, "the next request")
    same(seen, ["GET / HTTP/1.1", "GET /next HTTP/1.1"], "requests at the service")


@story("an upgrade that is refused leaves the connection in order; 101 asks for the upgrade's fields")
def _(t):
    origin = t.origin(lambda request: response(426, b"plain", ("Upgrade", "other"), reason="Upgrade Required"))
    tunnel = t.tunnel({"hello": origin})
    with tunnel.visit() as visitor:
        for _ in range(3):
            answer = visitor.ask(host=tunnel.host("hello"), fields=HANDSHAKE)
            same((answer.status, answer.body), (426, b"plain"), "answer")
    request = origin.requests[0]
    check(request.has_token("Connection", "upgrade"), f"Connection: {request.all('Connection')}")
    same(request.get("Upgrade"), "websocket", "Upgrade")
    same(request.get("Sec-WebSocket-Key"), dict(HANDSHAKE)["Sec-WebSocket-Key"], "Sec-WebSocket-Key")


@story("a half-close passes through an upgraded connection, each way")
def _(t):
    got = []

    def serve(peer, origin):
        request = peer.read_request()
        peer.send(UPGRADE)
        if request.target == "/visitor-first":
            got.append(peer.read_rest())
            peer.send(b"after your end")
        else:
            peer.send(b"my end")
            peer.shut()
            got.append(peer.read_rest())

    tunnel = t.tunnel({"hello": t.origin(serve)})
    fields = [("Connection", "Upgrade"), ("Upgrade", "echo")]
    with tunnel.visit() as visitor:
        visitor.send(tunnel.request(target="/visitor-first", fields=fields))
        visitor.read_response()
        visitor.send(b"last words")
        visitor.shut()
        same(visitor.read_rest(), b"after your end", "after the visitor's end")
    with tunnel.visit() as visitor:
        visitor.send(tunnel.request(target="/service-first", fields=fields))
        visitor.read_response()
        same(visitor.read_rest(), b"my end", "the service's end")
        visitor.send(b"still here")
        visitor.shut()
        wait_until(lambda: len(got) == 2, "the service gets the rest")
    same(got, [b"last words", b"still here"], "what the service got")


@story("16 MiB each way at once through an upgraded connection")
def _(t):
    size = 16 << 20
    block = os.urandom(65536)

    def serve(peer, origin):
        peer.read_request()
        peer.send(UPGRADE)
        while data := peer.take(len(peer.buffer)) or peer.sock.recv(65536):
            peer.send(data)

    tunnel = t.tunnel({"hello": t.origin(serve)})
    with tunnel.visit(timeout=60) as visitor:
        visitor.send(tunnel.request(fields=[("Connection", "Upgrade"), ("Upgrade", "echo")]))
        visitor.read_response()
        threading.Thread(target=lambda: [visitor.send(block) for _ in range(size // len(block))], daemon=True).start()
        for number in range(size // len(block)):
            check(visitor.read_exact(len(block)) == block, f"block {number}")


main()
