#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The server's admin page in a real browser."""
import threading

from lib import main, response, same, story, wait_until
from lib.admin import Admin
from lib.browser import needs_browser, visit


def endless(visitor):
    try:
        while True:
            visitor.sock.sendall(bytes(65536))
    except OSError:
        pass  # it was cut


@story("the token, clients and what they wait for, disconnect, deny, allow, drain; nothing comes from elsewhere", only="plain", slow=True)
def _(t):
    needs_browser()
    shop, backup = t.origin(response(200, b"tea and cups\n" * 2000)), t.origin(lambda peer, origin: origin.gone.wait())
    tunnel = t.tunnel({"shop": shop, "backup": backup}, server=["--admin", "0", "--hold", "1"])
    tunnel.add_client("oli", {"home": t.origin(response(200, b"lights are on"))})
    tunnel.add_client("eva", {"notes": t.origin(response(200, b"buy milk"))})
    admin = Admin(tunnel)
    for client, service in (("oli", "home"), ("eva", "notes"), ("tim", "shop")):
        same(tunnel.ask(host=tunnel.host(service, client)).status, 200, f"{service} of {client}")
    visitor = t.keep(tunnel.visit())
    visitor.send(tunnel.request("backup", "POST", "/upload", fields=[("Content-Length", "64000000")]))
    threading.Thread(target=endless, args=[visitor], daemon=True).start()
    wait_until(lambda: [s["waits"] for s in admin.get("/api/streams")["streams"] if s["service"] == "backup"] == ["no credit of stream"],
               "an upload is blocked")
    visit("admin", f"http://127.0.0.1:{admin.port}/", tunnel.server.http, secret=admin.token)
    same(tunnel.server.wait_exit(20), 0, "the drained server ends well")


main()
