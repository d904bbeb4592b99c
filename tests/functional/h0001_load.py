#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Many requests, and large ones."""
import hashlib
import statistics
import threading
import time

from lib import check, connect, main, response, same, seconds, story, wait_until
from lib.program import sanitized

BLOCK = hashlib.sha256(b"block").digest() * 8192  # 256 KiB


@story("200 simultaneous first requests")
def _(t):
    origin = t.origin(lambda request: response(200, request.target.encode()))
    tunnel = t.tunnel({"hello": origin})
    visitors = [tunnel.visit(timeout=30) for _ in range(200)]
    try:
        for number, visitor in enumerate(visitors):
            visitor.send(tunnel.request(target=f"/{number}"))
        for number, visitor in enumerate(visitors):
            answer = visitor.read_response()
            same((answer.status, answer.body), (200, b"/%d" % number), "answer")
    finally:
        for visitor in visitors:
            visitor.close()


def requests(tunnel, count, keep):
    visitor = tunnel.visit()
    for number in range(count):
        if not keep:
            visitor.close()
            visitor = tunnel.visit()
        answer = visitor.ask(target=f"/{number}", host=tunnel.host("hello"))
        same((answer.status, answer.body), (200, b"/%d" % number), "answer")
    visitor.close()


@story("1,000 requests one after the other, on one connection and on one each: no descriptor is left over")
def _(t):
    tunnel = t.tunnel({"hello": t.origin(lambda request: response(200, request.target.encode()))})
    for keep in (True, False):
        requests(tunnel, 50, keep)
        before = [program.fds() for program in tunnel.programs]
        requests(tunnel, 1000, keep)
        wait_until(
            lambda before=before: all(p.fds() <= b + 2 for p, b in zip(tunnel.programs, before)),
            f"descriptors are as before: {before}",
            5,
        )


@story("1,000 requests in 20 threads")
def _(t):
    tunnel = t.tunnel({"hello": t.origin(lambda request: response(200, request.target.encode()))})
    troubles = []

    def run():
        try:
            requests(tunnel, 50, True)
        except Exception as error:
            troubles.append(error)

    threads = [threading.Thread(target=run) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    same(troubles, [], "troubles")


def large(t, size):
    taken = []

    def serve(peer, origin):
        while (request := peer.read_request(body=False)) is not None:
            if request.method == "GET":
                peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
                for _ in range(size // len(BLOCK)):
                    peer.send(BLOCK)
                continue
            taken.append(digest_of(peer, int(request.get("Content-Length"))))
            peer.send(response(200, b"taken"))

    whole = hashlib.sha256()
    for _ in range(size // len(BLOCK)):
        whole.update(BLOCK)
    tunnel = t.tunnel({"hello": t.origin(serve)})
    with tunnel.visit(timeout=120) as visitor:
        visitor.send(tunnel.request())
        head = visitor.read_head()
        same(digest_of(visitor, int(head.get("Content-Length"))), whole.hexdigest(), "SHA-256 of the download")
        visitor.send(tunnel.request(method="POST", fields=[("Content-Length", str(size))]))
        for _ in range(size // len(BLOCK)):
            visitor.send(BLOCK)
        same(visitor.read_response().body, b"taken", "answer to the upload")
    same(taken, [whole.hexdigest()], "SHA-256 of the upload")
    for program in tunnel.programs:
        check(program.rss() < 256 << 20, f"{program.label} has {program.rss() >> 20} MiB")


def digest_of(peer, size):
    digest, buffer = hashlib.sha256(), bytearray(1 << 18)
    first = peer.take(size)
    digest.update(first)
    left = size - len(first)
    while left > 0:
        count = peer.sock.recv_into(buffer, min(left, len(buffer)))
        check(count > 0, f"{left} of {size} bytes are missing")
        digest.update(memoryview(buffer)[:count])
        left -= count
    return digest.hexdigest()


SIZE_MIB = 64 if sanitized() else 1024


@story(f"{SIZE_MIB} MiB down and up arrive as they were sent", slow=True)
def _(t):
    large(t, SIZE_MIB << 20)


STALLED = 25 if sanitized() else 100


@story(f"{STALLED} stalled downloads: others are served, memory is bounded, and each goes on when it is read", slow=True)
def _(t):
    size = 4 << 20
    whole = BLOCK * (size // len(BLOCK))

    def serve(peer, origin):
        while (request := peer.read_request()) is not None:
            peer.send(response(200, whole if request.target == "/big" else b"small"))

    tunnel = t.tunnel({"hello": t.origin(serve)})
    requests_small(tunnel, 50)
    usual = statistics.median(requests_small(tunnel, 200))
    before = [program.rss() for program in tunnel.programs]
    lazy = [t.keep(connect(tunnel.server.http, receive_buffer=8192, timeout=60)) for _ in range(STALLED)]
    for visitor in lazy:
        visitor.send(tunnel.request(target="/big"))
    for visitor in lazy:
        same(visitor.read_head().status, 200, "status of a download")
    beside = statistics.median(requests_small(tunnel, 500))
    print(f"# a small request: {usual * 1e3:.2f} ms, beside the stalled ones {beside * 1e3:.2f} ms", flush=True)
    check(beside < 5 * usual + seconds(0.02), f"a small request takes {beside * 1e3:.1f} ms instead of {usual * 1e3:.1f} ms")
    with tunnel.visit(timeout=60) as visitor:
        check(visitor.ask(target="/big", host=tunnel.host("hello")).body == whole, "a download beside the stalled ones")
    # Of 400 MiB: credit of 256 KiB each, 64 MiB that they share beyond it (limits.h), and what chunks hold beside that.
    for program, rss in zip(tunnel.programs, before):
        grown = (program.rss() - rss) >> 20
        check(sanitized() or grown < 128, f"{program.label} grew by {grown} MiB")
    for visitor in lazy:
        check(visitor.read_exact(size) == whole, "what a stalled download brought in the end")


def requests_small(tunnel, count):
    """How long each of them took."""
    took = []
    with tunnel.visit(timeout=30) as visitor:
        for _ in range(count):
            began = time.monotonic()
            same(visitor.ask(host=tunnel.host("hello")).body, b"small", "small answer")
            took.append(time.monotonic() - began)
    return took


@story("eight downloads and eight uploads at once, with small requests in between")
def _(t):
    size = 1 << 20

    def serve(peer, origin):
        while (request := peer.read_request()) is not None:
            body = (
                BLOCK * (size // len(BLOCK))
                if request.target == "/big"
                else hashlib.sha256(request.body).hexdigest().encode()
            )
            peer.send(response(200, body))

    tunnel = t.tunnel({"hello": t.origin(serve)})
    whole = BLOCK * (size // len(BLOCK))
    digest = hashlib.sha256(whole).hexdigest().encode()
    troubles = []

    def run(number):
        try:
            with tunnel.visit(timeout=60) as visitor:
                for _ in range(3):
                    if number % 2:
                        check(visitor.ask(target="/big", host=tunnel.host("hello")).body == whole, "download")
                    else:
                        same(visitor.ask("POST", "/up", host=tunnel.host("hello"), body=whole).body, digest, "upload")
                    same(visitor.ask("POST", "/small", host=tunnel.host("hello"), body=b"x").status, 200, "small")
        except Exception as error:
            troubles.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    same(troubles, [], "troubles")


main()
