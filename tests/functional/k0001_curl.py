#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""curl's everyday."""
import hashlib
import re
import shutil
import subprocess
import threading

from lib import check, main, response, same, seconds, skip, story, wait_until

DATA = hashlib.sha256(b"file").digest() * 40000
ETAG = '"v1"'


def files(request):
    """A file with ranges and an ETag; an echo for everything that is not GET or HEAD."""
    if request.method not in ("GET", "HEAD"):
        return response(
            200, f"{request.method} {len(request.body)} {hashlib.sha256(request.body).hexdigest()}".encode()
        )
    if request.target.startswith("/cookies"):
        return response(200, b"c", ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2; Path=/"), ("set-cookie", "c=3"))
    if request.target == "/form":
        return response(200, request.body)
    if request.get("If-None-Match") == ETAG:
        return response(304, b"", ("ETag", ETAG), reason="Not Modified", length=False)
    span = re.fullmatch(r"bytes=(\d*)-(\d*)", request.get("Range") or "")
    if not span:
        return head_or(request, response(200, DATA, ("ETag", ETAG), ("Accept-Ranges", "bytes")))
    begin = int(span[1]) if span[1] else len(DATA) - int(span[2])
    end = int(span[2]) if span[1] and span[2] else len(DATA) - 1
    return head_or(
        request,
        response(
            206,
            DATA[begin : end + 1],
            ("Content-Range", f"bytes {begin}-{end}/{len(DATA)}"),
            reason="Partial Content",
        ),
    )


def head_or(request, data):
    return data if request.method == "GET" else data[: data.index(b"\r\n\r\n") + 4]


def curl(tunnel, target, *arguments, status=0, service="hello"):
    if shutil.which("curl") is None:
        skip("curl is missing")
    done = subprocess.run(
        [
            "curl",
            "-sS",
            "-H",
            f"Host: {tunnel.host(service)}",
            "--max-time",
            str(int(seconds(30))),
            *arguments,
            f"http://127.0.0.1:{tunnel.server.http}{target}",
        ],
        capture_output=True,
        cwd=tunnel.directory,
    )
    same((done.returncode, done.stderr if status == 0 else b""), (status, b""), f"curl {' '.join(arguments)}: {done.stderr!r}")
    return done.stdout


@story("GET, ranges, a resumed download, HEAD")
def _(t):
    tunnel = t.tunnel({"hello": t.origin(files)})
    check(curl(tunnel, "/file") == DATA, "GET")
    check(curl(tunnel, "/file", "-r", "100-199") == DATA[100:200], "range")
    check(curl(tunnel, "/file", "-r", "-50") == DATA[-50:], "suffix range")
    part = t.directory / "part"
    part.write_bytes(DATA[:5000])
    curl(tunnel, "/file", "-C", "-", "-o", "part")
    check(part.read_bytes() == DATA, "resumed download")
    head = curl(tunnel, "/file", "-I")
    check(b"200" in head.splitlines()[0] and b"ontent-Length: %d" % len(DATA) in head, f"HEAD: {head!r}")


@story("conditional GET: 304")
def _(t):
    tunnel = t.tunnel({"hello": t.origin(files)})
    same(curl(tunnel, "/file", "-H", f"If-None-Match: {ETAG}", "-w", "%{http_code}"), b"304", "status")


@story("PUT, POST, PATCH, DELETE, uploads with and without a known length, multipart")
def _(t):
    origin = t.origin(files)
    tunnel = t.tunnel({"hello": origin})
    (t.directory / "up").write_bytes(DATA)
    digest = hashlib.sha256(DATA).hexdigest()
    same(curl(tunnel, "/", "-T", "up").decode(), f"PUT {len(DATA)} {digest}", "PUT")
    same(
        curl(tunnel, "/", "-T", "-", "-H", "Transfer-Encoding: chunked", "-X", "POST").decode(),
        f"POST 0 {hashlib.sha256().hexdigest()}",
        "POST chunked, empty",
    )
    same(curl(tunnel, "/", "--data-binary", "@up").decode(), f"POST {len(DATA)} {digest}", "POST")
    same(
        curl(tunnel, "/", "--data-binary", "@up", "-H", "Transfer-Encoding: chunked").decode(),
        f"POST {len(DATA)} {digest}",
        "chunked",
    )
    same(
        curl(tunnel, "/", "-H", "Expect: 100-continue", "--data-binary", "@up").decode(),
        f"POST {len(DATA)} {digest}",
        "Expect",
    )
    for method in ("PATCH", "DELETE", "OPTIONS", "PROPFIND"):
        same(curl(tunnel, "/", "-X", method).decode().split()[0], method, method)
    curl(tunnel, "/", "-F", "file=@up;type=text/x", "-F", "name=value")
    request = origin.requests[-1]
    check(
        request.get("Content-Type").startswith("multipart/form-data; boundary=") and DATA in request.body, "multipart"
    )


@story("--http1.0, three Set-Cookie, compressed responses stay as they are")
def _(t):
    tunnel = t.tunnel(
        {
            "hello": t.origin(files),
            "gzip": t.origin(response(200, b"\x1f\x8b not really", ("Content-Encoding", "gzip"))),
        }
    )
    check(curl(tunnel, "/file", "--http1.0") == DATA, "HTTP/1.0")
    head = curl(tunnel, "/cookies", "-i").split(b"\r\n\r\n")[0].splitlines()
    same(
        [line for line in head if line.lower().startswith(b"set-cookie")],
        [b"Set-Cookie: a=1", b"Set-Cookie: b=2; Path=/", b"set-cookie: c=3"],
        "cookies",
    )
    same(curl(tunnel, "/", service="gzip"), b"\x1f\x8b not really", "bytes of a compressed answer")


@story("trailers arrive; events come through curl -N one by one, while the answer goes on")
def _(t):
    going_on = threading.Event()

    def events(peer, origin):
        while peer.read_request() is not None:
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
            for number in range(3):
                peer.send(b"data: %d\n\n" % number)
                check(going_on.wait(seconds(20)), "curl has shown the event")
                going_on.clear()
            return

    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n4\r\nbody\r\n0\r\nX-Sum: 42\r\n\r\n"
    tunnel = t.tunnel({"hello": t.origin(chunked), "events": t.origin(events)})
    out = curl(tunnel, "/", "--raw", "-i")
    head, body = out.split(b"\r\n\r\n", 1)
    check(b"transfer-encoding: chunked" in head.lower(), head)
    same(body, b"4\r\nbody\r\n0\r\nX-Sum: 42\r\n\r\n", "the body as it came")
    same(curl(tunnel, "/"), b"body", "what curl makes of it")
    with subprocess.Popen(["curl", "-sSN", "-H", f"Host: {tunnel.host('events')}", f"http://127.0.0.1:{tunnel.server.http}/"],
                          stdout=subprocess.PIPE) as reader:
        for number in range(3):
            same(reader.stdout.readline() + reader.stdout.readline(), b"data: %d\n\n" % number, "an event")
            going_on.set()
        same((reader.stdout.read(), reader.wait(seconds(10))), (b"", 0), "the end")


@story("200 in parallel")
def _(t):
    origin = t.origin(files)
    tunnel = t.tunnel({"hello": origin})
    out = curl(
        tunnel,
        "/cookies?[1-200]",
        "--no-progress-meter",
        "--parallel",
        "--parallel-immediate",
        "--parallel-max",
        "200",
        "-o",
        "/dev/null",
        "-w",
        "%{http_code}\n",
    )
    same((out.split().count(b"200"), len(origin.requests)), (200, 200), "answers and requests")


@story("20 that give up in the middle leave nothing behind")
def _(t):
    def serve(peer, origin):
        while (request := peer.read_request()) is not None:
            if request.target == "/small":
                peer.send(response(200, b"small"))
                continue
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
            while True:
                peer.send(DATA)

    origin = t.origin(serve)
    tunnel = t.tunnel({"hello": origin})
    same(curl(tunnel, "/small"), b"small", "before")
    before = [program.fds() for program in tunnel.programs]
    for _ in range(20):
        curl(tunnel, "/", "--max-filesize", "1000", "-o", "/dev/null", status=63)  # "maximum file size exceeded"
        with tunnel.visit() as visitor:
            visitor.send(tunnel.request())
            visitor.read_exact(5000)
    wait_until(
        lambda: all(p.fds() <= b + 3 for p, b in zip(tunnel.programs, before)), "descriptors are closed again", 5
    )
    same(curl(tunnel, "/small"), b"small", "afterwards")


main()
