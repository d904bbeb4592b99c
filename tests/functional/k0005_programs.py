#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Everyday programs: uploads that go on where they were cut, npm install, long polls, a WebSocket library at both ends."""
import asyncio
import base64
import hashlib
import http.server
import io
import json
import queue
import random
import shutil
import subprocess
import tarfile
import threading

import websockets

from lib import check, main, same, seconds, skip, story
from lib.load import BIG

MIB = 1 << 20


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, body=b"", **fields):
        self.send_response(status)
        for name, value in {**fields, "Content-Length": len(body)}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Service:
    """A server of Python's library; `methods` are a handler's do_GET and so on."""

    def __init__(self, **methods):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Own", (Handler,), methods))
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


@story(f"curl: an upload of {2048 if BIG else 64} MiB is cut twice and goes on where it was", only="plain", slow=BIG)
def _(t):
    size = (2048 if BIG else 64) * MIB
    block = random.Random(5).randbytes(MIB)
    data, got = t.directory / "data", t.directory / "got"
    whole = hashlib.sha256()
    with open(data, "wb") as file:
        for number in range(size // MIB):
            piece = number.to_bytes(8, "big") + block[8:]
            whole.update(piece)
            file.write(piece)
    got.touch()
    cuts = [size // 2, size // 4]
    begins = []

    def put(self):
        begin = int((self.headers.get("Content-Range") or "bytes 0-").split()[1].split("-")[0])
        begins.append(begin)
        left = int(self.headers["Content-Length"])
        until = cuts.pop() if cuts else size
        with open(got, "r+b") as file:
            file.seek(begin)
            while left and file.tell() < until:
                piece = self.rfile.read(min(left, MIB, until - file.tell()))
                if not piece:
                    break
                file.write(piece)
                left -= len(piece)
        if left:
            self.close_connection = True
            return
        self.answer(201)

    with Service(do_PUT=put, do_HEAD=lambda self: self.answer(200, Upload_Offset=got.stat().st_size)) as service:
        tunnel = t.tunnel({"hello": service.port})
        command = ["curl", "-sS", "--fail", "-H", f"Host: {tunnel.host('hello')}", "-H", "Expect:", "-T", data]
        for _attempt in range(3):
            offset = int(tunnel.ask(method="HEAD").get("Upload-Offset"))
            done = subprocess.run([*command, "-C", str(offset), f"http://127.0.0.1:{tunnel.server.http}/data"], capture_output=True,
                                  timeout=seconds(120), check=False)
            check((done.returncode == 0) == (len(begins) == 3), f"curl from {offset}: {done.returncode} {done.stderr}")
        same(begins, [0, size // 4, size // 2], "where it went on")
    with open(got, "rb") as file:
        same(hashlib.file_digest(file, "sha256").hexdigest(), whole.hexdigest(), "what arrived")


def tarball(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"package/{name}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return out.getvalue()


@story("npm install from a registry behind the tunnel", only="plain")
def _(t):
    if shutil.which("npm") is None:
        skip("npm is missing")
    registry = "http://registry.tim.example.com"
    packages = {}
    for name, needs in (("one", {"two": "^1.0.0"}), ("two", {})):
        manifest = {"name": name, "version": "1.0.0", "main": "index.js", "dependencies": needs}
        archive = tarball({"package.json": json.dumps(manifest).encode(), "index.js": b"module.exports = '%s';\n" % name.encode(),
                           "big": random.Random(1).randbytes(MIB)})
        integrity = "sha512-" + base64.b64encode(hashlib.sha512(archive).digest()).decode()
        version = {**manifest, "dist": {"tarball": f"{registry}/{name}/-/{name}-1.0.0.tgz", "integrity": integrity}}
        packages[f"/{name}"] = json.dumps({"name": name, "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": version}}).encode()
        packages[f"/{name}/-/{name}-1.0.0.tgz"] = archive

    def get(self):
        body = packages.get(self.path)
        self.answer(404 if body is None else 200, body or b"{}")

    project = t.directory / "project"
    project.mkdir()
    (project / "package.json").write_text('{"name": "project", "version": "1.0.0", "dependencies": {"one": "*"}}')
    with Service(do_GET=get) as service:
        tunnel = t.tunnel({"registry": service.port})
        # The server as npm's proxy: so the name need not be in DNS.
        done = subprocess.run(
            ["npm", "install", "--registry", f"{registry}/", "--proxy", f"http://127.0.0.1:{tunnel.server.http}", "--no-audit",
             "--no-fund", "--no-update-notifier", "--cache", t.directory / "cache", "--fetch-retries", "0"],
            cwd=project, capture_output=True, text=True, timeout=seconds(60), check=False)
        same(done.returncode, 0, done.stdout + done.stderr)
    for name in ("one", "two"):
        same((project / "node_modules" / name / "index.js").read_text(), f"module.exports = '{name}';\n", name)


@story("long polls: each waits for its news, and nobody waits for them", only="plain")
def _(t):
    news = queue.Queue()

    def get(self):
        self.answer(200, news.get(timeout=30) if self.path == "/poll" else b"at once")

    def post(self):
        news.put(self.rfile.read(int(self.headers["Content-Length"])))
        self.answer(204)

    with Service(do_GET=get, do_POST=post) as service:
        tunnel = t.tunnel({"hello": service.port})
        heard = queue.Queue()
        for word in (b"first", b"second", b"third"):
            poll = threading.Thread(target=lambda: heard.put(tunnel.ask(target="/poll").body))
            poll.start()
            same(tunnel.ask(target="/other").body, b"at once", "another request meanwhile")
            check(heard.empty(), "the poll waits")
            same(tunnel.ask(method="POST", body=word).status, 204, "the news is told")
            same(heard.get(timeout=seconds(10)), word, "what the poll heard")
            poll.join()


@story("Python's websockets at both ends: text, binary, compression, fragments, pings, the close code", only="plain")
def _(t):
    big = random.Random(2).randbytes(3 * MIB)

    async def serve(socket, _path=None):
        async for message in socket:
            if message == "end":
                await socket.close(4001, "as asked")
                return
            await socket.send(message)

    async def visit():
        async with websockets.serve(serve, "127.0.0.1", 0, max_size=None) as server:
            port = server.sockets[0].getsockname()[1]
            tunnel = await asyncio.to_thread(t.tunnel, {"hello": port})
            for compression in ("deflate", None):
                async with websockets.connect(f"ws://{tunnel.host('hello')}/", host="127.0.0.1", port=tunnel.server.http, max_size=None,
                                              compression=compression) as socket:
                    same([e.name for e in socket.extensions], ["permessage-deflate"] if compression else [], "extensions")
                    for message in ("", "text", "é" * 70000, b"", big):
                        await socket.send(message)
                        check(await socket.recv() == message, f"{len(message)} come back")
                    await socket.send(["in ", "pieces ", "of ", "text"])
                    same(await socket.recv(), "in pieces of text", "fragments")
                    await asyncio.wait_for(await socket.ping(b"are you there"), seconds(10))
                    await socket.send("end")
                    await asyncio.wait_for(socket.wait_closed(), seconds(10))
                    same((socket.close_code, socket.close_reason), (4001, "as asked"), "close")

    asyncio.run(visit())


main()
