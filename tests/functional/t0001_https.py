#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""HTTPS that ends in the server."""
import contextlib
import hashlib
import os
import signal
import socket
import ssl
import struct
import subprocess
import threading
import time

from lib import Closed, Cut, check, connect, main, response, same, seconds, story, wait_until
from lib.secure import Certificate, context, secure
from lib.websocket import Echo, run

UPGRADE = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"
ECHO = [("Connection", "Upgrade"), ("Upgrade", "echo")]
BLOCK = os.urandom(1 << 20)


def visit(tunnel, name="hello.tim.example.com", **rest):
    return secure(tunnel.server.https, name, **rest)


@story("requests on one connection say https, and so does the service's view of them; 16 MiB each way")
def _(t):
    size = 16 << 20

    def serve(request):
        if request.method == "POST":
            return response(200, hashlib.sha256(request.body).hexdigest().encode())
        return response(200, BLOCK * (size >> 20) if request.target == "/big" else b"hello")

    origin = t.origin(serve)
    certificate = Certificate(t.directory)
    tunnel = t.tunnel({"hello": origin}, server=[*certificate.options, "--hsts", 3600])
    with visit(tunnel, made=context(certificate), timeout=60) as visitor:
        for number in range(3):
            answer = visitor.ask(host="hello.tim.example.com", target=f"/{number}")
            same((answer.status, answer.body), (200, b"hello"), "answer")
            same(answer.get("Strict-Transport-Security"), "max-age=3600", "HSTS")
        request = origin.requests[-1]
        same(request.get("X-Forwarded-Proto"), "https", "X-Forwarded-Proto")
        same(request.get("X-Forwarded-For"), "127.0.0.1", "X-Forwarded-For")
        same(request.get("X-Forwarded-Port"), str(tunnel.server.https), "X-Forwarded-Port")
        check("proto=https" in request.get("Forwarded"), request.get("Forwarded"))
        whole = hashlib.sha256(BLOCK * (size >> 20)).hexdigest()
        big = visitor.ask(host="hello.tim.example.com", target="/big")
        same(hashlib.sha256(big.body).hexdigest(), whole, "download")
        posted = visitor.ask("POST", host="hello.tim.example.com", body=BLOCK * (size >> 20))
        same(posted.body.decode(), whole, "upload")
    check(origin.accepted <= 2, f"{origin.accepted} connections to the service")
    plain = tunnel.ask()
    same((plain.status, plain.get("Strict-Transport-Security")), (200, None), "plain HTTP stays")


@story("curl: GET and POST of 100 MB, equal SHA-256", only="plain")
def _(t):
    data = t.directory / "data"
    data.write_bytes(BLOCK * 100)
    whole = hashlib.sha256(data.read_bytes()).hexdigest()

    def serve(request):
        same(hashlib.sha256(request.body).hexdigest(), whole, "upload") if request.method == "POST" else None
        return response(200, data.read_bytes())

    origin = t.origin(serve)
    certificate = Certificate(t.directory)
    tunnel = t.tunnel({"hello": origin}, server=certificate.options)
    url = f"https://hello.tim.example.com:{tunnel.server.https}/"
    command = ["curl", "-sS", "--fail", "--cacert", certificate.cert, "-o", t.directory / "got"]
    command += ["--resolve", f"hello.tim.example.com:{tunnel.server.https}:127.0.0.1"]
    for more in (["--tls-max", "1.2"], ["-X", "POST", "-H", "Expect:", "--data-binary", f"@{data}"]):
        subprocess.run([*command, *more, url], check=True, timeout=seconds(60))
        same(hashlib.sha256((t.directory / "got").read_bytes()).hexdigest(), whole, f"curl {more}")


@story("certificates by name, read again while a download runs; TLS 1.1, plain text and nonsense are refused")
def _(t):
    def serve(peer, origin):
        while (request := peer.read_request()) is not None:
            if request.target != "/slow":
                peer.send(response(200, b"hello"))
                continue
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234")
            started.set()
            go_on.wait(30)
            peer.send(b"56789")

    started, go_on = threading.Event(), threading.Event()
    first = Certificate(t.directory, "first")
    second = Certificate(t.directory, "second", ["*.other.example.org"])
    both = ["--tls-port", 0, "--tls-cert", f"{first.cert},{second.cert}", "--tls-key", f"{first.key},{second.key}"]
    tunnel = t.tunnel({"hello": t.origin(serve)}, server=both)
    port = tunnel.server.https

    def shown(name, **rest):
        with secure(port, name, **rest) as visitor:
            return visitor.sock.getpeercert(True)

    same(shown("hello.tim.example.com"), first.der, "the first one's name")
    same(shown("A.Other.example.org"), second.der, "the second one's name")
    same(shown("nobody.example.net"), first.der, "another name")
    same(shown(None), first.der, "no name")
    same(shown("a.other.example.org", made=context(version=ssl.TLSVersion.TLSv1_2)), second.der, "TLS 1.2")
    for version in (ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1):
        old = context(version=version)
        old.set_ciphers("ALL:@SECLEVEL=0")
        try:
            shown("hello.tim.example.com", made=old)
            check(False, f"{version} is refused")
        except (ssl.SSLError, ConnectionError):
            pass
    with connect(port) as visitor:
        same(visitor.ask(host="hello.tim.example.com").status, 400, "plain text")
    with connect(port) as visitor:
        visitor.send(b"\x16\x03\x01\x00\x05hello")
        check(visitor.is_closed(), "nonsense")

    with visit(tunnel) as visitor:
        visitor.send(tunnel.request(target="/slow"))
        check(started.wait(seconds(5)), "the download has begun")
        former = first.der
        first.make()
        check(first.der != former, "another certificate")
        wait_until(lambda: shown("hello.tim.example.com") == first.der, "the new one is shown")
        go_on.set()
        same(visitor.read_response().body, b"0123456789", "the download")
    first.key.write_text("no key\n")
    tunnel.server.wait_log("those in use stay")
    former = first.der
    same(shown("hello.tim.example.com"), former, "what is wrong changes nothing")
    first.make()
    tunnel.server.wait_log("read again", count=2)
    tunnel.server.signal(signal.SIGHUP)
    tunnel.server.wait_log("read again", count=3)
    with visit(tunnel) as visitor:
        same(visitor.ask(host="hello.tim.example.com").body, b"hello", "after SIGHUP")


@story("a whole answer ends with close_notify, a cut one without, whatever frames it")
def _(t):
    def serve(peer, origin):
        request = peer.read_request()
        kind, cut = request.target[1:].split("-")
        head = {"length": b"Content-Length: 10\r\n", "chunked": b"Transfer-Encoding: chunked\r\n", "close": b""}[kind]
        peer.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n" + head + b"\r\n")
        peer.send(b"5\r\n01234\r\n" if kind == "chunked" else b"01234")
        if cut == "cut":
            time.sleep(0.05)
            peer.reset()
            return
        peer.send(b"5\r\n56789\r\n0\r\n\r\n" if kind == "chunked" else b"56789")

    certificate = Certificate(t.directory)
    tunnel = t.tunnel({"hello": t.origin(serve)}, server=certificate.options)
    fields = [("Connection", "close")]
    for kind in ("length", "chunked", "close"):
        for version in ("HTTP/1.1", "HTTP/1.0"):
            for made in (context(), context(version=ssl.TLSVersion.TLSv1_2)):
                with visit(tunnel, made=made) as visitor:
                    visitor.send(tunnel.request(target=f"/{kind}-whole", fields=fields, version=version))
                    same(visitor.read_response().body, b"0123456789", f"{kind} {version}")
                    same(visitor.read_rest(), b"", "nothing more")
                    check(visitor.notified, f"{kind} {version}: close_notify")
                with visit(tunnel, made=made) as visitor:
                    visitor.send(tunnel.request(target=f"/{kind}-cut", fields=fields, version=version))
                    try:
                        visitor.read_response()
                        visitor.read_rest()
                    except (Closed, Cut):
                        pass
                    check(not visitor.notified, f"{kind} {version}: a cut is a cut")


@story("a visitor that vanishes: the service's connection ends within a second; and one that is slow reads it all")
def _(t):
    gone, size = [], 12 << 20

    def serve(peer, origin):
        request = peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        try:
            for _ in range(size >> 20 if request.target == "/slow" else 1 << 20):
                peer.send(BLOCK)
        except OSError:
            gone.append(time.monotonic())
            raise

    tunnel = t.tunnel({"hello": t.origin(serve)}, server=Certificate(t.directory).options)
    for number, leave in enumerate(("close", "reset")):
        with visit(tunnel) as visitor:
            visitor.send(tunnel.request(target="/endless"))
            visitor.read_exact(3 << 20)
            left = time.monotonic()
            if leave == "reset":
                visitor.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            visitor.sock.close()
            wait_until(lambda: len(gone) > number, f"{leave}: the service sees it", 5)
            check(gone[number] - left < seconds(1), f"{leave}: {gone[number] - left:.2f} s")
    with visit(tunnel, timeout=60) as visitor:
        visitor.send(tunnel.request(target="/slow", fields=[("Connection", "close")]))
        head = visitor.read_head()
        time.sleep(0.5)
        visitor.read_body(head, request=False)
        same(len(head.body), size, "bytes")
        same(visitor.read_rest(), b"", "rest")
        check(visitor.notified, "close_notify after a full socket")


@story("WebSockets over wss; 8 MiB each way through an upgraded connection, half-close and cut included")
def _(t):
    import websockets

    got = []

    def serve(peer, origin):
        request = peer.read_request()
        peer.send(UPGRADE)
        if request.target == "/echo":
            while data := peer.take(len(peer.buffer)) or peer.sock.recv(65536):
                peer.send(data)
        elif request.target == "/half":
            got.append(peer.read_rest())
            peer.send(b"after your end")
        elif request.target == "/die":
            peer.read_exact(3)
            peer.reset()
        else:
            try:
                got.append(peer.read_rest())
            except Closed:
                got.append("cut")

    echo = t.keep(Echo())
    certificate = Certificate(t.directory)
    tunnel = t.tunnel({"hello": t.origin(serve), "ws": echo.port}, server=certificate.options)

    async def talk():
        url = f"wss://ws.tim.example.com:{tunnel.server.https}/"
        options = {"host": "127.0.0.1", "server_hostname": "ws.tim.example.com", "ssl": context(certificate), "max_size": None, "compression": None}
        async with websockets.connect(url, **options) as connection:
            for data in ("hi", os.urandom(1 << 20), "", ["one", "two"]):
                await connection.send(data)
                same(await connection.recv(), "onetwo" if isinstance(data, list) else data, "echo")

    run(talk(), seconds(30))
    with visit(tunnel, timeout=60) as visitor:
        visitor.send(tunnel.request(target="/echo", fields=ECHO))
        visitor.read_response()
        check(visitor.exchange(BLOCK * 8) == BLOCK * 8, "8 MiB there and back")
    with visit(tunnel) as visitor:
        visitor.send(tunnel.request(target="/die", fields=ECHO))
        visitor.read_response()
        visitor.send(b"die")
        check(visitor.is_closed() and not visitor.notified, "the service's reset is a cut")
    with visit(tunnel) as visitor:
        visitor.send(tunnel.request(target="/gone", fields=ECHO))
        visitor.read_response()
        visitor.send(b"words")
        time.sleep(0.1)
        visitor.reset()
        wait_until(lambda: got, "the service sees the visitor's cut")
    same(got.pop(), "cut", "a visitor's cut is a cut")
    command = ["openssl", "s_client", "-quiet", "-no_ign_eof", "-connect", f"127.0.0.1:{tunnel.server.https}"]
    asked = tunnel.request(target="/half", fields=ECHO) + b"last words"
    done = subprocess.run([*command, "-servername", "hello.tim.example.com"], input=asked, capture_output=True,
                          timeout=seconds(10))
    wait_until(lambda: got, "the visitor's end reaches the service")
    same(got, [b"last words"], f"half-close ({done.stdout[-200:]})")


@story("a slow handshake is ended after --head-timeout", only="plain")
def _(t):
    tunnel = t.tunnel({"hello": t.origin()}, server=[*Certificate(t.directory).options, "--head-timeout", 1])
    idle = socket.create_connection(("127.0.0.1", tunnel.server.https), seconds(30))
    begun = socket.create_connection(("127.0.0.1", tunnel.server.https), seconds(30))
    begun.sendall(b"\x16\x03\x01\x02\x00\x01")
    started = time.monotonic()
    for sock in (idle, begun):
        with contextlib.suppress(ConnectionResetError):
            same(sock.recv(1), b"", "closed")
    took = time.monotonic() - started
    check(0.8 < took < seconds(4), f"after {took:.1f} s")
    with visit(tunnel) as visitor:
        same(visitor.ask(host="hello.tim.example.com").status, 200, "others are served")


main()
