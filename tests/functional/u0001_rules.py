#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Rules for the visitors of a service: who may come, how often, and what is said to the service."""
import base64
import contextlib
import hashlib
import json
import threading
import time

from lib import check, main, response, same, seconds, story, wait_until
from lib.secure import Certificate, SecurePeer, context, secure
from lib.websocket import HANDSHAKE, Echo, open_socket, run

BCRYPT = "$2b$04$abcdefghijklmnopqrstuu/LVz6MZlItEy42I2juLihZ66HnQx/cy"  # of "open sesame"
SHA512 = (  # of "secret"
    "$6$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc"
    "1E5n0U0aDehy0S5knV8wiOQSpT0Y77vwPZN.Pq.H91p5hVO1"
)
YESCRYPT = "$y$j75$saltsaltsalt$eSGoHTeQYu6gGmMq5XgRoLxqZKtw2Tw/MorifccTcw5"  # of "yes"
TOKEN = "correct-horse-battery-staple"


def basic(user, password):
    return ("Authorization", "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode())


def telling(request):
    """Answers with the request's head."""
    return response(200, "\n".join(f"{name}: {value}" for name, value in request.fields).encode(), ("X-Old", "1"), ("Server", "old"))


def counters(tunnel):
    return json.loads(tunnel.server.ask(host="127.0.0.1", fields=[("Accept", "application/json")]).body)["counters"]


@story("auth: users with bcrypt and sha512crypt; tokens; what was for us does not reach the service; preflights pass")
def _(t):
    origin = t.origin(telling)
    echo = t.keep(Echo())
    digest = hashlib.sha256(b"another-token").hexdigest()
    tunnel = t.tunnel({
        "hello": {"target": origin.port, "auth": {"tim": BCRYPT, "tom": SHA512, "yes": YESCRYPT}, "bearer": [TOKEN, f"sha256:{digest}"]},
        "ws": {"target": echo.port, "auth": {"tom": SHA512}},
        "free": origin.port,
    })
    answer = tunnel.ask()
    same((answer.status, answer.error), (401, "unauthorized"), "nobody")
    same(answer.all("WWW-Authenticate"), ['Basic realm="hello", charset="UTF-8"', 'Bearer realm="hello"'], "challenges")
    for fields in ([basic("tim", "open sesame")], [basic("tom", "secret")], [basic("yes", "yes")], [("Authorization", f"Bearer {TOKEN}")],
                   [("authorization", "bearer another-token")]):
        answer = tunnel.ask(fields=fields)
        same(answer.status, 200, str(fields))
        check(b"uthorization" not in answer.body, "the service sees no credentials")
    for fields in ([basic("tim", "secret")], [basic("tam", "secret")], [basic("", "")], [("Authorization", "Bearer nonsense")],
                   [("Authorization", "Basic !!!")], [("Authorization", "Digest x=y")],
                   [basic("tom", "secret"), basic("tom", "secret")]):
        same(tunnel.ask(fields=fields).status, 401, str(fields))
    same(tunnel.ask(method="POST", body=b"x" * 100000).status, 401, "a body")
    preflight = [("Origin", "http://a.example"), ("Access-Control-Request-Method", "PUT")]
    same(tunnel.ask(method="OPTIONS", fields=preflight).status, 200, "a preflight")
    same(tunnel.ask(method="OPTIONS", fields=preflight[:1]).status, 401, "OPTIONS that is no preflight")
    same(tunnel.ask(method="GET", fields=preflight).status, 401, "a preflight's fields on a GET")
    same(tunnel.ask("ws", fields=HANDSHAKE).status, 401, "a WebSocket of nobody")
    same(tunnel.ask("ws", fields=[*HANDSHAKE, basic("tom", "secret")]).status, 101, "a WebSocket of tom")
    check(b"Authorization: Basic" in tunnel.ask("free", fields=[basic("a", "b")]).body, "without auth credentials pass")
    with tunnel.visit() as visitor:
        visitor.send(tunnel.request(method="POST", fields=[("Content-Length", "1000000"), ("Expect", "100-continue")]))
        same(visitor.read_response(skip_informational=False).status, 401, "a body is not asked for")
    check(BCRYPT not in tunnel.server.log + tunnel.client.log and "sesame" not in tunnel.server.log, "no secrets in logs")


@story("a hundred requests with one password cost one hash; guesses from one address are limited")
def _(t):
    tunnel = t.tunnel({"hello": {"target": t.origin().port, "auth": {"tim": BCRYPT}}})
    with tunnel.visit() as visitor:
        for _ in range(100):
            same(visitor.ask(host=tunnel.host("hello"), fields=[basic("tim", "open sesame")]).status, 200, "status")
    same(counters(tunnel)["passwords_verified"], 1, "hashes")
    answers = [tunnel.ask(fields=[basic("tim", f"guess {n}")]) for n in range(15)]
    same({answer.status for answer in answers}, {401, 429}, "answers to guesses")
    check(int(answers[-1].get("Retry-After")) >= 1, "Retry-After")
    same(tunnel.ask(fields=[basic("tim", "open sesame")]).status, 200, "who is known comes in all the same")
    check(counters(tunnel)["passwords_verified"] <= 11, "hashes")


@story("allow and deny: ranges, the visitor behind a trusted proxy")
def _(t):
    origin = t.origin()
    tunnel = t.tunnel({
        "here": {"target": origin.port, "allow": "127.0.0.0/8"},
        "there": {"target": origin.port, "allow": ["10.0.0.0/8", "2001:db8::/32"]},
        "not-here": {"target": origin.port, "deny": ["::ffff:127.0.0.1"]},
        "both": {"target": origin.port, "allow": ["0.0.0.0/0"], "deny": "127.0.0.0/8"},
    }, server=["--trusted-proxies", "127.0.0.1,192.0.2.7"])
    same([tunnel.ask(s).status for s in ("here", "there", "not-here", "both")], [200, 403, 403, 403], "from here")
    same(tunnel.ask("there").error, "address-denied", "reason")
    same(tunnel.ask("there", fields=HANDSHAKE).status, 403, "a WebSocket")
    preflight = [("Origin", "http://a.example"), ("Access-Control-Request-Method", "PUT")]
    same([tunnel.ask(s, method="OPTIONS", fields=preflight).status for s in ("here", "there", "not-here")], [200, 403, 403],
         "a preflight is a request as any other")

    def via(service, *addresses):
        return tunnel.ask(service, fields=[("X-Forwarded-For", ", ".join(addresses))]).status

    same([via("there", "10.1.2.3"), via("here", "10.1.2.3")], [200, 403], "a visitor behind the proxy")
    same([via("there", "10.1.2.3", "192.0.2.7"), via("there", "2001:db8::5")], [200, 200], "behind two proxies, and IPv6")
    same([via("there", "10.1.2.3", "198.51.100.1"), via("there", "10.9.9.9", "junk")], [403, 403], "what strangers say of it")


@story("rate: 429 with Retry-After, for each address by itself")
def _(t):
    origin = t.origin()
    tunnel = t.tunnel({"hello": {"target": origin.port, "rate": {"requests": 0.1, "burst": 3}}, "other": origin.port},
                      server=["--trusted-proxies", "127.0.0.1"])

    def ask(address, **rest):
        return tunnel.ask(fields=[("X-Forwarded-For", address), *rest.pop("fields", [])], **rest)

    same([ask("10.0.0.1").status for _ in range(5)], [200, 200, 200, 429, 429], "the first address")
    answer = ask("10.0.0.1")
    same((answer.error, 1 <= int(answer.get("Retry-After")) <= 10), ("too-many-requests", True), "refusal")
    same(ask("10.0.0.1", fields=HANDSHAKE).status, 429, "a WebSocket")
    same(ask("10.0.0.2").status, 200, "another address")
    same([ask(f"2001:db8::{n}").status for n in range(1, 5)], [200, 200, 200, 429], "one network of IPv6")
    same(tunnel.ask("other").status, 200, "another service")
    check(counters(tunnel)["denied_rate"] >= 4, "counter")


@story("max_streams: no more at one time, WebSockets among them; the place is free again afterwards")
def _(t):
    go_on, under_way = threading.Event(), []

    def serve(peer, origin):
        request = peer.read_request()
        if request is not None and request.target == "/slow":
            under_way.append(request)
            go_on.wait(seconds(20))
        if request is not None:
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    echo = t.keep(Echo())
    tunnel = t.tunnel({"hello": {"target": t.origin(serve).port, "max_streams": 2},
                       "ws": {"target": echo.port, "max_streams": 1}})
    with tunnel.visit() as one, tunnel.visit() as two:
        for visitor in (one, two):
            visitor.send(tunnel.request(target="/slow"))
        wait_until(lambda: len(under_way) == 2, "two are under way")
        answer = tunnel.ask()
        same((answer.status, answer.error, answer.get("Retry-After")), (503, "limit", "1"), "refusal")
        go_on.set()
        same((one.read_response().body, two.read_response().body), (b"ok", b"ok"), "the two")
    wait_until(lambda: tunnel.ask().status == 200, "there is room again")
    with tunnel.visit() as one:
        same(one.ask(host=tunnel.host("ws"), fields=HANDSHAKE).status, 101, "one WebSocket")
        same(tunnel.ask("ws", fields=HANDSHAKE).status, 503, "a second one")
    wait_until(lambda: tunnel.ask("ws", fields=HANDSHAKE).status == 101, "there is room again")


@story("bandwidth: both ways, smooth, for a download, an upload and a WebSocket; others are not slowed")
def _(t):
    size, rate = 600000, 400000
    origin = t.origin(lambda request: response(200, b"x" * size if request.target == "/down" else b"ok"))
    echo = t.keep(Echo())
    tunnel = t.tunnel({"hello": {"target": origin.port, "bandwidth": rate}, "fast": origin.port,
                       "ws": {"target": echo.port, "bandwidth": {"down": rate}}})

    def took(function):
        began = time.monotonic()
        function()
        return time.monotonic() - began

    expected = size / rate
    down = took(lambda: same(len(tunnel.ask(target="/down").body), size, "download"))
    up = took(lambda: same(tunnel.ask(method="POST", body=b"y" * size).status, 200, "upload"))
    for what, seconds_taken in (("download", down), ("upload", up)):
        check(0.8 * expected < seconds_taken < 1.5 * expected + seconds(0.3), f"the {what} took {seconds_taken:.2f} s")
    with tunnel.visit() as visitor:
        visitor.send(tunnel.request(target="/down"))
        visitor.read_head()
        gaps, last = [], time.monotonic()
        left = size
        while left > 0:
            left -= len(visitor.take(len(visitor.buffer)) if visitor.buffer else visitor.sock.recv(65536))
            gaps.append(time.monotonic() - last)
            last = time.monotonic()
        # All at once at the end would be one pause as long as the whole; a loaded machine makes one long pause, not five.
        check(sorted(gaps)[-5] < 0.3 + seconds(0.1), f"the longest pauses were {sorted(gaps)[-5:]} s")
        check(max(gaps) < 0.8 * expected + seconds(0.1), f"the longest pause was {max(gaps):.2f} s")
    fast = min(took(lambda: tunnel.ask("fast", target="/down")) for _ in range(3))
    check(fast < 0.8 * expected, f"another service is not slowed: {fast:.2f} s")

    async def visit():
        async with open_socket(tunnel, service="ws") as socket:
            await socket.send(b"z" * size)
            same(len(await socket.recv()), size, "echo")

    check(0.8 * expected < took(lambda: run(visit(), seconds(30))) < 1.5 * expected + seconds(1), "the WebSocket's echo")


@story("headers: set and removed both ways; host_header: the target's, or what is said")
def _(t):
    origin = t.origin(telling)
    tunnel = t.tunnel({
        "hello": {"target": origin.port, "host_header": "target", "headers": {
            "request": {"set": {"X-New": "a: b", "Accept": "text/x"}, "remove": ["cookie"]},
            "response": {"set": {"X-Frame-Options": "DENY", "Server": "new"}, "remove": ["x-old"]}}},
        "named": {"target": origin.port, "host_header": "intern.example:8080"},
    })
    with tunnel.visit() as visitor:  # the second one takes the stream of the first
        for _ in range(2):
            answer = visitor.ask(host=tunnel.host("hello"), fields=[("Cookie", "a=b"), ("Accept", "*/*"), ("X-Kept", "1")])
            lines = answer.body.decode().split("\n")
            for line in (f"Host: localhost:{origin.port}", "X-New: a: b", "Accept: text/x", "X-Kept: 1",
                         f"X-Forwarded-Host: {tunnel.host('hello')}"):
                same(lines.count(line), 1, line)
            check("ookie" not in answer.body.decode() and "*/*" not in answer.body.decode(), answer.body)
            same((answer.all("X-Old"), answer.all("Server"), answer.get("X-Frame-Options")), ([], ["new"], "DENY"), "answer")
    check(b"Host: intern.example:8080" in tunnel.ask("named").body, "the Host that is said")


@story("services of kind tls: addresses, rates, streams and bandwidth hold; rules for what the server cannot read are an error")
def _(t):
    home = Certificate(t.directory, "home", ["*.tim.example.com"])
    tls = home.server_context()

    def serve(peer, origin):
        with tls.wrap_socket(peer.sock, server_side=True, suppress_ragged_eofs=False) as sock:
            inner = SecurePeer(sock, 30)
            while inner.read_request() is not None:
                inner.send(response(200, b"x" * 200000))

    at = {"target": t.origin(serve).port, "kind": "tls"}
    tunnel = t.tunnel({"open": at, "shut": {**at, "deny": "127.0.0.1"}, "often": {**at, "rate": {"requests": 0.1, "burst": 1}},
                       "one": {**at, "max_streams": 1}, "slow": {**at, "bandwidth": 200000}}, server=["--tls-port", 0])

    def visit(service):
        name = f"{service}.tim.example.com"
        return secure(tunnel.server.https, name, context(home))

    def is_let_in(service):
        with contextlib.suppress(OSError), visit(service) as visitor:
            return len(visitor.ask(host="x").body) == 200000

    check(is_let_in("open") and not is_let_in("shut"), "deny")
    check(is_let_in("often") and not is_let_in("often"), "rate: connections are what is counted")
    with visit("one") as visitor:
        check(not is_let_in("one"), "max_streams")
    wait_until(lambda: is_let_in("one"), "the place is free again")
    began = time.monotonic()
    check(is_let_in("slow") and time.monotonic() - began > 0.6, "bandwidth")
    denied = counters(tunnel)
    same([denied[f"denied_{what}"] >= 1 for what in ("address", "rate", "streams")], [True] * 3, "counters")
    for rule in ({"auth": {"tom": SHA512}}, {"bearer": TOKEN}, {"headers": {}}, {"host_header": "target"}):
        tunnel.client.write_services({"open": {**at, **rule}})
        tunnel.client.wait_log(rf"open\.{[*rule][0]}: the server does not read what passes to a service of kind tls")


@story("an edit of the rules counts at once and drops no stream; a wrong one changes nothing and says where")
def _(t):
    origin, echo = t.origin(), t.keep(Echo())
    tunnel = t.tunnel({"hello": origin.port, "ws": echo.port})
    with tunnel.visit() as visitor:
        same(visitor.ask(host=tunnel.host("ws"), fields=HANDSHAKE).status, 101, "a WebSocket")
        tunnel.client.write_services({"hello": {"target": origin.port, "auth": {"tom": SHA512}},
                                      "ws": {"target": echo.port, "deny": "127.0.0.1"}})
        wait_until(lambda: tunnel.ask().status == 401, "the rule counts", 3)
        same(tunnel.ask("ws", fields=HANDSHAKE).status, 403, "a new WebSocket")
        visitor.send(b"\x81\x82\x00\x00\x00\x00hi")
        same(visitor.read_exact(4), b"\x81\x02hi", "the WebSocket that was there")
    for number, (rules, where) in enumerate((({"rate": "x"}, 'hello.rate: expected N or {"requests": N, "burst": N}'),
                                             ({"auth": {"a": "plain"}}, "hello.auth.a: not a hash"),
                                             ({"auth": {"a": "$2b$14$" + "x" * 53}}, "hello.auth.a: the hash is too costly"),
                                             ({"allow": ["10.0.0.0/33"]}, "hello.allow[0]: not an address"),
                                             ({"headers": {"request": {"set": {"Host": "a"}}}},
                                              "hello.headers.request.set.Host: this field"),
                                             ({"bandwidth": {"sideways": 1}}, "hello.bandwidth.sideways: unknown key"),
                                             ({"colour": 1}, "hello.colour: unknown key"))):
        tunnel.client.write_services({"hello": {"target": origin.port, **rules}})
        line = tunnel.client.wait_log(r"client-tim\.json: hello", count=number + 1)
        check(where in line, line)
    same(tunnel.ask().status, 401, "the rules before are in force")


@story("without encryption passwords and tokens are refused, at the start and in an edit; other rules hold")
def _(t):
    origin = t.origin()
    tunnel = t.tunnel({"hello": {"target": origin.port, "allow": "10.0.0.0/8"}}, server=["--no-encryption"],
                      client=["--no-encryption"])
    same(tunnel.ask().status, 403, "a rule")
    tunnel.client.write_services({"hello": {"target": origin.port, "bearer": TOKEN}})
    tunnel.client.wait_log("passwords or tokens would be shown to the broker")
    same(tunnel.ask().status, 403, "the rule before")
    other = tunnel.add_client("eve", {"hello": {"target": origin.port, "auth": {"tom": SHA512}}}, wait=False)
    same(other.wait_exit(), 2, "exit status")
    check("they need encryption" in other.log, other.log)


main()
