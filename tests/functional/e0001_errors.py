#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What a visitor gets when a request cannot be served: one row of the table each."""
import json
import socket
import time

from lib import check, main, request_bytes, same, seconds, story, wait_until

HTML, JSON, ANY = "text/html,application/xhtml+xml,*/*;q=0.8", "application/json", "*/*"


def is_error(answer, status, name):
    same((answer.status, answer.error), (status, name), "status and X-Mdm-Tunnel-Error")
    check(answer.body, "there is a page")


@story("400 bad-request: no Host, an empty one, two, or one that is no host")
def _(t):
    origin = t.origin()
    tunnel = t.tunnel({"hello": origin})
    host = tunnel.host("hello")
    for fields in (
        [],
        [("Host", "")],
        [("Host", host), ("Host", host)],
        [("Host", host), ("host", "other.tim.example.com")],
        [("Host", "a b.tim.example.com")],
        [("Host", "<script>.tim.example.com")],
        [("Host", "user@" + host)],
        [("Host", host + "/x")],
        [("Host", host + ":port")],
        [("Host", f"{host}, {host}")],
        [("Host", "hello\\.tim.x.y")],
    ):
        answer = tunnel.server.ask(host=None, fields=fields)
        is_error(answer, 400, "bad-request")
        check(b"<script>" not in answer.body, "nothing is echoed unescaped")
    same(origin.requests, [], "requests at the service")


@story("404 unknown-client and unknown-service")
def _(t):
    tunnel = t.tunnel({"hello": t.origin()})
    is_error(tunnel.server.ask(host="hello.nobody.example.com"), 404, "unknown-client")
    is_error(tunnel.server.ask(host="hello--nobody.example.com"), 404, "unknown-client")
    is_error(tunnel.server.ask(host="nothing.tim.example.com"), 404, "unknown-service")


@story("405 method-not-allowed: CONNECT")
def _(t):
    tunnel = t.tunnel({"hello": t.origin()})
    answer = tunnel.server.ask("CONNECT", f"{tunnel.host('hello')}:443", host=tunnel.host("hello"))
    check(answer.status in (400, 405), f"status {answer.status}")


@story("431 headers-too-large: 80 KiB of header, one field or many")
def _(t):
    origin = t.origin()
    tunnel = t.tunnel({"hello": origin})
    for fields in ([("X-Large", "x" * 81920)], [(f"X-{n}", "y" * 80) for n in range(1000)]):
        with tunnel.visit() as visitor:
            visitor.send(request_bytes(host=tunnel.host("hello"), fields=fields))
            answer = visitor.read_response()
            check(answer.status in (413, 431), f"status {answer.status}")
    with tunnel.visit() as visitor:
        visitor.send(request_bytes(target="/" + "t" * 81920, host=tunnel.host("hello")))
        check(visitor.read_response().status in (414, 431), "a target of 80 KiB")
    same(origin.requests, [], "requests at the service")
    same(tunnel.ask().body, b"hello\n", "afterwards")


@story("502 service-refused: nothing listens")
def _(t):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    tunnel = t.tunnel({"hello": port, "sock": f"unix:{t.directory}/none", "name": "no-such-host.invalid:80"})
    is_error(tunnel.ask(), 502, "service-refused")
    is_error(tunnel.ask("sock"), 502, "service-refused")
    is_error(tunnel.ask("name"), 502, "service-refused")


@story("502 service-closed: it closes before its answer, at once or in the head")
def _(t):
    def at_once(peer, origin):
        peer.read_head()

    def in_head(peer, origin):
        peer.read_head()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Le")

    def without_reading(peer, origin):
        pass

    tunnel = t.tunnel({"once": t.origin(at_once), "head": t.origin(in_head), "blind": t.origin(without_reading)})
    for service in ("once", "head", "blind"):
        answer = tunnel.ask(service)
        check(
            answer.status == 502 and answer.error in ("service-closed", "service-reset"),
            f"{service}: {answer.status} {answer.error}",
        )


@story("502 bad-answer: it speaks no HTTP")
def _(t):
    tunnel = t.tunnel({"ssh": t.origin(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), "bin": t.origin(b"\0" * 100 + b"\r\n\r\n")})
    for service in ("ssh", "bin"):
        is_error(tunnel.ask(service), 502, "bad-answer")


@story("504 service-timeout: no answer within --service-timeout, and the service's connection ends")
def _(t):
    ended = []

    def serve(peer, origin):
        peer.read_request()
        if peer.is_closed(30):
            ended.append(time.monotonic())

    tunnel = t.tunnel({"hello": t.origin(serve)}, server=["--service-timeout", "0.5"])
    began = time.monotonic()
    is_error(tunnel.ask(), 504, "service-timeout")
    took = time.monotonic() - began
    check(0.4 < took < seconds(2), f"it took {took:.2f} s")
    wait_until(lambda: ended, "the service's connection ends", 2)


@story("--service-timeout does not hurt a body that is slow to come, nor a slow upload")
def _(t):
    def serve(peer, origin):
        request = peer.read_request()
        if request.method == "GET":
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na")
            origin.gone.wait(seconds(0.8))
            peer.send(b"b")
        else:
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        peer.read_head()

    tunnel = t.tunnel({"hello": t.origin(serve)}, server=["--service-timeout", "0.4"])
    same(tunnel.ask().body, b"ab", "slow body")


@story(
    "503 client-offline with Retry-After: known, but not connected; also after the server was started again", slow=True
)
def _(t):
    tunnel = t.tunnel({"hello": t.origin()})
    tunnel.client.stop()
    answer = tunnel.ask()
    is_error(answer, 503, "client-offline")
    check(answer.get("Retry-After").isdigit(), f"Retry-After {answer.get('Retry-After')}")
    tunnel.server.stop()
    tunnel.restart_server()
    answer = tunnel.ask()
    check(
        (answer.status, answer.error) == (503, "client-offline"), f"after a restart: {answer.status} {answer.error}"
    )


@story("pages are HTML, JSON or plain text by Accept")
def _(t):
    tunnel = t.tunnel({"hello": t.origin()})
    host = "nothing.tim.example.com"
    for accept, kind in (
        (HTML, "text/html"),
        (JSON, "application/json"),
        (ANY, "text/plain"),
        (None, "text/plain"),
        ("text/plain", "text/plain"),
        ("image/png", "text/plain"),
        ("application/json, text/html;q=0.1", "application/json"),
    ):
        answer = tunnel.server.ask(host=host, fields=[("Accept", accept)] if accept else [])
        is_error(answer, 404, "unknown-service")
        check(answer.get("Content-Type").startswith(kind), f"Accept {accept}: {answer.get('Content-Type')}")
        if kind == "application/json":
            check("unknown-service" in json.dumps(json.loads(answer.body)), f"JSON {answer.body!r}")
        if kind == "text/html":
            check(answer.body.lstrip().lower().startswith(b"<!doctype html>"), f"HTML {answer.body[:60]!r}")
    answer = tunnel.server.ask("HEAD", host=host)
    same((answer.status, answer.error, answer.body), (404, "unknown-service", b""), "HEAD")


@story("an error leaves a keep-alive connection in good order, also behind a body that nobody wants")
def _(t):
    tunnel = t.tunnel({"hello": t.origin()})
    with tunnel.visit() as visitor:
        for _ in range(3):
            same(visitor.ask(host="nothing.tim.example.com").status, 404, "unknown service")
            same(visitor.ask(host=tunnel.host("hello")).body, b"hello\n", "answer")
            same(
                visitor.ask("POST", host="nothing.tim.example.com", body=b"z" * 200000).status,
                404,
                "POST to an unknown service",
            )
            same(visitor.ask(host=tunnel.host("hello")).body, b"hello\n", "answer")


@story("a visitor that does not finish its header holds up nobody")
def _(t):
    tunnel = t.tunnel({"hello": t.origin()})
    with tunnel.visit() as visitor:
        visitor.send(b"GET / HTTP/1.1\r\nHost: hel")
        check(visitor.is_quiet(0.3), "it waits")
        same(tunnel.ask().body, b"hello\n", "others are served")


main()
