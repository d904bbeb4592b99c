#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A WebSocket library's own tests, with the tunnel between its clients and its servers."""
import os
import re
import socket
import subprocess
import threading

from lib import check, main, same, seconds, skip, story
from lib.browser import FOLDER, needs_node

PACKAGE = "@fastify/websocket"
FILES = ("base", "hooks", "router")  # inject has no connections
LEFT_OUT = (
    # The server's first message has to be heard before the client's: so it is where 101 and that message come in one piece.
    "Should expose a websocket on prefixed route",
    "Should expose a websocket on prefixed route with /",
    # The client has to have heard the end when the server has.
    "Should gracefully close when clients attempt to connect after calling close",
    # It listens at port 3000, which may be somebody's.
    "Should be able to pass a custom server option to ws",
)


def pump(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        target.close()


def relay(peer, origin):
    """To the server that the test has meant, whose port stands in the head; it gets the head as the test has written it."""
    head = peer.read_until(b"\r\n\r\n")
    meant = re.search(rb"(?i)\r\nMeant: (\d+) ?([^\r\n]*)", head)
    check(meant, f"no port: {head}")
    head = re.sub(rb"(?i)\r\nHost: [^\r\n]*", b"\r\nHost: " + meant[2] if meant[2] else b"", head.replace(meant[0], b""), count=1)
    if b"upgrade: websocket" not in head.lower():
        head = head[:-2] + b"Connection: close\r\n\r\n"  # the next request may be for another one
    origin.requests.append(head)
    with socket.create_connection(("localhost", int(meant[1]))) as there:
        there.sendall(head + peer.take(len(peer.buffer)))
        up = threading.Thread(target=pump, args=(peer.sock, there), daemon=True)
        up.start()
        pump(there, peer.sock)
        up.join(seconds(10))


@story(f"the tests of {PACKAGE} pass through the tunnel", only="plain")
def _(t):
    if needs_node(PACKAGE, "fastify", "split2") < [20, 15]:
        skip("Node.js is older than 20.15, which the tests need")
    origin = t.origin(relay)
    tunnel = t.tunnel({"ws": origin})
    environment = {**os.environ, "MDM_THROUGH": f"{tunnel.server.http}/{tunnel.host('ws')}"}
    tests = FOLDER / "node_modules" / PACKAGE / "test"
    names = "|".join(re.escape(name).replace("/", r"\/") for name in LEFT_OUT)
    # What begins with no letter is Node's own root of all tests. Forced: what a test leaves open ends with its server, but a visitor's idle connection to the tunnel does not.
    command = ["node", "--require", FOLDER / "through.cjs", "--test-force-exit", "--test-reporter=tap", f"--test-name-pattern=/^(?!({names})$)\\w/"]
    passed = through = 0
    for name in FILES:
        done = subprocess.run([*command, tests / f"{name}.test.js"], env=environment, capture_output=True, text=True,
                              timeout=seconds(180), check=False)
        same(done.returncode, 0, f"{name}: {done.stdout}\n{done.stderr}")
        passed += int(re.search(r"^# pass (\d+)$", done.stdout, re.M)[1])
        through += int(re.search(r"(\d+) connections went through", done.stderr)[1])
    same(len(origin.requests), through, "connections that came out of the tunnel")
    check((passed, through) == (57, 45), f"{passed} tests, {through} connections")


main()
