#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Answers of a hostile or broken service: 502 or a cut, never two readings at the visitor."""
from lib import Closed, Cut, check, main, response, same, story

BAD_HEADS = {
    "CL and TE": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two differing CL": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\nhello",
    "CL negative": b"HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\nabc",
    "CL with text": b"HTTP/1.1 200 OK\r\nContent-Length: 3a\r\n\r\nabc",
    "CL beyond 64 bits": b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\nabc",
    "a name with a space": b"HTTP/1.1 200 OK\r\nX A: 1\r\nContent-Length: 3\r\n\r\nabc",
    "a NUL in a value": b"HTTP/1.1 200 OK\r\nX-A: a\0b\r\nContent-Length: 3\r\n\r\nabc",
    "a bare CR in a value": b"HTTP/1.1 200 OK\r\nX-A: a\rSet-Cookie: b\r\nContent-Length: 3\r\n\r\nabc",
    "a status of two digits": b"HTTP/1.1 20 OK\r\nContent-Length: 3\r\n\r\nabc",
    "a status of four digits": b"HTTP/1.1 2000 OK\r\nContent-Length: 3\r\n\r\nabc",
    "a status that is text": b"HTTP/1.1 abc OK\r\nContent-Length: 3\r\n\r\nabc",
    "HTTP/2": b"HTTP/2 200 OK\r\nContent-Length: 3\r\n\r\nabc",
    "a line without a colon": b"HTTP/1.1 200 OK\r\nnonsense\r\nContent-Length: 3\r\n\r\nabc",
    "a head that does not end": b"HTTP/1.1 200 OK\r\n" + b"X-A: " + b"x" * 200000,
    "a thousand fields": b"HTTP/1.1 200 OK\r\n" + b"X-A: 1\r\n" * 1000 + b"Content-Length: 3\r\n\r\nabc",
    "101 that nobody asked for": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
}


@story("heads that are no HTTP, or are two things at once: 502 bad-answer")
def _(t):
    current = {}
    tunnel = t.tunnel({"hello": t.origin(lambda r: current["answer"])})
    wrong = []
    for what, data in BAD_HEADS.items():
        current["answer"] = data
        try:
            answer = tunnel.ask(fields=[("X-What", what)])
            if (answer.status, answer.error) != (502, "bad-answer"):
                wrong.append(f"{what}: {answer.status} {answer.error} {answer.fields} {answer.body[:80]!r}")
        except (Closed, Cut, TimeoutError) as error:
            wrong.append(f"{what}: {error!r}")
    same(wrong, [], "what went wrong")
    current["answer"] = response(200, b"good")
    same(tunnel.ask().body, b"good", "afterwards")


@story("bad chunks of a service are a cut")
def _(t):
    current = {}
    tunnel = t.tunnel({"hello": t.origin(lambda r: current["answer"])})
    for body in (
        b"5\r\nhelloXX\r\n0\r\n\r\n",
        b"-5\r\nhello\r\n0\r\n\r\n",
        b"FFFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n",
        b"zz\r\n\r\n",
    ):
        current["answer"] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body
        try:
            answer = tunnel.ask()
            same((answer.status, answer.error), (502, "bad-answer"), f"{body!r}: {answer.body!r}")
        except (Closed, Cut):
            pass


@story("a service that sends without being asked, and without end, is bounded")
def _(t):
    def serve(peer, origin):
        while not origin.gone.is_set():
            peer.send(b"x" * 65536)

    tunnel = t.tunnel({"hello": t.origin(serve)})
    for _ in range(5):
        same(tunnel.ask().status, 502, "status")
    for program in tunnel.programs:
        check(program.rss() < 200 << 20, f"{program.label} has {program.rss() >> 20} MiB")


main()
