#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A broker, or a network before it, that reads, drops, repeats, reorders, rewrites, injects and replays: it learns no content
and changes none."""
import collections
import contextlib
import random
import re

from lib import Closed, Cut, check, main, response, same, story, wait_until
from lib.evil import Evil
from lib.fake import E_DATA, HEAD, HELLO, HELLO_ACK
from lib.tunnel import Client

MARK = b"the-marker-of-the-visitor"
SECRET = b"the-secret-of-the-service"
NOTICED = "encrypted bytes are not what the peer sent"


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
    same(tunnel.client.stop(), 0, "exit status of the client")


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
        kept, deeds = {True: [], False: []}, collections.Counter()

        def meddle(packet, upwards):
            if not packet.is_data:
                return [packet.raw]
            what = chance.random()
            if what < 0.1:
                deeds["dropped"] += 1
                return []
            if what < 0.2:
                deeds["repeated"] += 1
                return [packet.raw, packet.raw]
            if what < 0.3:
                kept[upwards].append(packet.raw)
                return []
            late, kept[upwards] = kept[upwards], []
            deeds["late"] += len(late)
            return [packet.raw, *late]

        evil.meddle = meddle
        good = sum(ask(tunnel, number) for number in range(40))
        same(good, 40, "right answers")
        check(all(deeds[what] > 3 for what in ("dropped", "repeated", "late")), f"all was done: {deeds}")
        recovers(tunnel, evil)


def rewriting(change, every=False):
    """`change(payload, chance)` gives the payloads in the place of one: of each fifth with data, or with whatever is said (`every`)."""
    def run(t):
        with behind(t) as (tunnel, evil):
            chance, kinds = random.Random(2), collections.Counter()

            def meddle(packet, upwards):
                kind = packet.payload[0] & 15 if packet.payload else None
                wanted = kind is not None if every else packet.is_data
                if not wanted or chance.random() > (0.5 if kind in (HELLO, HELLO_ACK) else 0.2):
                    return [packet.raw]
                kinds[kind] += 1
                return [packet.with_payload(payload) for payload in change(bytearray(packet.payload), chance)]

            evil.meddle = meddle
            for number in range(30):
                ask(tunnel, number)
                if every and number % 8 == 7:
                    evil.cut()  # the session goes on with a handshake
            recovers(tunnel, evil)
            check(kinds[E_DATA] > 3 and (not every or kinds[HELLO] + kinds[HELLO_ACK] > 0), f"all was changed: {kinds}")
            check(every or NOTICED in tunnel.server.log + tunnel.client.log, "it was noticed")
    return run


def flip(payload, chance):
    payload[chance.randrange(HEAD.size, len(payload))] ^= 1 << chance.randrange(8)
    return [bytes(payload)]


def noise(payload, chance):
    return [payload[:HEAD.size] + chance.randbytes(len(payload) - HEAD.size)]


def head(payload, chance):
    payload[chance.randrange(min(HEAD.size, len(payload)))] ^= 1 << chance.randrange(8)
    return [bytes(payload)]


def forge(payload, chance):
    """One that was never sent follows, as the next one."""
    kind, flags, session, seq, ack, room = HEAD.unpack_from(payload)
    return [bytes(payload), HEAD.pack(kind, flags, session, seq + 1, ack, room) + chance.randbytes(200)]


story("bits are flipped: no wrong answer, and it goes on afterwards")(rewriting(flip))
story("payloads are replaced by noise: no wrong answer, and it goes on afterwards", slow=True)(rewriting(noise))
story("messages that nobody sent come in between: no wrong answer, and it goes on afterwards", slow=True)(rewriting(forge))
story("heads are changed, also those of the handshake: no wrong answer, and it goes on afterwards", slow=True)(rewriting(head, True))


@story("what was recorded of another session is replayed, as it was and under heads of now: nothing happens twice")
def _(t):
    origin = t.origin(echo_secret)
    with behind(t, origin=origin) as (tunnel, evil):
        record = recorded(tunnel, evil)
        tunnel.client.kill()
        tunnel.client = Client(t.directory, "tim", evil.port, {"hello": origin}, label="again")
        tunnel.programs.append(tunnel.client)
        tunnel.client.wait_log("session with .*, encrypted")
        replay(tunnel, evil, origin, record)


def recorded(tunnel, evil):
    record = []

    def recording(packet, upwards):
        if packet.is_data and not upwards:
            record.append(packet.payload)
        return [packet.raw]

    evil.meddle = recording
    for number in range(5):
        check(ask(tunnel, number), "an answer")
    check(record, "something is recorded")
    return record


def replay(tunnel, evil, origin, record):
    before, left, injected = len(origin.requests), list(record), collections.Counter()

    def replaying(packet, upwards):
        if not packet.is_data or upwards or not left:
            return [packet.raw]
        old, current = left.pop(0), packet.payload[:HEAD.size]
        if len(left) % 2:
            injected["as it was"] += 1
            return [packet.with_payload(old), packet.raw]
        injected["under the head of now"] += 1
        return [packet.with_payload(current + old[HEAD.size:])]

    evil.meddle = replaying
    for number in range(20):
        ask(tunnel, number + 100)
    recovers(tunnel, evil)
    same(sum(injected.values()), len(record), f"all of it was said again: {injected}")
    targets = [request.target for request in origin.requests[before:]]
    check(all(not re.match(r"/[0-4]/", target) for target in targets), f"no old request comes again: {targets}")


main()
