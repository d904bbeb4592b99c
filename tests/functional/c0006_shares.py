#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""One id on several machines: who gets how much, and who gets nothing."""
import collections
import time

from lib import check, main, response, same, story, wait_until

BODY = b"x" * 20000


def machine(t, name):
    """An origin that says its name; a body has to arrive whole."""
    def serve(peer, origin):
        while (request := peer.read_request()) is not None:
            fine = request.method != "POST" or request.body == BODY
            peer.send(response(200, name if fine else b"broken body"))

    return t.origin(serve)


def counts(tunnel, number, method="GET", target="/", **rest):
    """Who answered so many requests; whatever was no answer is counted as its error."""
    seen = collections.Counter()
    with tunnel.visit() as visitor:
        for _ in range(number):
            answer = visitor.ask(method, target, host=tunnel.host("hello"), **rest)
            seen[answer.body.decode() if answer.status == 200 else answer.error] += 1
    return dict(seen)


def joined(tunnel, client, names):
    client.wait_log("session with")
    wait_until(lambda: set(counts(tunnel, 8)) == names, f"{names} serve")


@story("requests are shared by weight, GET and POST; a machine with weight 0 serves only when it is alone")
def _(t):
    tunnel = t.tunnel({"hello": machine(t, b"one")}, client=["--weight", "3"])
    second = tunnel.add_client("tim", {"hello": machine(t, b"two")}, [], label="second")
    joined(tunnel, second, {"one", "two"})
    spare = tunnel.add_client("tim", {"hello": machine(t, b"spare")}, ["--weight", "0"], label="spare")
    spare.wait_log("session with")
    for method, rest in (("GET", {}), ("POST", {"body": BODY})):
        seen = counts(tunnel, 80, method, **rest)
        check(set(seen) == {"one", "two"} and abs(seen["one"] - 60) <= 2, f"{method}: three of four: {seen}")
    same(tunnel.client.stop(), 0, "exit status of the first")
    same(second.stop(), 0, "exit status of the second")
    same(counts(tunnel, 20), {"spare": 20}, "who serves when the others have left")


@story("a machine whose service refuses is left out without a visitor noticing, and is back when the service is")
def _(t):
    broken = machine(t, b"one")
    tunnel = t.tunnel({"hello": broken})
    second = tunnel.add_client("tim", {"hello": machine(t, b"two")}, label="second")
    joined(tunnel, second, {"one", "two"})
    target = broken.target
    broken.stop()
    same(counts(tunnel, 40, "POST", body=BODY), {"two": 40}, "requests with a body while one refuses")
    same(counts(tunnel, 40), {"two": 40}, "requests while one refuses")
    # Nobody says that the service is back: it is tried again after a while.
    broken.start()
    wait_until(lambda: "one" in counts(tunnel, 4), "the first serves again by itself", 20)
    broken.stop()
    same(counts(tunnel, 40), {"two": 40}, "requests while it refuses once more")
    tunnel.client.write_services({"hello": machine(t, b"one again"), "other": target})
    wait_until(lambda: "one again" in counts(tunnel, 4), "the first serves again at once when its services change")
    second.write_services({"another": 9})
    wait_until(lambda: counts(tunnel, 20) == {"one again": 20}, "a machine without the service gets nothing")


@story("a machine that is killed: another one answers what may be asked twice, and nothing else is asked twice")
def _(t):
    silent = []

    def never(peer, origin):
        while peer.read_request() is not None:
            silent.append(peer)

    tunnel = t.tunnel({"hello": t.origin(never)})
    waiting = {method: t.keep(tunnel.visit(timeout=10)) for method in ("GET", "POST")}
    for number, (method, visitor) in enumerate(waiting.items(), 1):
        visitor.send(tunnel.request(method=method, fields=[("Content-Length", "0")] if method == "POST" else []))
        wait_until(lambda: len(silent) == number, "the request is there")
    second = tunnel.add_client("tim", {"hello": machine(t, b"two")}, label="second")
    second.wait_log("session with")
    tunnel.client.kill()
    same(waiting["GET"].read_response().body, b"two", "the answer to the GET")
    check(waiting["POST"].is_quiet(0.3), "nobody else is asked to do what may have been done")


@story("a machine that is asked to end gets nothing new at once and finishes what it has")
def _(t):
    gate = []

    def slow(peer, origin):
        while (request := peer.read_request()) is not None:
            if request.target == "/slow":
                gate.append(peer)
                wait_until(lambda: len(gate) > 1, "the story goes on", 20)
            peer.send(response(200, b"leaving"))

    tunnel = t.tunnel({"hello": t.origin(slow)}, client=["--drain", "20"])
    visitor = t.keep(tunnel.visit(timeout=30))
    visitor.send(tunnel.request(target="/slow"))
    wait_until(lambda: gate, "the slow request is there")
    second = tunnel.add_client("tim", {"hello": machine(t, b"two")}, [], label="second")
    joined(tunnel, second, {"leaving", "two"})
    tunnel.client.signal(15)
    tunnel.client.wait_log("closing")
    wait_until(lambda: set(counts(tunnel, 4)) == {"two"}, "nothing new for the first")
    same(counts(tunnel, 40), {"two": 40}, "all to the second")
    check(tunnel.client.running, "the first still finishes")
    gate.append(None)
    same(visitor.read_response().body, b"leaving", "the answer that was under way")
    same(tunnel.client.wait_exit(), 0, "exit status of the first")
    began = time.monotonic()
    same(counts(tunnel, 10), {"two": 10}, "afterwards")
    check(time.monotonic() - began < 5, "without a pause")


main()
