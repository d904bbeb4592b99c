#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Measures what becomes of a line of 200 Mbit/s with round trips and losses, and how long a cut of the connection is felt."""
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "functional"))
from lib import main, story  # noqa: E402
from lib.line import Line  # noqa: E402
from lib.load import Load  # noqa: E402
from lib.path import measure  # noqa: E402
from lib.relay import Relay  # noqa: E402

ROUND_TRIPS = (0, 20, 100, 200)  # ms
LOSSES = (0, 0.1, 1)  # per cent of the packets, both ways
CUTS = 20


def cell(t, line, loss, kind):
    line.path.tell(f"loss={loss}")
    return measure(getattr(line, kind)(t), 2, 2.5) / 1e6


def row(round_trip, kind):
    @story(f"{kind}, {round_trip} ms", only="plain", alone=True)
    def _(t):
        line = Line(t, f"delay={round_trip / 2:g} rate=200000 queue=2500000")
        rates = [f"{loss:g} %: {cell(t, line, loss, kind):.0f}" for loss in LOSSES]
        print(f"# {kind}, {round_trip} ms, Mbit/s at a loss of {', '.join(rates)}", flush=True)


for milliseconds in ROUND_TRIPS:
    for direction in ("download", "upload"):
        row(milliseconds, direction)


@story("cuts of the client's connection", only="plain", alone=True)
def _(t):
    load = Load()
    tunnel = t.tunnel()
    relay = t.keep(Relay(tunnel.server.mqtt))
    tunnel.server.mqtt, direct = relay.port, tunnel.server.mqtt
    tunnel.client = tunnel.add_client("tim", {"hello": t.origin(load.serve)})
    tunnel.server.mqtt = direct
    relay.rate = load.size / 20
    load.start(tunnel)
    pauses = []
    for _ in range(CUTS):
        before = load.received
        relay.cut()
        began = time.monotonic()
        while load.received - before <= 4 << 20 and not load.failed:  # more than what the visitor's side still had
            time.sleep(0.001)
        pauses.append(time.monotonic() - began - (4 << 20) / relay.rate)
        load.check_alive()
    relay.rate = None
    load.finish()
    pauses.sort()
    print(f"# {CUTS} cuts: download again after {pauses[CUTS // 2]:.2f} s (median), {pauses[-1]:.2f} s (longest); bytes lost: 0")


main()
