#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""How messages are framed (RFC 9112 6), both ways, without delay."""
import threading

from lib import check, main, request_bytes, response, same, seconds, story, wait_until


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


def echo(request):
    return response(200, request.body)


@story("a body with Content-Length arrives whole, from nothing to 1 MiB")
def _(t):
    origin = t.origin(echo)
    tunnel = t.tunnel({"hello": origin})
    with tunnel.visit() as visitor:
        for size in (0, 1, 1000, 16384, 65535, 65536, 65537, 300000, 1 << 20):
            body = bytes(range(256)) * (size // 256 + 1)
            body = body[:size]
            answer = visitor.ask("POST", host=tunnel.host("hello"), body=body)
            same(answer.status, 200, f"status of {size} bytes")
            check(answer.body == body, f"{size} bytes come back the same ({len(answer.body)} bytes)")
            same(origin.requests[-1].all("Content-Length"), [str(size)], "Content-Length at the service")


@story("a GET with a body, and requests without one")
def _(t):
    origin = t.origin(echo)
    tunnel = t.tunnel({"hello": origin})
    same(tunnel.ask(body=b"query").body, b"query", "GET with a body")
    tunnel.ask()
    same(
        (origin.requests[-1].all("Content-Length"), origin.requests[-1].all("Transfer-Encoding")),
        ([], []),
        "framing of a GET",
    )
    tunnel.ask(method="POST", body=b"")
    same(origin.requests[-1].all("Content-Length"), ["0"], "an empty POST")


@story("a chunked request goes on chunk by chunk")
def _(t):
    first, second = threading.Event(), threading.Event()

    def serve(peer, origin):
        request = peer.read_request(body=False)
        origin.requests.append(request)
        if request.has_token("Transfer-Encoding", "chunked"):
            same(peer.read_until(b"one"), b"3\r\none", "first chunk")
            first.set()
            rest = peer.read_until(b"0\r\n\r\n")
            same(rest, b"\r\n3\r\ntwo\r\n0\r\n\r\n", "rest")
            second.set()
            peer.send(response(200, b"both"))

    origin = t.origin(serve)
    tunnel = t.tunnel({"hello": origin})
    with tunnel.visit() as visitor:
        visitor.send(tunnel.request(method="POST", fields=[("Transfer-Encoding", "chunked")]) + chunk(b"one"))
        check(first.wait(seconds(5)), "the first chunk reaches the service before the second is sent")
        visitor.send(chunk(b"two") + b"0\r\n\r\n")
        same(visitor.read_response().body, b"both", "answer")
    same(origin.requests[0].all("Content-Length"), [], "Content-Length")


@story("odd but valid chunked requests: sizes in any case, leading zeros, extensions, one byte at a time")
def _(t):
    tunnel = t.tunnel({"hello": t.origin(echo)})
    with tunnel.visit() as visitor:
        for body in (
            b"00A\r\n0123456789\r\n0\r\n\r\n",
            b"a;x=y\r\n0123456789\r\n0;z\r\n\r\n",
            b'A;q="a b"\r\n0123456789\r\n000\r\n\r\n',
        ):
            visitor.send(tunnel.request(method="POST", fields=[("Transfer-Encoding", "Chunked")]) + body)
            same(visitor.read_response().body, b"0123456789", f"{body!r}")
        for byte in (
            tunnel.request(method="POST", fields=[("Transfer-Encoding", "chunked")]) + chunk(b"slow") + b"0\r\n\r\n"
        ):
            visitor.send(bytes([byte]))
        same(visitor.read_response().body, b"slow", "one byte at a time")


@story("a chunked response goes on chunk by chunk")
def _(t):
    go_on = threading.Event()

    def serve(peer, origin):
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(b"one"))
        go_on.wait(seconds(10))
        peer.send(chunk(b"two") + b"0\r\n\r\n")
        peer.read_request()

    tunnel = t.tunnel({"hello": t.origin(serve)})
    with tunnel.visit() as visitor:
        visitor.send(tunnel.request())
        head = visitor.read_head()
        same(head.all("Transfer-Encoding"), ["chunked"], "Transfer-Encoding")
        visitor.read_until(b"one")
        go_on.set()
        same(visitor.read_until(b"0\r\n\r\n"), b"\r\n3\r\ntwo\r\n0\r\n\r\n", "rest")


@story("a chunked response in a thousand pieces")
def _(t):
    pieces = [bytes([65 + n % 26]) * (1 + n * 37 % 3000) for n in range(1000)]
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"".join(map(chunk, pieces)) + b"0\r\n\r\n"
    tunnel = t.tunnel({"hello": t.origin(answer)})
    with tunnel.visit() as visitor:
        for _ in range(3):
            check(visitor.ask(host=tunnel.host("hello")).body == b"".join(pieces), "body")


@story("trailers of a request and of a response arrive")
def _(t):
    answer = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
        + chunk(b"abc")
        + b"0\r\nX-Sum: 6\r\nX-More: a b\r\n\r\n"
    )
    origin = t.origin(answer)
    tunnel = t.tunnel({"hello": origin})
    with tunnel.visit() as visitor:
        fields = [("Transfer-Encoding", "chunked"), ("Trailer", "X-T"), ("TE", "trailers")]
        visitor.send(tunnel.request(method="POST", fields=fields) + chunk(b"xyz") + b"0\r\nX-T: 1\r\n\r\n")
        got = visitor.read_response()
        same((got.body, got.trailers), (b"abc", [("X-Sum", "6"), ("X-More", "a b")]), "response")
        same(visitor.ask(host=tunnel.host("hello")).body, b"abc", "the next on the same connection")
    same((origin.requests[0].body, origin.requests[0].trailers), (b"xyz", [("X-T", "1")]), "request")


@story("a trailer may not bring framing or routing")
def _(t):
    origin = t.origin()
    tunnel = t.tunnel({"hello": origin})
    with tunnel.visit() as visitor:
        visitor.send(
            tunnel.request(method="POST", fields=[("Transfer-Encoding", "chunked")])
            + chunk(b"xyz")
            + b"0\r\nContent-Length: 3\r\nTransfer-Encoding: x\r\nHost: evil\r\nX-Good: 1\r\n\r\n"
        )
        same(visitor.read_response().status, 200, "status")
    names = {name.lower() for name, _ in origin.requests[0].trailers}
    check(not names & {"content-length", "transfer-encoding", "host"}, f"trailers at the service: {names}")


@story("HEAD, 204 and 304 have no body, keep their fields, and the connection lives on")
def _(t):
    def answer(request):
        return {
            "/head": b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\nX-K: 1\r\n\r\n",
            "/head-chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-K: 1\r\n\r\n",
            "/head-nothing": b"HTTP/1.1 200 OK\r\nX-K: 1\r\n\r\n",
            "/204": b"HTTP/1.1 204 No Content\r\nX-K: 1\r\n\r\n",
            "/304": b'HTTP/1.1 304 Not Modified\r\nETag: "e"\r\nX-K: 1\r\n\r\n',
            "/304-length": b'HTTP/1.1 304 Not Modified\r\nETag: "e"\r\nContent-Length: 1234\r\nX-K: 1\r\n\r\n',
            "/304-chunked": b'HTTP/1.1 304 Not Modified\r\nETag: "e"\r\nTransfer-Encoding: chunked\r\nX-K: 1\r\n\r\n',
            "/last": response(200, b"last"),
        }[request.target]

    tunnel = t.tunnel({"hello": t.origin(answer)})
    for target in ("/head", "/head-chunked", "/head-nothing", "/204", "/304", "/304-length", "/304-chunked"):
        method = "HEAD" if target.startswith("/head") else "GET"
        with tunnel.visit() as visitor:
            got = visitor.ask(method, target, host=tunnel.host("hello"))
            same((got.status, got.get("X-K")), (int(target[1:4]) if target[1].isdigit() else 200, "1"), target)
            if target in ("/head", "/304-length"):
                check(
                    got.get("Content-Length") in ("1234", None),
                    f"{target}: Content-Length {got.get('Content-Length')}",
                )
            if target == "/head":
                same(got.get("Content-Length"), "1234", f"{target}: Content-Length")
            if got.has_token("Connection", "close"):
                check(visitor.is_closed(), f"{target}: closed as announced")
                same(visitor.buffer, b"", f"{target}: nothing behind the head")
            else:
                same(visitor.ask(target="/last", host=tunnel.host("hello")).body, b"last", f"after {target}")


@story("a 304 to If-None-Match keeps its ETag; a 204 to DELETE; a 205; an empty 200")
def _(t):
    answers = {
        "/a": b'HTTP/1.1 304 Not Modified\r\nETag: "e"\r\n\r\n',
        "/b": b"HTTP/1.1 204 No Content\r\n\r\n",
        "/c": b"HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n",
        "/d": response(200, b""),
    }
    tunnel = t.tunnel({"hello": t.origin(lambda r: answers[r.target])})
    with tunnel.visit() as visitor:
        for target, status in (("/a", 304), ("/b", 204), ("/c", 205), ("/d", 200), ("/a", 304)):
            got = visitor.ask(target=target, host=tunnel.host("hello"))
            same((got.status, got.body), (status, b""), target)
            if got.has_token("Connection", "close"):
                check(visitor.is_closed(), f"{target}: closed as announced")
                visitor = t.keep(tunnel.visit())


@story("a close-delimited response ends cleanly, and comes as it is sent")
def _(t):
    go_on = threading.Event()

    def serve(peer, origin):
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nbegin")
        go_on.wait(seconds(10))
        peer.send(b"x" * 100000 + b"end")

    tunnel = t.tunnel({"hello": t.origin(serve)})
    with tunnel.visit() as visitor:
        visitor.send(tunnel.request())
        head = visitor.read_head()
        first = visitor.read_until(b"begin")
        visitor.buffer = first + visitor.buffer
        go_on.set()
        visitor.read_body(head, request=False)
        same(head.body, b"begin" + b"x" * 100000 + b"end", "body")


@story("an HTTP/1.0 service")
def _(t):
    def serve(peer, origin):
        peer.read_request()
        peer.send(b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nold")

    tunnel = t.tunnel({"hello": t.origin(serve)})
    with tunnel.visit() as visitor:
        for _ in range(3):
            same(visitor.ask(host=tunnel.host("hello")).body, b"old", "body")


@story("an HTTP/1.0 visitor gets plain bytes and a close; with keep-alive it stays")
def _(t):
    answers = {
        "/chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        + chunk(b"abc")
        + chunk(b"def")
        + b"0\r\n\r\n",
        "/length": response(200, b"abcdef"),
    }
    tunnel = t.tunnel({"hello": t.origin(lambda r: answers[r.target])})
    for target in answers:
        with tunnel.visit() as visitor:
            visitor.send(tunnel.request(target=target, version="HTTP/1.0"))
            head = visitor.read_head()
            same((head.status, head.all("Transfer-Encoding")), (200, []), target)
            same(visitor.read_rest(), b"abcdef", f"{target}: body")
    with tunnel.visit() as visitor:
        for _ in range(3):
            got = visitor.ask(
                target="/length", host=tunnel.host("hello"), version="HTTP/1.0", fields=[("Connection", "keep-alive")]
            )
            same(got.body, b"abcdef", "keep-alive")


@story("three pipelined requests to two services are answered in order")
def _(t):
    tunnel = t.tunnel(
        {
            "one": t.origin(lambda r: response(200, b"one" + r.target.encode())),
            "two": t.origin(lambda r: response(200, b"two" + r.target.encode() + r.body)),
        }
    )
    with tunnel.visit() as visitor:
        for _ in range(20):
            visitor.send(
                tunnel.request("one", target="/1")
                + tunnel.request("two", "POST", target="/2", body=b"body")
                + tunnel.request("one", target="/3")
            )
            same([visitor.read_response().body for _ in range(3)], [b"one/1", b"two/2body", b"one/3"], "answers")


@story("pipelined requests of which the first is slow")
def _(t):
    go_on = threading.Event()

    def answer(request):
        if request.target == "/slow":
            go_on.wait(seconds(10))
        return response(200, request.target.encode())

    origin = t.origin(answer)
    tunnel = t.tunnel({"hello": origin})
    with tunnel.visit() as visitor:
        visitor.send(tunnel.request(target="/slow") + tunnel.request(target="/fast"))
        wait_until(lambda: origin.requests, "the slow request arrives")
        go_on.set()
        same([visitor.read_response().body for _ in range(2)], [b"/slow", b"/fast"], "answers")


@story("1xx of a service stay away or pass, and the final answer comes")
def _(t):
    answer = (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"
        + response(200, b"final")
    )
    tunnel = t.tunnel({"hello": t.origin(answer)})
    with tunnel.visit() as visitor:
        for _ in range(3):
            same(visitor.ask(host=tunnel.host("hello")).body, b"final", "answer")


@story("heads that come in pieces, from visitor and service")
def _(t):
    def serve(peer, origin):
        while peer.read_request():
            for byte in response(200, b"ok", ("X-A", "b" * 50)):
                peer.send(bytes([byte]))

    tunnel = t.tunnel({"hello": t.origin(serve)})
    with tunnel.visit() as visitor:
        for byte in request_bytes("GET", "/", host=tunnel.host("hello")):
            visitor.send(bytes([byte]))
        same(visitor.read_response().body, b"ok", "answer")


main()
