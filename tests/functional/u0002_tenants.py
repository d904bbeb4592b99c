#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the server allows a client, and that one tenant cannot read, starve or name another's services."""
import subprocess
import threading
import time

from lib import check, main, response, same, seconds, story, wait_until
from lib.program import Program


def server_says(tunnel, *words, status=0):
    done = subprocess.run([Program.find("mdm-tunnel-server"), "--state-dir", tunnel.directory / "server.state", *words],
                          capture_output=True, text=True, timeout=seconds(10))
    same(done.returncode, status, " ".join(words) + done.stderr)
    return done.stdout + done.stderr


def key_of(tunnel, client_id="tim"):
    wait_until(lambda: f"{client_id} " in server_says(tunnel, "clients", "list"), "the first use is in the file")
    return next(l.split()[1] for l in server_says(tunnel, "clients", "list").splitlines() if l.startswith(f"{client_id} "))


@story("options of a client's line: services, streams, bandwidth, expiry; they count at once and rules do not widen them")
def _(t):
    under_way, go_on = threading.Event(), threading.Event()

    def serve(peer, origin):
        while (request := peer.read_request()) is not None:
            if request.target == "/slow":
                under_way.set()
                go_on.wait(seconds(20))
            peer.send(response(200, b"x" * (300000 if request.target == "/large" else 5)))

    origin = t.origin(serve)
    tunnel = t.tunnel({"web": {"target": origin.port, "max_streams": 100, "bandwidth": 100000000}, "web-2": origin.port,
                       "other": origin.port})
    key = key_of(tunnel)
    same(tunnel.ask("other").status, 200, "before")
    server_says(tunnel, "clients", "allow", "tim", key, "services=web*", "streams=1", "bandwidth=200000", "ports=2200-2299,5432",
                "expires=2099-01-01")
    same(server_says(tunnel, "clients", "list"),
         f"tim {key} expires=2099-01-01 services=web* streams=1 bandwidth=200000 ports=2200-2299,5432\n", "list")
    wait_until(lambda: tunnel.ask("other").error == "unknown-service", "a service that is not allowed is not there", 3)
    check(b"other" not in tunnel.server.ask(host="tim.example.com").body, "and not in the list")
    same([tunnel.ask("web").status, tunnel.ask("web-2").status], [200, 200], "those that are")
    with tunnel.visit() as visitor:
        visitor.send(tunnel.request("web", target="/slow"))
        while not under_way.wait(0.02):
            if not visitor.is_quiet(0.02):  # the place of the request before was not free yet
                same(visitor.read_response().status, 503, "no place")
                visitor.send(tunnel.request("web", target="/slow"))
        same(tunnel.ask("web-2").status, 503, "one stream of all services")
        go_on.set()
        same(visitor.read_response().status, 200, "the one")
    wait_until(lambda: tunnel.ask("web-2").status == 200, "there is room again")
    began = time.monotonic()
    wait_until(lambda: len(tunnel.ask("web", target="/large").body) == 300000, "the place of the one before is free")
    check(time.monotonic() - began > 1, "the bandwidth of the line")
    for wrong in ("colour=1", "streams=0", "ports=0", "expires=2026-02-30", "services=A B"):
        check(wrong in server_says(tunnel, "clients", "allow", "tim", key, wrong, status=2), wrong)
    server_says(tunnel, "clients", "allow", "tim", key, "expires=2001-01-01")
    tunnel.server.wait_log("tim: session has ended: the client's key is not allowed", limit=3)
    wait_until(lambda: tunnel.ask("web").error == "client-offline", "expired")


@story("--client-streams, --client-bandwidth and --client-rate hold for clients whose line says nothing, whatever their rules")
def _(t):
    origin = t.origin(lambda request: response(200, b"x" * 300000))
    tunnel = t.tunnel({"hello": origin.port, "often": {"target": origin.port, "rate": {"requests": 500, "burst": 1000}}},
                      server=["--client-bandwidth", "200000", "--client-streams", "1", "--client-rate", "5"])
    began = time.monotonic()
    with tunnel.visit() as visitor:
        visitor.send(tunnel.request())
        visitor.read_head()
        same(tunnel.ask().error, "limit", "a second one")
        visitor.read_exact(300000)
    check(time.monotonic() - began > 1, "the bandwidth")
    wait_until(lambda: tunnel.ask("often", method="HEAD").status == 200, "the place is free")
    wait_until(lambda: tunnel.ask("often", method="HEAD").status == 429, "ten at once, and no more", 3)


@story("one tenant cannot name another's services, read its rules, or use up its places, rates and bandwidth")
def _(t):
    came, go_on = threading.Event(), threading.Event()

    def slow(peer, origin):
        if peer.read_request() is not None:
            came.set()
            go_on.wait(seconds(20))
            peer.send(response(200, b"slow"))

    tom = t.origin(response(200, b"tom's"))
    rules = {"max_streams": 1, "rate": {"requests": 0.1, "burst": 2}, "bandwidth": 1024}
    tunnel = t.tunnel({"hello": {"target": t.origin(slow).port, **rules}})
    tunnel.add_client("tom", {"hello": tom, "tim": tom, "hello-tim": tom})
    same(tunnel.ask(host=tunnel.host("hello", "tom")).body, b"tom's", "the same name of another")
    with tunnel.visit() as visitor:  # tim's own are used up
        visitor.send(tunnel.request())
        check(came.wait(seconds(10)), "it has the only place")
        wait_until(lambda: tunnel.ask().status in (429, 503), "tim has no more room")
        same(tunnel.ask().status, 429, "nor rate")
        began = time.monotonic()
        for _ in range(20):
            same(tunnel.ask(host=tunnel.host("hello", "tom")).body, b"tom's", "tom does not notice")
        check(time.monotonic() - began < seconds(2), "and is not slower")
        go_on.set()
        visitor.read_head()
    for host in ("hello.tim.tom.example.com", "tim--hello--tom.example.com", "tom.hello.tim", "hello.tim.example.com.tom"):
        check(tunnel.server.ask(host=host).body != b"tom's", host)
    status = tunnel.server.ask(host="127.0.0.1", fields=[("Accept", "application/json")]).body
    check(b"tim" not in status.replace(b"time", b"") and b"tom" not in status and b'"denied_rate":' in status, status)


main()
