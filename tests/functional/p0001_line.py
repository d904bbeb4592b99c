#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the tunnel makes of a line: emulated ones, on systems whose TCP halves its rate at every loss."""
import threading
import time

from lib import check, main, same, story
from lib.line import Line
from lib.load import Busy
from lib.mosquitto import Mosquitto
from lib.path import NEAR, measure

LONG = 200e6  # bits a second, at 100 ms
LONG_WORDS = "delay=50 rate=200000 queue=2500000"
SLOW = 20e6


def fills(line, receive, share, settle, upward):
    """At least this share of the long line; or what a lone TCP connection makes of it, if that is less."""
    rate = measure(receive, 2, settle)
    if rate < share * LONG:
        bare = line.path.bare(2, settle, upward)
        check(rate >= 0.9 * bare, f"{rate / 1e6:.0f} Mbit/s, a lone connection has {bare / 1e6:.0f}")


def statistics(line, bulk, during):
    """Bits a second of bulk (functions that take what came), the line's own, and the median of small requests beside it."""
    lock, taken, over = threading.Lock(), [0], threading.Event()

    def take(receive):
        while not over.is_set():
            count = receive()
            with lock:
                taken[0] += count

    parts = [Busy("bulk", lambda receive=receive: take(receive)) for receive in bulk]
    time.sleep(1.5)  # until the windows have found the way
    began, before, carried, waits = time.monotonic(), taken[0], line.path.carried()[0], []
    with line.tunnel.visit(timeout=10) as visitor:
        while time.monotonic() < began + during:
            asked = time.monotonic()
            same(visitor.ask(host=line.tunnel.host("hello")).body, b"hello\n", "small answer")
            waits.append(time.monotonic() - asked)
            time.sleep(0.03)  # the pace of the small requests
    took = time.monotonic() - began
    rate, whole = (taken[0] - before) * 8 / took, (line.path.carried()[0] - carried) * 8 / took
    over.set()
    for part in parts:
        part.join(10)
    return rate, whole, sorted(waits)[len(waits) // 2]


def mosquitto(t):
    return t.keep(Mosquitto(t.directory, f"listener 1883 {NEAR}")) and 1883


@story("a download fills a line of 100 ms and 200 Mbit/s, through the embedded broker, also with losses", only="plain", alone=True)
def _(t):
    line = Line(t, LONG_WORDS)
    receive = line.download(t)
    fills(line, receive, 0.8, 2, upward=True)
    line.path.tell("loss=0.1")
    fills(line, receive, 0.4, 1, upward=True)


@story("an upload fills a line of 100 ms and 200 Mbit/s, through the embedded broker, also with losses", only="plain", alone=True)
def _(t):
    line = Line(t, LONG_WORDS)
    receive = line.upload(t)
    fills(line, receive, 0.8, 2, upward=False)
    line.path.tell("loss=0.1")
    fills(line, receive, 0.4, 1, upward=False)


@story("a download fills a line of 100 ms and 200 Mbit/s, through mosquitto, also with losses", only="plain", alone=True)
def _(t):
    line = Line(t, LONG_WORDS, mosquitto)
    receive = line.download(t)
    fills(line, receive, 0.8, 2.5, upward=True)
    line.path.tell("loss=0.1")
    fills(line, receive, 0.4, 1, upward=True)


@story("an upload through mosquitto fills as much of the long line as mosquitto's own connection can", only="plain", alone=True)
def _(t):
    line = Line(t, LONG_WORDS, mosquitto)
    fills(line, line.upload(t), 0.8, 2.5, upward=False)


@story("four downloads on an uplink of 20 Mbit/s leave small requests quick and the line full", only="plain", alone=True)
def _(t):
    line = Line(t, "delay=5 rate=20000 queue=1000000")
    rate, whole, median = statistics(line, [line.download(t) for _ in range(4)], 4)
    check(median < 0.06, f"the median of small requests is {median * 1e3:.0f} ms")
    check(whole >= 0.95 * SLOW, f"the line carries {whole / 1e6:.2f} Mbit/s")
    check(rate >= 0.92 * SLOW, f"bulk has {rate / 1e6:.2f} Mbit/s")  # the rest is heads: TCP/IP alone takes 3.5 %


@story("bulk in both directions at once: both move", only="plain", alone=True)
def _(t):
    both_ways(t, Line(t, "delay=10 rate=100000 queue=500000"))


@story("bulk in both directions of a slow line at once, through mosquitto: both move", only="plain", alone=True)
def _(t):
    both_ways(t, Line(t, "delay=5 rate=20000 queue=500000", mosquitto))


def both_ways(t, line):
    rates = {}

    def move(name, receive):
        rates[name] = measure(receive, 3, 1.5)

    parts = [Busy(name, lambda name=name, receive=receive: move(name, receive))
             for name, receive in (("download", line.download(t)), ("upload", line.upload(t)))]
    for part in parts:
        part.join(10)
    check(min(rates.values()) >= max(rates.values()) / 3, f"bits a second: {rates}")


main()
