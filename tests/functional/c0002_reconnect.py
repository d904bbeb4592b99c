#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The way between client and server is lost, and comes back."""
import hashlib
import re
import socket
import threading
import time

from lib import check, main, response, same, story
from lib.relay import Relay
from lib.tunnel import Client


@story("the server is started again: the client comes back")
def _(t):
    tunnel = t.tunnel({"hello": t.origin()})
    for _ in range(3):
        tunnel.server.kill()
        tunnel.restart_server()
        tunnel.wait_connected()
        same(tunnel.ask().body, b"hello\n", "answer")
    check(tunnel.client.running, "the client runs")


@story("the server ends with SIGTERM and is started again: the client comes back")
def _(t):
    tunnel = t.tunnel({"hello": t.origin()})
    same(tunnel.server.stop(), 0, "exit status")
    tunnel.restart_server()
    tunnel.wait_connected()
    same(tunnel.ask().body, b"hello\n", "answer")


@story("a client that starts before its server")
def _(t):
    origin = t.origin()
    tunnel = t.tunnel()
    tunnel.server.kill()
    tunnel.client = tunnel.add_client("tim", {"hello": origin}, wait=False)
    tunnel.client.wait_log(r"(?i)refused|again|retry|cannot|failed")
    tunnel.restart_server()
    tunnel.wait_connected()
    same(tunnel.ask().body, b"hello\n", "answer")


def hopeless(t, *options):
    """A client whose server does not exist."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    client = Client(t.directory, "tim", port, {"hello": 9}, options)
    t.programs.append(client)
    return client


@story("attempts back off: quick at first, longer pauses later")
def _(t):
    client = hopeless(t)
    client.wait_log(r"reconnecting in \d+ ms", count=7, limit=30)
    pauses = [int(ms) for ms in re.findall(r"reconnecting in (\d+) ms", client.log)]
    check(pauses[0] <= 150, f"the first pause is short: {pauses}")
    check(all(pause <= 30000 for pause in pauses), f"no pause is over 30 s: {pauses}")
    check(pauses[6] > 8 * pauses[0], f"pauses grow: {pauses}")


@story("--max-attempts: the client gives up with 1 and says why")
def _(t):
    client = hopeless(t, "--max-attempts", "3")
    same(client.wait_exit(), 1, "exit status")
    same(client.log.count("cannot connect"), 3, "attempts")
    check(
        any(line.startswith("mdm-tunnel-client: ") for line in client.log.splitlines()), f"a reason: {client.log!r}"
    )


@story("a server that accepts and says nothing, or closes at once, is tried again, not hammered")
def _(t):
    times = []

    def serve(peer, origin):
        times.append(time.monotonic())

    listener = t.origin(serve)
    client = Client(t.directory, "tim", listener.port, {"hello": 9})
    t.programs.append(client)
    client.wait_log("reconnecting in", count=4, limit=20)
    check(len(times) < 40, f"{len(times)} connections for 4 attempts")


def relayed(t, services):
    tunnel = t.tunnel()
    relay = t.keep(Relay(tunnel.server.mqtt))
    client = Client(t.directory, "tim", relay.port, services)
    tunnel.programs.append(client)
    tunnel.client = client
    tunnel.wait_connected("tim", client)
    return tunnel, relay


@story("the TCP connection is cut in the middle of a download and an upload: no byte is lost")
def _(t):
    size = 24 << 20
    block = hashlib.sha256(b"x").digest() * 2048
    whole = hashlib.sha256(block * (size // len(block))).hexdigest()
    got_up = []

    def serve(peer, origin):
        request = peer.read_request(body=False)
        if request.method == "GET":
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
            for _ in range(size // len(block)):
                peer.send(block)
        else:
            digest, left = hashlib.sha256(), size
            while left > 0:
                data = peer.take(len(peer.buffer)) if peer.buffer else peer.sock.recv(65536)
                if not data:
                    return
                digest.update(data)
                left -= len(data)
            got_up.append(digest.hexdigest())
            peer.send(response(200, b"taken"))

    tunnel, relay = relayed(t, {"hello": t.origin(serve)})
    with tunnel.visit(timeout=60) as down, tunnel.visit(timeout=60) as up:
        up.send(tunnel.request(method="POST", fields=[("Content-Length", str(size))]))
        sender = threading.Thread(target=lambda: [up.send(block) for _ in range(size // len(block))], daemon=True)
        sender.start()
        down.send(tunnel.request())
        down.read_head()
        digest, left, cuts = hashlib.sha256(), size, 0
        while left > 0:
            data = down.take(len(down.buffer)) if down.buffer else down.sock.recv(65536)
            check(data, f"the download ended with {left} bytes missing")
            digest.update(data)
            left -= len(data)
            if size - left > (cuts + 1) * (size // 4) and cuts < 3:
                relay.cut()
                cuts += 1
        same(digest.hexdigest(), whole, "SHA-256 of the download")
        same(up.read_response().body, b"taken", "answer to the upload")
        same((got_up, cuts), ([whole], 3), "SHA-256 of the upload, cuts")


@story("a WebSocket-like stream lives through a cut, in both directions")
def _(t):
    def serve(peer, origin):
        peer.read_request()
        peer.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
        while data := peer.sock.recv(65536):
            peer.send(data)

    tunnel, relay = relayed(t, {"hello": t.origin(serve)})
    with tunnel.visit(timeout=30) as visitor:
        visitor.send(tunnel.request(fields=[("Connection", "Upgrade"), ("Upgrade", "echo")]))
        same(visitor.read_response().status, 101, "status")
        for number in range(5):
            text = b"message %d" % number
            visitor.send(text)
            same(visitor.read_exact(len(text)), text, "echo")
            relay.cut()
            text = b"right behind the cut %d" % number
            visitor.send(text)
            same(visitor.read_exact(len(text)), text, "echo")


@story("a request that comes while the way is lost is served when it is back (--hold)")
def _(t):
    origin = t.origin()
    tunnel = t.tunnel({"hello": origin}, server=["--hold", "10"])
    tunnel.client.stop()
    with tunnel.visit(timeout=30) as visitor:
        visitor.send(tunnel.request())
        tunnel.client = tunnel.add_client("tim", {"hello": origin}, label="back", wait=False)
        same(visitor.read_response().body, b"hello\n", "answer to the request that was held")


@story("the network freezes for a while: streams wait and go on")
def _(t):
    tunnel, relay = relayed(t, {"hello": t.origin()})
    same(tunnel.ask().body, b"hello\n", "before")
    relay.freeze()
    with tunnel.visit(timeout=30) as visitor:
        visitor.send(tunnel.request())
        check(visitor.is_quiet(0.5), "nothing comes through a frozen network")
        relay.thaw()
        same(visitor.read_response().body, b"hello\n", "answer")


main()
