#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Answers that do not wait for the request's end, and readers that do not read."""
import hashlib
import subprocess
import threading
import time

from lib import check, connect, main, response, same, seconds, skip, story, wait_until

MIB = 1 << 20


def upload(visitor, size, stop=None):
    """Sends in the background, as a visitor does that reads meanwhile."""

    def send():
        left, block = size, b"u" * 65536
        try:
            while left > 0 and not (stop and stop.is_set()):
                visitor.send(block[: min(left, len(block))])
                left -= len(block)
                thread.left = left
        except OSError:
            pass

    thread = threading.Thread(target=send, daemon=True)
    thread.left = size
    thread.start()
    return thread


@story("an answer that comes while the upload still runs reaches the visitor; the upload may go on")
def _(t):
    answered = threading.Event()

    def serve(peer, origin):
        request = peer.read_request(body=False)
        peer.read_exact(100000)
        peer.send(response(200, b"early"))
        answered.set()
        peer.read_exact(int(request.get("Content-Length")) - 100000)
        origin.requests.append(request)
        peer.read_head()

    origin = t.origin(serve)
    tunnel = t.tunnel({"hello": origin})
    with tunnel.visit() as visitor:
        visitor.send(tunnel.request(method="POST", fields=[("Content-Length", str(8 * MIB))]))
        thread = upload(visitor, 8 * MIB)
        answer = visitor.read_response()
        same((answer.status, answer.body), (200, b"early"), "answer")
        thread.join(seconds(10))
        # The service's connection is over with its answer; what still comes is taken from the visitor.
        check(not thread.is_alive() and thread.left == 0, f"the upload stopped with {thread.left} bytes left")


@story("an answer in the middle of a body: the visitor that goes on sending gets it")
def _(t):
    answered = threading.Event()

    def serve(peer, origin):
        peer.read_head()
        answered.set()
        peer.send(response(401, b"who?", ("Connection", "close"), reason="Unauthorized"))
        peer.is_closed(10)

    tunnel = t.tunnel({"hello": t.origin(serve)})
    with tunnel.visit() as visitor:
        visitor.send(tunnel.request(method="POST", fields=[("Content-Length", str(MIB))]) + b"some")
        check(answered.wait(seconds(5)), "the service answers")
        visitor.send(b"x" * (MIB - 4))
        answer = visitor.read_response()
        same((answer.status, answer.body), (401, b"who?"), "answer")


@story("a service that answers 413 and closes without reading the upload is heard, each time")
def _(t):
    def serve(peer, origin):
        peer.read_head()
        peer.send(response(413, b"too big", ("Connection", "close"), reason="Payload Too Large"))

    tunnel = t.tunnel({"hello": t.origin(serve)})
    for _ in range(10):
        with tunnel.visit() as visitor:
            visitor.send(tunnel.request(method="POST", fields=[("Content-Length", str(4 * MIB))]))
            upload(visitor, 4 * MIB)
            answer = visitor.read_response()
            same((answer.status, answer.body), (413, b"too big"), "answer")


@story("a visitor that does not read slows nobody else, costs bounded memory, and gets everything in the end")
def _(t):
    size = 64 * MIB
    block = hashlib.sha256(b"block").digest() * 2048
    digest = hashlib.sha256()

    def serve(peer, origin):
        while (request := peer.read_request()) is not None:
            if request.target == "/big":
                peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
                for _ in range(size // len(block)):
                    peer.send(block)
            else:
                peer.send(response(200, b"small"))

    for _ in range(size // len(block)):
        digest.update(block)
    tunnel = t.tunnel({"hello": t.origin(serve)})
    same(tunnel.ask(target="/").body, b"small", "small answer")
    before = [program.rss() for program in tunnel.programs]
    with connect(tunnel.server.http, receive_buffer=8192, timeout=60) as lazy:
        lazy.send(tunnel.request(target="/big"))
        lazy.read_head()
        with tunnel.visit() as visitor:
            for _ in range(200):
                began = time.monotonic()
                same(visitor.ask(host=tunnel.host("hello")).body, b"small", "small answer beside the stalled one")
                check(time.monotonic() - began < seconds(1), f"a small answer took {time.monotonic() - began:.2f} s")
        for program, rss in zip(tunnel.programs, before):
            grown = program.rss() - rss
            check(grown < 48 * MIB, f"{program.label} grew by {grown / MIB:.1f} MiB")
        got, left = hashlib.sha256(), size
        while left > 0:
            data = lazy.take(len(lazy.buffer)) if lazy.buffer else lazy.sock.recv(65536)
            check(data, f"{left} bytes are missing")
            got.update(data)
            left -= len(data)
        same(got.hexdigest(), digest.hexdigest(), "SHA-256")


@story("a service that does not read its upload slows nobody else, and costs bounded memory")
def _(t):
    done = threading.Event()

    def serve(peer, origin):
        while (request := peer.read_head()) is not None:
            if request.target == "/stall":
                done.wait(seconds(30))
                return
            peer.send(response(200, b"small"))

    tunnel = t.tunnel({"hello": t.origin(serve)})
    tunnel.ask()
    before = [program.rss() for program in tunnel.programs]
    stop = threading.Event()
    with tunnel.visit(timeout=60) as uploading:
        uploading.send(tunnel.request(method="POST", target="/stall", fields=[("Content-Length", str(256 * MIB))]))
        upload(uploading, 256 * MIB, stop)
        with tunnel.visit() as visitor:
            for _ in range(200):
                began = time.monotonic()
                same(visitor.ask(host=tunnel.host("hello")).body, b"small", "small answer beside the stalled upload")
                check(time.monotonic() - began < seconds(1), f"a small answer took {time.monotonic() - began:.2f} s")
        for program, rss in zip(tunnel.programs, before):
            grown = program.rss() - rss
            check(grown < 48 * MIB, f"{program.label} grew by {grown / MIB:.1f} MiB")
        stop.set()
        done.set()


@story("a half-closed visitor (nc -N) gets its answer")
def _(t):
    try:
        subprocess.run(["nc", "-h"], capture_output=True)
    except FileNotFoundError:
        skip("nc is missing")
    go_on = threading.Event()

    def answer(request):
        if request.target == "/slow":
            go_on.wait(seconds(10))
        return response(200, b"got " + hashlib.sha256(request.body).hexdigest().encode(), ("Connection", "close"))

    origin = t.origin(answer)
    tunnel = t.tunnel({"hello": origin})
    body = b"n" * 3000000
    for target in ("/fast", "/slow"):
        go_on.clear()
        process = subprocess.Popen(
            ["nc", "-N", "127.0.0.1", str(tunnel.server.http)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        threading.Thread(
            target=lambda: (
                process.stdin.write(
                    tunnel.request(method="POST", target=target, body=body, fields=[("Connection", "close")])
                ),
                process.stdin.close(),
            ),
            daemon=True,
        ).start()
        wait_until(lambda: origin.requests and origin.requests[-1].target == target, "the request arrives")
        go_on.set()
        out = process.stdout.read()
        process.wait(seconds(10))
        check(out.endswith(b"got " + hashlib.sha256(body).hexdigest().encode()), f"{target}: {out!r}")


main()
