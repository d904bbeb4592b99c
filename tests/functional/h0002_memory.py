#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What an idle WebSocket costs."""
import os

from lib import check, main, same, skip, story, wait_until
from lib.program import raise_limits, sanitized
from lib.websocket import HANDSHAKE, BareEcho

COUNT = 10000 if os.environ.get("MDM_TEST_BIG") == "1" else 1000
SERVER_KIB, CLIENT_KIB = 40, 20


@story(
    f"{COUNT:,} idle WebSockets: all live, the server takes under {SERVER_KIB} KiB each, the client under {CLIENT_KIB}"
)
def _(t):
    raise_limits()
    echo = t.keep(BareEcho())
    tunnel = t.tunnel({"hello": echo.port})
    count = COUNT // 10 if sanitized() else COUNT
    first = tunnel.visit()
    first.send(tunnel.request(fields=HANDSHAKE))
    same(first.read_response().status, 101, "status")
    before = [tunnel.server.rss(), tunnel.client.rss()]
    visitors = [first]
    try:
        for begin in range(0, count, 100):
            batch = [tunnel.visit(timeout=30) for _ in range(100)]
            visitors += batch
            for visitor in batch:
                visitor.send(tunnel.request(fields=HANDSHAKE))
            for visitor in batch:
                same(visitor.read_response().status, 101, f"status of one of the {begin + 100}")
        each = [(program.rss() - rss) / 1024 / count for program, rss in zip((tunnel.server, tunnel.client), before)]
        for visitor in visitors[:: max(1, count // 100)] + visitors[-1:]:
            visitor.send(b"ping")
        for visitor in visitors[:: max(1, count // 100)] + visitors[-1:]:
            same(visitor.read_exact(4), b"ping", "echo")
    finally:
        for visitor in visitors:
            visitor.close()
    wait_until(
        lambda: tunnel.server.fds() < 100 and tunnel.client.fds() < 100, "all descriptors are closed again", 10
    )
    if sanitized():
        skip("memory says nothing under a sanitizer; all WebSockets lived")
    check(each[0] < SERVER_KIB and each[1] < CLIENT_KIB, f"KiB each: server {each[0]:.1f}, client {each[1]:.1f}")


main()
