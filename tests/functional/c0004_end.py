#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The programs are asked to end."""
import os
import re
import signal
import socket
import threading
import time

from lib import check, main, response, same, seconds, story, wait_until


def slow(t):
    """A service whose answer to /slow waits for an event."""
    go_on = threading.Event()

    def answer(request):
        if request.target == "/slow":
            go_on.wait(seconds(30))
        return response(200, request.target.encode())

    return t.origin(answer), go_on


def in_flight(tunnel, origin, visitor):
    visitor.send(tunnel.request(target="/slow"))
    wait_until(lambda: origin.requests, "the slow request is in flight")


@story("SIGTERM and SIGINT: each program exits with 0 when nothing is in flight, at once")
def _(t):
    for number in (signal.SIGTERM, signal.SIGINT):
        tunnel = t.tunnel({"hello": t.origin()})
        tunnel.ask()
        for program in (tunnel.client, tunnel.server):
            began = time.monotonic()
            program.signal(number)
            same(program.wait_exit(), 0, f"{program.label}: exit status after {number}")
            check(time.monotonic() - began < seconds(2), f"{program.label} took {time.monotonic() - began:.2f} s")


@story("SIGTERM to the client: what is in flight is finished, new requests are refused, exit status 0")
def _(t):
    origin, go_on = slow(t)
    tunnel = t.tunnel({"hello": origin}, client=["--drain", "10"], server=["--drain", "10"])
    with tunnel.visit() as visitor:
        in_flight(tunnel, origin, visitor)
        tunnel.client.signal(signal.SIGTERM)
        wait_until(lambda: tunnel.ask(target="/new").status == 503, "new requests are refused with 503")
        check(tunnel.client.running, "the client waits for what is in flight")
        go_on.set()
        same(visitor.read_response().body, b"/slow", "answer to what was in flight")
    same(tunnel.client.wait_exit(), 0, "exit status")


@story("SIGTERM to the server: what is in flight is finished, no new connections, exit status 0")
def _(t):
    origin, go_on = slow(t)
    tunnel = t.tunnel({"hello": origin}, client=["--drain", "10"], server=["--drain", "10"])
    with tunnel.visit() as visitor:
        in_flight(tunnel, origin, visitor)
        tunnel.server.signal(signal.SIGTERM)

        def refused():
            try:
                return tunnel.ask(target="/new").status == 503
            except Exception:
                return True

        wait_until(refused, "new connections are refused")
        check(tunnel.server.running, "the server waits for what is in flight")
        go_on.set()
        same(visitor.read_response().body, b"/slow", "answer to what was in flight")
    same(tunnel.server.wait_exit(), 0, "exit status")


@story("a second signal ends each program at once")
def _(t):
    origin, _ = slow(t)
    tunnel = t.tunnel({"hello": origin}, client=["--drain", "10"], server=["--drain", "10"])
    with tunnel.visit() as visitor:
        in_flight(tunnel, origin, visitor)
        for program in (tunnel.client, tunnel.server):
            lines = len(program.log.splitlines())
            program.signal(signal.SIGTERM)
            wait_until(
                lambda p=program, n=lines: len(p.log.splitlines()) > n or not p.running, f"{program.label} says so"
            )
            began = time.monotonic()
            program.signal(signal.SIGTERM)
            program.wait_exit()
            check(time.monotonic() - began < seconds(1), f"{program.label} took {time.monotonic() - began:.2f} s")


@story("--drain bounds the wait")
def _(t):
    origin, _ = slow(t)
    tunnel = t.tunnel({"hello": origin}, client=["--drain", "0.5"], server=["--drain", "0.5"])
    with tunnel.visit() as visitor:
        in_flight(tunnel, origin, visitor)
        began = time.monotonic()
        tunnel.client.signal(signal.SIGTERM)
        same(tunnel.client.wait_exit(), 0, "the client's exit status")
        took = time.monotonic() - began
        check(0.3 < took < seconds(3), f"the client took {took:.2f} s")
        answer = visitor.read_response()
        check(answer.status in (502, 503), f"the visitor gets {answer.status} {answer.error}")


@story("an idle keep-alive connection and an open event stream do not hold up a server for longer than --drain")
def _(t):
    def serve(peer, origin):
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: x\n\n")
        peer.fill()

    tunnel = t.tunnel({"hello": t.origin(), "events": t.origin(serve)}, server=["--drain", "0.5"])
    with tunnel.visit() as idle, tunnel.visit() as events:
        idle.ask(host=tunnel.host("hello"))
        events.send(tunnel.request("events"))
        events.read_head()
        began = time.monotonic()
        same(tunnel.server.stop(), 0, "exit status")
        check(time.monotonic() - began < seconds(3), f"it took {time.monotonic() - began:.2f} s")


@story("who started a program is told when it is ready, reads its settings again, and ends; and that all its workers live")
def _(t):
    path = t.directory / "manager"
    manager = t.keep(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
    manager.bind(str(path))
    manager.settimeout(seconds(10))

    def told(word):
        while word not in (lines := manager.recv(4096).decode().splitlines()):
            same(lines, ["WATCHDOG=1"], "what is told meanwhile")
        return lines

    os.environ.update(NOTIFY_SOCKET=str(path), WATCHDOG_USEC="100000")
    try:
        tunnel = t.tunnel()
        server = tunnel.server
        check("READY=1" in told("READY=1") and server.http, "the server is ready once it listens")
        told("WATCHDOG=1")
        told("WATCHDOG=1")
        server.signal(signal.SIGHUP)
        check(re.match(r"MONOTONIC_USEC=\d+$", told("RELOADING=1")[1]), "when it has begun")
        told("READY=1")
        server.stop()
        told("STOPPING=1")
        del os.environ["WATCHDOG_USEC"]
        client = tunnel.add_client("tim", {"hello": t.origin()}, wait=False)
        client.wait_log("reconnecting")
        tunnel.restart_server()
        told("READY=1")
        told("READY=1")
        client.stop()
        told("STOPPING=1")
    finally:
        del os.environ["NOTIFY_SOCKET"]


main()
