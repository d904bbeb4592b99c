#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Streams outlive the connection that carries them."""
import random
import signal
import time

from lib import check, main, same, seconds, story, wait_until
from lib.load import BIG, GIB, SIZE, Load
from lib.path import FAR, NEAR, Path
from lib.relay import Relay

CUTS = 50
LIMIT = 600 if BIG else 120


def relayed(t, services, **rest):
    """A tunnel whose client comes through a relay."""
    tunnel = t.tunnel(**rest)
    relay = t.keep(Relay(tunnel.server.mqtt))
    relay.tunnel = tunnel
    tunnel.server.mqtt, direct = relay.port, tunnel.server.mqtt
    tunnel.client = tunnel.add_client("tim", services)
    tunnel.server.mqtt = direct
    return tunnel, relay


def loaded(t, **rest):
    load = Load(**rest)
    tunnel, relay = relayed(t, {"hello": t.origin(load.serve)})
    return tunnel, relay, load


def went_on(load, what, limit):
    """The pause after the path is back, with two echoes and two events, is bounded."""
    pause = load.flows_on(30)
    print(f"# {what}: went on within {pause:.2f} s", flush=True)
    check(pause < seconds(limit), f"{what}: {pause:.1f} s to go on")


@story(
    f"the connection is cut {CUTS} times at random moments under a download, an upload, a WebSocket and events", slow=True
)
def _(t):
    tunnel, relay, load = loaded(t, size=GIB)
    chance = random.Random(50)
    relay.rate = SIZE / 45  # a second; so it lasts for all cuts
    load.start(tunnel)
    for number in range(1, CUTS + 1):
        time.sleep(chance.uniform(0, 0.3))  # the random moment
        relay.cut()
        load.check_alive()
        # Each cut hits a connection that works; those in the middle of the handshake, with their longer pauses, come below.
        wait_until(lambda: load.failed or tunnel.client.log.count("connected to ") > number, "the client is back")
    relay.rate = None
    went_on(load, f"{CUTS} cuts, the longest echo took {load.echo_longest:.2f} s", 10)
    load.finish(600)
    check(load.echo_longest < seconds(10), f"the longest echo took {load.echo_longest:.1f} s")
    same(len([line for line in tunnel.server.log.splitlines() if "session has ended" in line]), 0, "sessions that ended")


@story("cuts in quick succession, also in the middle of the handshake", slow=True)
def _(t):
    tunnel, relay, load = loaded(t, size=16 << 20)
    load.start(tunnel)
    for number in range(24):
        wait_until(lambda: relay.pairs or load.failed, "the client connects again")
        time.sleep(0.015 * (number % 24))  # into the handshake, a little further each time
        relay.cut()
        if number % 3 == 2:
            load.flows_on()
    load.finish(LIMIT)


@story("a path that swallows everything for twenty seconds, without a reset", slow=True)
def _(t):
    tunnel, relay, load = loaded(t)
    relay.rate = SIZE / 8
    load.start(tunnel)
    relay.freeze()
    time.sleep(20)  # the disturbance itself
    relay.thaw()
    went_on(load, "after the black hole", 2)
    relay.rate = None
    load.finish(LIMIT)


@story(
    "a path that is dead for ever is noticed within two keep-alives, and the streams go on over a new one", slow=True
)
def _(t):
    tunnel, relay, load = loaded(t, size=16 << 20)
    relay.rate = 1e6
    load.start(tunnel)
    old = relay.abandon()
    began = time.monotonic()
    wait_until(lambda: relay.pairs or load.failed, "a new connection", 30)
    took = time.monotonic() - began
    check(took < seconds(22), f"noticed after {took:.1f} s")
    load.flows_on()
    relay.rate = None
    load.finish(LIMIT)
    check(old, "there was a connection to abandon")


@story("an idle client notices a dead path within two keep-alives, too", slow=True)
def _(t):
    tunnel, relay = relayed(t, {"hello": t.origin()})
    same(tunnel.ask().body, b"hello\n", "before")
    relay.abandon()
    began = time.monotonic()
    wait_until(lambda: relay.pairs, "a new connection", 30)
    check(time.monotonic() - began < seconds(22), f"noticed after {time.monotonic() - began:.1f} s")
    same(tunnel.ask().body, b"hello\n", "after")


@story("either program is stopped for ten seconds (SIGSTOP) and goes on", slow=True)
def _(t):
    tunnel, relay, load = loaded(t)
    relay.rate = SIZE / 16
    load.start(tunnel)
    for program in (tunnel.client, tunnel.server):
        program.signal(signal.SIGSTOP)
        time.sleep(10)  # the disturbance itself
        program.signal(signal.SIGCONT)
        went_on(load, f"{program.label} stopped", 3)
    relay.rate = None
    load.finish(LIMIT)


@story("the client moves to another network address, and the old one is gone", only="plain", slow=True)
def _(t):
    path = t.keep(Path("delay=1 rate=400000 queue=500000"))
    load = Load()
    with path.far():
        origin = t.origin(load.serve)
    tunnel = t.tunnel(server=["--client-bind", NEAR])
    with path.far():
        tunnel.client = tunnel.add_client("tim", {"hello": origin}, ["--host", NEAR], wait=False)
    tunnel.wait_connected()
    load.start(tunnel)
    for address in ("10.77.0.77", FAR):
        path.tell(f"address={address}")
        went_on(load, f"address {address}", 2)
    load.finish(LIMIT)


main()
