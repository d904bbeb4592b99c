#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Several clients with one id."""
from lib import Closed, main, response, same, story, wait_until
from lib.relay import Relay
from lib.tunnel import Client


def bodies(tunnel, count=8):
    """Who answers requests that are made one after the other."""
    return {tunnel.ask().body for _ in range(count)}


@story("two clients with one id share the requests; one leaves, the other goes on; one comes back")
def _(t):
    tunnel = t.tunnel({"hello": t.origin(response(200, b"one"))})
    second = tunnel.add_client("tim", {"hello": t.origin(response(200, b"two"))}, label="second")
    second.wait_log("connected to")
    wait_until(lambda: bodies(tunnel) == {b"one", b"two"}, "both serve")
    same(tunnel.client.stop(), 0, "exit status of the first")
    same(bodies(tunnel), {b"two"}, "who serves after the first has left")
    tunnel.add_client("tim", {"hello": t.origin(response(200, b"three"))}, label="third")
    wait_until(lambda: bodies(tunnel) == {b"two", b"three"}, "both serve again")


@story("one of two is killed: the other goes on")
def _(t):
    tunnel = t.tunnel({"hello": t.origin(response(200, b"one"))})
    second = tunnel.add_client("tim", {"hello": t.origin(response(200, b"two"))}, label="second")
    wait_until(lambda: bodies(tunnel) == {b"one", b"two"}, "both serve")
    second.kill()

    def only_first():
        try:
            return all(tunnel.ask(timeout=1).body == b"one" for _ in range(20))
        except (Closed, TimeoutError):
            return False  # one that was on its way to the killed client waits for it to come back

    wait_until(only_first, "only the first serves", 15)


@story("the late end of an old session does not take the new one away")
def _(t):
    tunnel = t.tunnel()
    relay = t.keep(Relay(tunnel.server.mqtt))
    old = Client(t.directory, "tim", relay.port, {"hello": t.origin(response(200, b"old"))}, label="old")
    tunnel.programs.append(old)
    tunnel.wait_connected("tim", old)
    relay.freeze()
    old.kill()
    tunnel.add_client("tim", {"hello": t.origin(response(200, b"new"))}, label="new", wait=False).wait_log(
        "connected to"
    )
    relay.thaw()
    relay.cut()
    wait_until(lambda: all(tunnel.ask().body == b"new" for _ in range(20)), "the new one serves")
    for _ in range(50):
        same(tunnel.ask().body, b"new", "who serves")


main()
