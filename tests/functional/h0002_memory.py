#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What ten thousand idle WebSockets and very many requests cost."""
import re
import subprocess
import time

from lib import check, main, same, seconds, story, wait_until
from lib.example import example
from lib.load import BIG
from lib.program import raise_limits, sanitized
from lib.websocket import HANDSHAKE, Apart, BareEcho

COUNT = 1000 if sanitized() else 10000
SERVER_KIB, CLIENT_KIB = 40, 20
REQUESTS = 1_000_000 if BIG else 100_000


@story(
    f"{COUNT:,} idle WebSockets: all live, the server takes under {SERVER_KIB} KiB each, the client under {CLIENT_KIB}",
    slow=True,
)
def _(t):
    raise_limits()
    echo = t.keep(Apart(BareEcho))
    tunnel = t.tunnel({"hello": echo.port}, server=["--visitors-per-address", "0"])
    first = tunnel.visit()
    first.send(tunnel.request(fields=HANDSHAKE))
    same(first.read_response().status, 101, "status")
    before = [tunnel.server.rss(), tunnel.client.rss()]
    visitors = [first]
    try:
        for begin in range(0, COUNT, 100):
            batch = [tunnel.visit(timeout=30) for _ in range(100)]
            visitors += batch
            for visitor in batch:
                visitor.send(tunnel.request(fields=HANDSHAKE))
            for visitor in batch:
                same(visitor.read_response().status, 101, f"status of one of the {begin + 100}")
        each = [(program.rss() - rss) / 1024 / COUNT for program, rss in zip((tunnel.server, tunnel.client), before)]
        for visitor in visitors[:: COUNT // 100] + visitors[-1:]:
            visitor.send(b"ping")
        for visitor in visitors[:: COUNT // 100] + visitors[-1:]:
            same(visitor.read_exact(4), b"ping", "echo")
    finally:
        for visitor in visitors:
            visitor.close()
    wait_until(
        lambda: tunnel.server.fds() < 100 and tunnel.client.fds() < 100, "all descriptors are closed again", 10
    )
    # A sanitizer's memory is its own.
    wanted = sanitized() or (each[0] < SERVER_KIB and each[1] < CLIENT_KIB)
    check(wanted, f"KiB each: server {each[0]:.1f}, client {each[1]:.1f}")


def load(tunnel, duration):
    """Requests that were answered; none may fail."""
    done = subprocess.run(
        ["wrk", "-t1", "-c50", f"-d{duration}s", "--timeout", "30s", "-H", f"Host: {tunnel.host('hello')}",
         f"http://127.0.0.1:{tunnel.server.http}/"],
        capture_output=True, text=True, timeout=seconds(duration + 60), check=True,
    )  # fmt: skip
    check("Non-2xx" not in done.stdout and "Socket errors" not in done.stdout, done.stdout)
    return int(re.search(r"(\d+) requests in", done.stdout)[1])


@story(f"memory stays flat over {REQUESTS:,} requests", only="plain", slow=True)
def _(t):
    raise_limits()
    tunnel = t.tunnel({"hello": example(t, "hello-world")}, verbose=False)
    end = time.monotonic() + 250

    def ask(count):
        answered = 0
        while answered < count:
            check(time.monotonic() < end, f"only {answered} requests in time")
            answered += load(tunnel, 4)
        return answered

    ask(REQUESTS // 10)  # however slow the machine is: by then what is kept for the next requests is there
    before = [p.rss() for p in tunnel.programs]
    answered = ask(REQUESTS)
    for program, rss in zip(tunnel.programs, before):
        grown = (program.rss() - rss) >> 10
        check(grown < 1024, f"{program.label} grew by {grown} KiB over {answered:,} requests")


main()
