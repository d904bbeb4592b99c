#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Requests that two parsers could read differently: refused and closed, or forwarded in one form only."""
import re

from lib import Closed, Cut, check, main, response, same, story

HOST = "hello.tim.example.com"
HEAD = f"POST / HTTP/1.1\r\nHost: {HOST}\r\n".encode()
GET = f"GET / HTTP/1.1\r\nHost: {HOST}\r\n".encode()
SMUGGLED = f"GET /smuggled HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()
CHUNKED = b"Transfer-Encoding: chunked\r\n"

# Whatever comes of these, the service must not see a request. {name: bytes}
REFUSED = {
    "CL and TE": HEAD + b"Content-Length: 5\r\n" + CHUNKED + b"\r\n0\r\n\r\n" + SMUGGLED,
    "TE and CL": HEAD + CHUNKED + b"Content-Length: 5\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "two differing CL": HEAD + b"Content-Length: 0\r\nContent-Length: %d\r\n\r\n" % len(SMUGGLED) + SMUGGLED,
    "two differing CL, reversed": HEAD
    + b"Content-Length: %d\r\nContent-Length: 0\r\n\r\n" % len(SMUGGLED)
    + SMUGGLED,
    "CL list that differs": HEAD + b"Content-Length: 0, 5\r\n\r\nhello",
    "CL with a plus": HEAD + b"Content-Length: +5\r\n\r\nhello",
    "CL negative": HEAD + b"Content-Length: -5\r\n\r\nhello",
    "CL hexadecimal": HEAD + b"Content-Length: 0x5\r\n\r\nhello",
    "CL with text": HEAD + b"Content-Length: 5x\r\n\r\nhello",
    "CL with a space inside": HEAD + b"Content-Length: 5 5\r\n\r\nhello",
    "CL empty": HEAD + b"Content-Length:\r\n\r\n" + SMUGGLED,
    "CL beyond 64 bits": HEAD + b"Content-Length: 18446744073709551621\r\n\r\nhello",
    "CL very long": HEAD + b"Content-Length: " + b"9" * 60 + b"\r\n\r\nhello",
    "TE identity": HEAD + b"Transfer-Encoding: identity\r\n\r\n" + SMUGGLED,
    "TE xchunked": HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "TE gzip": HEAD + b"Transfer-Encoding: gzip\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "TE gzip, chunked": HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "TE chunked, identity": HEAD + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "TE chunked, chunked": HEAD + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "TE twice": HEAD + CHUNKED + b"Transfer-Encoding: identity\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "TE with a parameter": HEAD + b"Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "TE in quotes": HEAD + b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n' + SMUGGLED,
    "TE with a vertical tab": HEAD + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "TE empty": HEAD + b"Transfer-Encoding:\r\n\r\n" + SMUGGLED,
    "TE in HTTP/1.0": b"POST / HTTP/1.0\r\nHost: " + HOST.encode() + b"\r\n" + CHUNKED + b"\r\n0\r\n\r\n" + SMUGGLED,
    "two Hosts": GET + b"Host: other.tim.example.com\r\n\r\n",
    "two equal Hosts": GET + b"Host: " + HOST.encode() + b"\r\n\r\n",
    "absolute-form with another Host": b"GET http://other.tim.example.com/ HTTP/1.1\r\nHost: "
    + HOST.encode()
    + b"\r\n\r\n",
    "Host with a space": b"GET / HTTP/1.1\r\nHost: " + HOST.encode() + b" x\r\n\r\n",
    "no Host": b"GET / HTTP/1.1\r\n\r\n",
    "control byte in the target": b"GET /\x01x HTTP/1.1\r\nHost: " + HOST.encode() + b"\r\n\r\n",
    "DEL in the target": b"GET /\x7fx HTTP/1.1\r\nHost: " + HOST.encode() + b"\r\n\r\n",
    "bare CR in a value": GET + b"X-A: 1\rX-B: 2\r\n\r\n",
    "bare CR before a smuggled head": GET + b"X-A: 1\r\r\n" + SMUGGLED,
    "control byte in a value": GET + b"X-A: a\x01b\r\n\r\n",
    "a name with a space": GET + b"X A: 1\r\n\r\n",
    "a name with brackets": GET + b"X(A): 1\r\n\r\n",
    "a name with a high byte": GET + b"X\xe9: 1\r\n\r\n",
    "a method that is no token": b"G(T / HTTP/1.1\r\nHost: " + HOST.encode() + b"\r\n\r\n",
    "a target that is no path": b"GET foo HTTP/1.1\r\nHost: " + HOST.encode() + b"\r\n\r\n",
    "HTTP/2.0": b"GET / HTTP/2.0\r\nHost: " + HOST.encode() + b"\r\n\r\n",
    "HTTP/0.9": b"GET /\r\n\r\n",
    "a version with text": b"GET / HTTP/1.1x\r\nHost: " + HOST.encode() + b"\r\n\r\n",
    "no version's number": b"GET / HTTP/\r\nHost: " + HOST.encode() + b"\r\n\r\n",
    "another protocol": b"GET / ICAP/1.0\r\nHost: " + HOST.encode() + b"\r\n\r\n",
}

# These may be refused, or reach the service as exactly one request that reads one way.
ONE_FORM = {
    "two equal CL": HEAD + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    "CL list of equals": HEAD + b"Content-Length: 5, 5\r\n\r\nhello",
    "CL with zeros before": HEAD + b"Content-Length: 0005\r\n\r\nhello",
    "TE in capitals": HEAD + b"TRANSFER-ENCODING: CHUNKED\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "TE behind a tab": HEAD + b"Transfer-Encoding:\tchunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "TE with blanks behind": HEAD + b"Transfer-Encoding: chunked \t \r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "space before the colon of TE": HEAD + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "space before the colon of CL": HEAD + b"Content-Length : %d\r\n\r\n" % len(SMUGGLED) + SMUGGLED,
    "space before the colon": GET + b"X-A : 1\r\n\r\n",
    "TE folded": HEAD + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "obs-fold": GET + b"X-A: 1\r\n 2\r\nX-B: 3\r\n\r\n",
    "obs-fold in the first field": b"GET / HTTP/1.1\r\n X: 1\r\nHost: " + HOST.encode() + b"\r\n\r\n",
    "bare LF at line ends": (GET + b"X-A: 1\r\n\r\n").replace(b"\r\n", b"\n"),
    "bare LF behind a field": GET + b"X-A: 1\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "bare LF as the header's end": GET + b"X-A: 1\r\n\n",
    "NUL in a value": GET + b"X-A: a\0b\r\n\r\n",
    "NUL in a name": GET + b"X\0A: 1\r\n\r\n",
    "NUL in the target": b"GET /a\0b HTTP/1.1\r\nHost: " + HOST.encode() + b"\r\n\r\n",
    "a line without a colon": GET + b"nonsense\r\n\r\n",
    "an empty name": GET + b": 1\r\n\r\n",
    "two spaces in the request line": b"GET  /  HTTP/1.1\r\nHost: " + HOST.encode() + b"\r\n\r\n",
    "tabs in the request line": b"GET\t/\tHTTP/1.1\r\nHost: " + HOST.encode() + b"\r\n\r\n",
    "empty lines before": b"\r\n\r\n" + GET + b"\r\n",
    "HTTP/1.2": b"GET / HTTP/1.2\r\nHost: " + HOST.encode() + b"\r\n\r\n",
    "a fragment": b"GET /#x HTTP/1.1\r\nHost: " + HOST.encode() + b"\r\n\r\n",
    "a space in the target": b"GET /a b HTTP/1.1\r\nHost: " + HOST.encode() + b"\r\n\r\n",
    "Connection names CL": HEAD + b"Connection: Content-Length\r\nContent-Length: 5\r\n\r\nhello",
    "Connection names TE": HEAD + b"Connection: Transfer-Encoding\r\n" + CHUNKED + b"\r\n5\r\nhello\r\n0\r\n\r\n",
    "Connection names Host": GET + b"Connection: Host\r\n\r\n",
    "Upgrade: h2c": GET + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
    "a body behind a GET without length": GET + b"\r\nGARBAGE / x\r\n\r\n",
}

# Codings that are not known are 501 (RFC 9112 6.1), lengths that nobody can take 413, versions 505; all else is 400.
REFUSED_OTHERWISE = {
    **{what: 501 for what in REFUSED if what.startswith("TE ")},
    "TE and CL": 400,
    "TE with a vertical tab": 400,
    "TE in HTTP/1.0": 400,
    "CL beyond 64 bits": 413,
    "CL very long": 413,
    "HTTP/2.0": 505,
}

# The head is good; what follows is not. The service must never see the end of this body.
BAD_CHUNKS = {
    "0x5": b"0x5\r\nhello\r\n0\r\n\r\n",
    "minus": b"-5\r\nhello\r\n0\r\n\r\n",
    "plus": b"+5\r\nhello\r\n0\r\n\r\n",
    "not hexadecimal": b"g\r\nhello\r\n0\r\n\r\n",
    "empty": b"\r\nhello\r\n0\r\n\r\n",
    "beyond 64 bits": b"FFFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n",
    "a size of 20 digits": b"50000000000000000000\r\nhello\r\n0\r\n\r\n",
    "no line end behind the data": b"5\r\nhello0\r\n\r\n" + SMUGGLED,
    "two bytes too many": b"5\r\nhelloXX\r\n0\r\n\r\n" + SMUGGLED,
}
HUGE_CHUNKS = ("beyond 64 bits", "a size of 20 digits")


def strict_service(t):
    """Keeps every byte; answers what a strict parser takes for a request."""
    seen = []

    def serve(peer, origin):
        record = bytearray()
        seen.append(record)
        while True:
            while b"\r\n\r\n" not in peer.buffer:
                before = len(peer.buffer)
                if not peer.fill():
                    return
                record += peer.buffer[before:]
            request = peer.read_head()
            try:
                recorded = len(peer.buffer)
                size = request.get("Content-Length")
                if request.has_token("Transfer-Encoding", "chunked"):
                    while b"0\r\n\r\n" not in peer.buffer:
                        peer.fill() or peer.read_exact(1 << 20)
                    end = peer.buffer.index(b"0\r\n\r\n") + 5
                else:
                    end = int(size or 0)
                    while len(peer.buffer) < end:
                        peer.fill() or peer.read_exact(1 << 20)
                record += peer.buffer[recorded:]
            except (Closed, Cut):
                return
            peer.take(end)
            origin.requests.append(request)
            peer.send(response(200, b"served"))

    return t.origin(serve), seen


def one_reading(data, what):
    """Everything that an HTTP parser may see differently is absent from what the service got."""
    head, _, _ = bytes(data).partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    check(
        re.fullmatch(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+ [!-~\x80-\xff]+ HTTP/1\.1", lines[0]),
        f"{what}: request line {lines[0]!r}",
    )
    names = []
    for line in lines[1:]:
        match = re.fullmatch(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t !-~\x80-\xff]*)", line)
        check(match, f"{what}: field line {line!r}")
        names.append(match[1].lower())
    for name in (b"host", b"content-length", b"transfer-encoding"):
        check(names.count(name) <= 1, f"{what}: {name.decode()} stands {names.count(name)} times: {head!r}")
    check(names.count(b"host") == 1, f"{what}: Host: {head!r}")
    check(not {b"content-length", b"transfer-encoding"} <= set(names), f"{what}: both framings: {head!r}")


def outcome(tunnel, data, patience=2):
    """Sends; (statuses of all answers, does the connection close)."""
    statuses = []
    with tunnel.visit(timeout=patience) as visitor:
        try:
            visitor.send(data)
            while True:
                statuses.append(visitor.read_response().status)
        except TimeoutError:
            return statuses, False
        except (Closed, Cut, OSError):
            return statuses, True


@story("ambiguous framing, hosts and bytes: refused, closed, and the service sees nothing")
def _(t):
    origin, seen = strict_service(t)
    tunnel = t.tunnel({"hello": origin, "other": origin})
    wrong = []
    for what, data in REFUSED.items():
        statuses, closed = outcome(tunnel, data)
        if statuses != [REFUSED_OTHERWISE.get(what, 400)]:
            wrong.append(f"{what}: answers {statuses}")
        if not closed:
            wrong.append(f"{what}: the connection stays open after {statuses}")
        if seen or origin.requests:
            wrong.append(f"{what}: the service saw {bytes(b''.join(seen))!r}")
            seen.clear()
            origin.requests.clear()
    same(wrong, [], "what went wrong")
    same(tunnel.ask().body, b"served", "afterwards")


@story("lenient shapes: refused, or forwarded as one request in one form", slow=True)
def _(t):
    origin, seen = strict_service(t)
    tunnel = t.tunnel({"hello": origin, "other": origin})
    wrong = []
    for what, data in ONE_FORM.items():
        statuses, _ = outcome(tunnel, data, 0.4)
        served = statuses.count(200)
        try:
            check(all(s in (200, 400, 405, 501, 505) for s in statuses), f"{what}: answers {statuses}")
            check(served <= 1 and len(statuses) <= 2, f"{what}: answers {statuses}")
            check(
                len(origin.requests) == served,
                f"{what}: {len(origin.requests)} requests at the service, {served} answers",
            )
            everything = b"".join(map(bytes, seen))
            check(b"GET /smuggled" not in everything, f"{what}: the service saw {everything!r}")
            for request in origin.requests:
                one_reading(request.raw, what)
        except Exception as failure:
            wrong.append(str(failure))
        for peer in origin.peers:
            peer.close()
        seen.clear()
        origin.requests.clear()
    same(wrong, [], "what went wrong")


@story("bad chunks: the visitor's connection ends, the service never sees the body's end")
def _(t):
    origin, seen = strict_service(t)
    tunnel = t.tunnel({"hello": origin})
    wrong = []
    for what, body in BAD_CHUNKS.items():
        statuses, closed = outcome(tunnel, HEAD + CHUNKED + b"\r\n" + body)
        everything = b"".join(map(bytes, seen))
        if statuses != [413 if what in HUGE_CHUNKS else 400] or not closed:
            wrong.append(f"{what}: answers {statuses}, closed: {closed}")
        if origin.requests or b"/smuggled" in everything:
            wrong.append(f"{what}: the service saw {everything!r}")
        seen.clear()
        origin.requests.clear()
    same(wrong, [], "what went wrong")
    same(tunnel.ask().body, b"served", "afterwards")


@story("fields that a stranger must not set do not arrive, nor does a field cross to the next request")
def _(t):
    origin, _ = strict_service(t)
    tunnel = t.tunnel({"hello": origin})
    with tunnel.visit() as visitor:
        visitor.ask(host=HOST, fields=[("X-Secret", "1")])
        visitor.ask(host=HOST)
    same(origin.requests[1].all("X-Secret"), [], "X-Secret of the request before")


main()
