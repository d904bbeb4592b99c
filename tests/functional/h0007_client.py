#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A hostile client, admitted like any other: whatever it does, other tenants' requests stay right and memory is bounded.
What visitors may do is in b0004, b0006, f0001, f0002, g0001 and k0004; what a broker may do, replays included, in h0004."""
import contextlib
import json
import os
import re
import struct
import threading
import time

from lib import Closed, Cut, check, main, request_bytes, response, same, seconds, story, wait_until
from lib import fake as f
from lib.fake import Fake, Mqtt, key_make, polite

PROTOCOL_ERROR, OVERRUN, TOO_LARGE, UNKNOWN = 44, 45, 46, 47
MIB = 1 << 20
GROWTH_MAX = 64 * MIB


class Tenant:
    """Another client's visitor who never stops asking and looks at every answer."""

    def __init__(self, tunnel):
        self.tunnel, self.count, self.wrong, self.over, self.slowest = tunnel, 0, [], threading.Event(), 0
        self.thread = threading.Thread(target=self._visit, daemon=True)
        self.thread.start()

    def _visit(self):
        while not self.over.is_set():
            try:
                began = time.monotonic()
                answer = self.tunnel.ask(target=f"/{self.count}")
                self.slowest = max(self.slowest, time.monotonic() - began)
                if answer.body != f"/{self.count}".encode():
                    self.wrong.append((answer.start, answer.body))
                self.count += 1
                self.over.wait(0.01)
            except Exception as error:
                self.wrong.append(error)

    def goes_on(self, more=3):
        goal = self.count + more
        wait_until(lambda: self.count >= goal or self.wrong, "the other tenant is served", 20)
        same(self.wrong[:3], [], "wrong answers of the other tenant")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join(20)


@contextlib.contextmanager
def tenancy(t):
    tunnel = t.tunnel({"hello": t.origin(lambda request: response(200, request.target.encode()))},
                      server=["--hold", "0"])
    key = key_make(t.directory, "mal")
    with Tenant(tunnel) as tenant:
        tenant.goes_on(20)
        before = tunnel.server.rss()
        yield tunnel, tenant, key
        tenant.goes_on(20)
        check(tunnel.server.running, "the server runs")
        grown = tunnel.server.rss() - before
        check(grown < GROWTH_MAX, f"the server has grown by {grown / MIB:.1f} MiB")


def accept_first(then):
    """Accepts the stream of a visitor, and does `then(fake, stream)` once its request has come."""
    def frame(fake, kind, _flags, stream, payload):
        if kind == f.OPEN:
            fake.send(f.ACCEPT, stream)
        elif kind == f.DATA and payload:
            then(fake, stream)
    return frame


def overrun(fake, stream):
    """In one go: no credit can come back in between."""
    block = b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n" + bytes(16000)
    fake.send_raw(b"".join(f.FRAME_HEAD.pack(f.DATA, 0, 0, stream, len(block)) + block for _ in range(300)))


# Frames that break a rule, and what the session ends with; `stream` is one that the server has opened.
BREAKS = {
    "data beyond the credit": (overrun, OVERRUN),
    "a data frame of four gigabytes": (lambda m, s: m.send(f.DATA, s, b"x", length=0xFFFFFFFF), TOO_LARGE),
    "a control frame of four gigabytes": (lambda m, s: m.send(f.OPEN, 1, b"x", length=0xFFFFFFFF), TOO_LARGE),
    "a list of services of a megabyte": (lambda m, s: m.send(f.SERVICES, 0, b"x", length=MIB), TOO_LARGE),
    "a critical frame that nobody knows": (lambda m, s: m.send(0xEF, 0, b"x"), UNKNOWN),
    "credit beyond all bounds": (lambda m, s: [m.send(f.WINDOW, s, b"\x3f\xff\xff\xff") for _ in range(8)], PROTOCOL_ERROR),
    "a stream accepted twice": (lambda m, s: m.send(f.ACCEPT, s), PROTOCOL_ERROR),
    "data of a stream that never was": (lambda m, s: m.send(f.DATA, s + 1000, b"x"), PROTOCOL_ERROR),
    "a stream opened with a number of the other side": (lambda m, s: m.send(f.OPEN, s + 2, b"\x01\x01a"), PROTOCOL_ERROR),
    "a reset without a reason": (lambda m, s: m.send(f.RESET, s), PROTOCOL_ERROR),
    "data after the end of a stream": (lambda m, s: m.send_raw(2 * (f.FRAME_HEAD.pack(f.DATA, f.FIN, 0, s, 1) + b"x")),
                                       PROTOCOL_ERROR),
    "services with a name that is none": (lambda m, s: m.send(f.SERVICES, 0, f.service("a/b")), PROTOCOL_ERROR),
}


@story("frames that break the rules end that session with the reason, and nothing else")
def _(t):
    with tenancy(t) as (tunnel, tenant, key):
        for what, (deed, code) in BREAKS.items():
            with Fake(tunnel.server.mqtt, "mal", key, accept_first(deed)) as mal:
                mal.wait_up()
                wait_until(lambda: tunnel.server.knows("mal"), "mal is admitted")
                with tunnel.visit() as visitor:
                    visitor.send(request_bytes(host=tunnel.host("hello", "mal")))
                    wait_until(lambda: mal.ended is not None, f"{what}: the session ends")
                    same(mal.ended, code, what)
                    with contextlib.suppress(Closed, Cut):
                        same(visitor.read_response().status // 100, 5, f"{what}: the visitor's answer")
            wait_until(lambda: tunnel.server.misses("mal"), f"{what}: mal is gone")
            tenant.goes_on()


@story("floods: opens, rapid reset, pings, credit; nothing is answered by the other tenant's time")
def _(t):
    answered, service, last = threading.Event(), polite(response(200, b"mal")), b"87654321"

    def frame(fake, kind, flags, stream, payload):
        service(fake, kind, flags, stream, payload)
        if kind == f.PONG and payload == last:
            answered.set()

    with tenancy(t) as (tunnel, tenant, key):
        with Fake(tunnel.server.mqtt, "mal", key, frame) as mal:
            mal.wait_up()
            head = lambda kind, stream, payload=b"": f.FRAME_HEAD.pack(kind, 0, 0, stream, len(payload)) + payload
            first = 2  # the server said HELLO: ours are even
            for _ in range(20):
                streams = range(first, first + 2000, 2)
                first += 2000
                mal.send_raw(b"".join(head(f.OPEN, s, b"\x01\x05hello") for s in streams))
                mal.send_raw(b"".join(head(f.OPEN, s, b"\x01\x05hello") + head(f.RESET, s, b"\x00\x14")
                                      for s in range(first, first + 2000, 2)))
                first += 2000
                mal.send_raw(head(f.PING, 0, b"12345678") * 1000)
            mal.send(f.PING, 0, last)
            check(answered.wait(seconds(60)), "the flood is worked off")
            tenant.goes_on()
            check(mal.ended is None, f"all of it was allowed: {mal.ended}")
            status = tunnel.server.ask(host="127.0.0.1", fields=[("Accept", "application/json")])
            refused = json.loads(status.body)["counters"]["limits_hit"]
            check(refused > 30000, f"what was opened beyond a hundred a second was refused: {refused}")
            same(tunnel.ask(host=tunnel.host("hello", "mal")).status, 200, "mal still serves")


@story("who makes us answer and takes no answers is cut off")
def _(t):
    with tenancy(t) as (tunnel, tenant, key):
        with Fake(tunnel.server.mqtt, "mal", key) as mal:
            mal.wait_up()
            mal.acks = False
            ping = f.FRAME_HEAD.pack(f.PING, 0, 0, 0, 8) + b"12345678"
            for _ in range(200):
                if mal.ended is not None or mal.mqtt.closed:
                    break
                with contextlib.suppress(OSError):
                    mal.send_raw(ping * 2000)
            wait_until(lambda: mal.ended is not None, "the session ends", 20)
            same(mal.ended, OVERRUN, "reason")


@story("zero windows: visitors of that client wait and go, nobody else's do, and nothing piles up")
def _(t):
    with tenancy(t) as (tunnel, tenant, key):
        with Fake(tunnel.server.mqtt, "mal", key, polite(response(200, b"mal"))) as mal:
            mal.wait_up()
            wait_until(lambda: tunnel.server.knows("mal"), "mal is admitted")
            mal.room, mal.acks = 0, False
            mal.envelope(f.E_ACK)
            visitors, request = [tunnel.visit() for _ in range(20)], request_bytes("POST", host=tunnel.host("hello", "mal"),
                                                                                   body=bytes(4 * MIB))
            for visitor in visitors:
                visitor.sock.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    visitor.sock.send(request)
            tenant.goes_on(20)
            for visitor in visitors:
                visitor.close()
            tenant.goes_on()


@story("envelopes out of order, beyond any window, and made of noise are bounded or dropped")
def _(t):
    with tenancy(t) as (tunnel, tenant, key):
        with Fake(tunnel.server.mqtt, "mal", key) as mal:
            mal.wait_up()
            for number in range(1500):  # none of them can be delivered: the one before is missing
                mal.envelope(f.E_DATA, bytes(60000), seq=mal.out + 1 + number)
                if mal.mqtt.closed:
                    break
            tenant.goes_on()
            for raw in (b"", b"\x13", os.urandom(26), os.urandom(300), bytes(26), b"\xf3" + bytes(40)):
                for number in range(200):
                    mal.mqtt.publish(f"mdm/to/{mal.server}/{mal.instance}", raw[:1] + os.urandom(max(len(raw) - 1, 0)))
            for ack, seq in ((1 << 63, 0), (0, (1 << 64) - 1), ((1 << 64) - 1, (1 << 64) - 1)):
                for kind in (f.HELLO_ACK, f.E_ACK, f.E_NACK, f.E_DATA):
                    mal.envelope(kind, b"x" * 20, seq=seq, ack=ack)
            tenant.goes_on()


@story("half-open: a hundred programs say that they are there and answer nothing, or only the first word")
def _(t):
    with tenancy(t) as (tunnel, tenant, key):
        silent = []
        for number in range(100):
            instance = os.urandom(16).hex()
            mqtt = Mqtt(tunnel.server.mqtt, instance)
            mqtt.publish(f"mdm/at/mal-{number}/{instance}", b"{}", retain=True)
            silent.append(mqtt)
        tenant.goes_on(20)
        same(tunnel.ask(host=tunnel.host("hello", "mal-7")).error, "unknown-client", "who has proven nothing is nobody")
        with Fake(tunnel.server.mqtt, "mal", key, polite(response(200, b"mal"))) as mal:
            mal.wait_up()
        for mqtt in silent:
            mqtt.close()


@story("one tenant hears, answers and names nothing of another's: wildcards, other inboxes, other names")
def _(t):
    with tenancy(t) as (tunnel, tenant, key):
        heard = []
        tim = re.search(r"MQTT connection of ([0-9a-f]{32})", tunnel.server.log).group(1)
        for topic in ("#", "+/#", "mdm/#", "mdm/to/#", "mdm/to/+/+", f"mdm/to/{tim}/+", "mdm/at/#", "mdm/at/+/+", "$SYS/#",
                      "$share/x/mdm/to/+/+", f"mdm/to/{tim}/#"):
            mqtt = Mqtt(tunnel.server.mqtt, os.urandom(16).hex(), lambda topic, payload: heard.append(topic))
            check(mqtt.subscribe(topic) == 128, f"{topic} is refused")
            tenant.goes_on(1)
            mqtt.close()
        same(heard, [], "what was heard")
        with Fake(tunnel.server.mqtt, "mal", key, polite(response(200, b"mal"))) as mal:
            mal.wait_up()
            # In tim's name: to the server, to tim, and tim's presence taken back.
            for topic, payload in ((f"mdm/to/{mal.server}/{tim}", b"\x16" + bytes(27)), (f"mdm/to/{tim}/{mal.server}", bytes(40)),
                                   (f"mdm/at/tim/{tim}", b"")):
                with contextlib.suppress(OSError):
                    Mqtt(tunnel.server.mqtt, os.urandom(16).hex()).publish(topic, payload, retain=True)
            tenant.goes_on()
            same(tunnel.ask(host=tunnel.host("hello", "mal")).body, b"mal", "mal serves under its own name")
        check("session has ended" not in "".join(l for l in tunnel.server.log.splitlines() if " tim: " in l), "tim notices nothing")


@story("control bytes reach no log, and names no path")
def _(t):
    with tenancy(t) as (tunnel, tenant, key):
        before = sorted(p.name for p in t.directory.iterdir())
        for name in ("x\n00:00:00.000 info tim: forged", "x\x1b[2J", "x\r", "..", "../../../../tmp/mdm-evil", "\u202e"):
            with contextlib.suppress(OSError, TimeoutError):
                mqtt = Mqtt(tunnel.server.mqtt, name)
                mqtt.publish(f"mdm/at/{name}/{name}", b"{}", retain=True)
                mqtt.close()
        for line in (b"GET /\x1b[2J HTTP/1.1\r\nHost: hello.tim.example.com\r\n\r\n",
                     b"GET /a%0a%1b[2J?%0d%0aforged HTTP/1.1\r\nHost: hello.tim.example.com\r\nUser-Agent: \x1b]0;x\x07\r\n\r\n",
                     b"GET / HTTP/1.1\r\nHost: hello.tim\x0b.example.com\r\n\r\n",
                     b"GET /../../../etc/passwd HTTP/1.1\r\nHost: ..%2f..%2fetc.tim.example.com\r\n\r\n"):
            with contextlib.suppress(Closed, Cut), tunnel.visit() as visitor:
                visitor.send(line)
                visitor.read_response()
        with Fake(tunnel.server.mqtt, "mal", key, accept_first(
                lambda m, s: m.send(f.RESET, s, struct.pack(">H", 0x0A1B)))) as mal:
            mal.wait_up()
            with contextlib.suppress(Closed, Cut):
                tunnel.ask(host=tunnel.host("hello", "mal"))
        tenant.goes_on()
        for raw in tunnel.server.err.read_bytes().split(b"\n")[:-1]:
            check(re.fullmatch(rb"\d\d:\d\d:\d\d\.\d{3} \w+ [\x20-\x7e]*", raw), f"a line of the log: {raw!r}")
            check(not re.match(rb"00:00:00.000 info tim: forged", raw), "a forged line")
        after = sorted(p.name for p in t.directory.iterdir())
        same(after, before, "files")
        names = {p.name for p in (t.directory / "server.state").iterdir()}
        check(all(re.fullmatch(r"[a-z._-]+(-\d+)?(\.pem)?|server\.\d+\.sock", n) for n in names), names)


main()
