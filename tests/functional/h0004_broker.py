#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A broker, or a network before it, that reads, drops, repeats, reorders, rewrites, injects and replays: it learns no content
and changes none."""
import contextlib
import random
import re

from lib import Closed, Cut, check, main, response, same, story, wait_until
from lib.evil import Evil
from lib.tunnel import Client

MARK = b"the-marker-of-the-visitor"
SECRET = b"the-secret-of-the-service"


def echo_secret(request):
    return response(200, SECRET + request.target.encode() + (b"." * 3000))


@contextlib.contextmanager
def behind(t, server=(), client=(), origin=None):
    """The client ends while its network is still there."""
    tunnel = t.tunnel(server=server)
    evil = t.keep(Evil(tunnel.server.mqtt))
    program = Client(t.directory, "tim", evil.port, {"hello": origin or t.origin(echo_secret)}, client)
    tunnel.programs.append(program)
    tunnel.client = program
    tunnel.wait_connected("tim", program)
    yield tunnel, evil
    same(program.stop(), 0, "exit status of the client")


def ask(tunnel, number):
    """The right answer, or an honest failure; anything else is a finding."""
    target = f"/{number}/{MARK.decode()}"
    try:
        answer = tunnel.ask(target=target)
    except (Cut, Closed, ConnectionError, TimeoutError):
        return False
    if answer.status == 200:
        same(answer.body, SECRET + target.encode() + b"." * 3000, "the whole answer")
        return True
    check(answer.status in (502, 503, 504) and answer.error, f"an error of our own: {answer.start} {answer.body[:200]!r}")
    return False


def recovers(tunnel, evil):
    evil.meddle = lambda packet, upwards: [packet.raw]
    wait_until(lambda: ask(tunnel, "after"), "answers come again", 40)
    check(tunnel.client.running and tunnel.server.running, "both run")


@story("nothing of request or answer is on the wire; without encryption it would be")
def _(t):
    with behind(t) as (tunnel, evil):
        for number in range(20):
            check(ask(tunnel, number), "an answer")
        check(MARK not in evil.seen and SECRET not in evil.seen and b"hello" not in evil.seen, "nothing is seen")
        check(len(evil.seen) > 20 * 3000, "what is seen is all of it")


@story("the same without encryption: the check above can fail")
def _(t):
    with behind(t, ["--no-encryption"], ["--no-encryption"]) as (tunnel, evil):
        check(ask(tunnel, 0), "an answer")
        check(MARK in evil.seen and SECRET in evil.seen, "all is seen")


@story("messages are dropped, repeated and reordered: answers come late and are right", slow=True)
def _(t):
    with behind(t) as (tunnel, evil):
        chance = random.Random(1)
        kept = {True: [], False: []}

        def meddle(packet, upwards):
            if not packet.is_data:
                return [packet.raw]
            what = chance.random()
            if what < 0.1:
                return []
            if what < 0.2:
                return [packet.raw, packet.raw]
            if what < 0.3:
                kept[upwards].append(packet.raw)
                return []
            late, kept[upwards] = kept[upwards], []
            return [packet.raw, *late]

        evil.meddle = meddle
        good = sum(ask(tunnel, number) for number in range(40))
        same(good, 40, "right answers")
        recovers(tunnel, evil)


def rewriting(change):
    def run(t):
        with behind(t) as (tunnel, evil):
            chance = random.Random(2)

            def meddle(packet, upwards):
                if not packet.is_data or chance.random() > 0.2:
                    return [packet.raw]
                return [packet.with_payload(change(bytearray(packet.payload), chance))]

            evil.meddle = meddle
            for number in range(30):
                ask(tunnel, number)
            recovers(tunnel, evil)
            check(re.search("encrypted bytes are not what the peer sent", tunnel.server.log + tunnel.client.log), "it was noticed")
    return run


def flip(payload, chance):
    payload[chance.randrange(26, len(payload))] ^= 1 << chance.randrange(8)
    return bytes(payload)


def noise(payload, chance):
    return bytes(payload[:26]) + chance.randbytes(len(payload) - 26)


story("bits are flipped: no wrong answer, and it goes on afterwards")(rewriting(flip))
story("payloads are replaced by noise: no wrong answer, and it goes on afterwards", slow=True)(rewriting(noise))


@story("what was recorded of another session is injected and replayed: nothing happens twice")
def _(t):
    origin = t.origin(echo_secret)
    with behind(t, origin=origin) as (tunnel, evil):
        replay(tunnel, evil, origin)


def replay(tunnel, evil, origin):
    record = []

    def recording(packet, upwards):
        if packet.is_data and not upwards:
            record.append(packet.payload)
        return [packet.raw]

    evil.meddle = recording
    for number in range(5):
        check(ask(tunnel, number), "an answer")
    before = len(origin.requests)
    check(record, "something is recorded")

    def replaying(packet, upwards):
        if not packet.is_data or upwards:
            return [packet.raw]
        old = [packet.payload[:26] + body[26:] for body in record if len(body) == len(packet.payload)]
        return [packet.with_payload(body) for body in old[:1]] or [packet.raw, packet.raw]

    evil.meddle = replaying
    for number in range(10):
        ask(tunnel, number + 100)
    recovers(tunnel, evil)
    targets = [request.target for request in origin.requests[before:]]
    check(all(not re.match(r"/[0-4]/", target) for target in targets), f"no old request comes again: {targets}")


main()
