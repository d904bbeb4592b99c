#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A real browser: the examples, socket.io, the inspector."""
import base64
import re
import shutil

from lib import main, response, story, wait_until
from lib.browser import FOLDER, needs_browser, visit
from lib.example import example
from lib.program import Program
from lib.websocket import HANDSHAKE

class Node(Program):
    """A service in Node.js."""

    @staticmethod
    def find(name):
        return shutil.which(name)


def start(t, program):
    t.programs.append(program)
    line = wait_until(
        lambda: re.search(r"listening on (?:127\.0\.0\.1:)?(\d+)\n", program.stdout), f"{program.label} listens", 30
    )
    program.exit_matters = False
    return int(line[1])


def node_service(t, *arguments):
    return start(t, Node("node", [FOLDER / "service.mjs", *arguments], t.directory, label=arguments[0]))


def visit_service(tunnel, what, service):
    visit(what, f"http://{service}.tim.localhost:{tunnel.server.http}/")


@story("the examples and an error page in Chromium", slow=True)
def _(t):
    needs_browser()
    tunnel = t.tunnel({"hello-world": example(t, "hello-world"), "websockets": example(t, "websockets")})
    visit_service(tunnel, "hello", "hello-world")
    visit_service(tunnel, "websockets", "websockets")
    visit_service(tunnel, "error", "nothing")


@story("socket.io in Chromium: polling, the upgrade, binary data")
def _(t):
    needs_browser()
    tunnel = t.tunnel({"socket": node_service(t, "socket.io")})
    visit_service(tunnel, "socket.io", "socket")


PIXEL = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")


def shop(peer, origin):
    """What is looked at in the inspector. /slow is answered after /go."""
    while (request := peer.read_request()) is not None:
        origin.requests.append(request)
        if request.target == "/slow":
            wait_until(lambda: any(r.target == "/go" for r in origin.requests), "/go")
        if request.target == "/ws":
            peer.send(b"HTTP/1.1 101 Yes\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x0chello frames\x88\x00")
            return
        peer.send(shop_answer(request))


def shop_answer(request):
    if request.target == "/dot.png":
        return response(200, PIXEL, ("Content-Type", "image/png"))
    if request.target == "/missing":
        return response(404, b"no such thing", ("Content-Type", "text/plain"), reason="Not Found")
    if request.target == "/orders/7":
        return response(200, b'{"number":12345678901234567890,"items":[{"name":"tea","price":4.50},{"name":"cup","price":12}],"paid":true}',
                        ("Content-Type", "application/json"), ("Set-Cookie", "session=very-secret"))
    text = f"<script> echo of {request.method} with {request.get('Authorization')} {request.target} ".encode() + request.body
    return response(200, text, ("Content-Type", "text/html"))


@story("the inspector's page: a request appears, is opened, sent again, edited, filtered; ten thousand stay few elements", only="plain",
       slow=True)
def _(t):
    needs_browser()
    tunnel = t.tunnel({"shop": t.origin(shop), "quick": example(t, "hello-world")}, client=["--inspect", "0"])
    port = wait_until(lambda: re.search(r"shown at http://127\.0\.0\.1:(\d+)/", tunnel.client.log), "the page's port")[1]
    secret = [("Authorization", "Bearer very-secret"), ("Content-Type", "application/json"), ("User-Agent", "till/2.1")]
    for method, target, fields, body in (
        ("GET", "/", [], None),
        ("GET", "/dot.png", [], None),
        ("GET", "/missing", [], None),
        ("GET", "/<img src=x onerror=alert(1)>".replace(" ", "%20"), [], None),
        ("POST", "/orders/7", secret, b'{"item":"tea","count":2}'),
    ):
        tunnel.ask("shop", method, target, fields=fields, body=body)
    with tunnel.visit() as peer:
        peer.send(tunnel.request("shop", target="/ws", fields=HANDSHAKE))
        peer.read_rest()
    hosts = f"{tunnel.host('shop')}/{tunnel.host('quick')}"
    visit("inspector", f"http://127.0.0.1:{port}/", f"{tunnel.server.http}/{hosts}")


main()
