#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The services file: its forms, and edits while the client runs."""
import signal
import threading
import time

from lib import check, main, response, same, seconds, story, wait_until
from lib.program import Program

EDIT_SECONDS = 1.0


def named(name):
    return response(200, name.encode())


def takes_effect(tunnel, what, condition):
    """An edit is in force within a second."""
    began = time.monotonic()
    wait_until(condition, what, 5)
    took = time.monotonic() - began
    check(took < seconds(EDIT_SECONDS) + 0.2, f"{what}: it took {took:.2f} s")


@story("port, host:port, unix:/path and an object with a target")
def _(t):
    unix = t.origin(named("unix"), path=t.directory / "service.sock")
    tcp = t.origin(named("tcp"))
    tunnel = t.tunnel(
        {
            "number": tcp.port,
            "pair": f"127.0.0.1:{tcp.port}",
            "name": f"localhost:{tcp.port}",
            "sock": unix,
            "object": {"target": tcp.port},
            "object-pair": {"target": f"127.0.0.1:{tcp.port}"},
            "object-sock": {"target": f"unix:{unix.path}"},
        }
    )
    for service in ("number", "pair", "name", "object", "object-pair"):
        same(tunnel.ask(service).body, b"tcp", service)
    for service in ("sock", "object-sock"):
        same(tunnel.ask(service).body, b"unix", service)


@story("services as arguments NAME=PORT, NAME=HOST:PORT, NAME=unix:PATH")
def _(t):
    unix = t.origin(named("unix"), path=t.directory / "service.sock")
    tcp = t.origin(named("tcp"))
    tunnel = t.tunnel()
    tunnel.add_client("tim", None, [f"one={tcp.port}", f"two=127.0.0.1:{tcp.port}", f"three=unix:{unix.path}"])
    same([tunnel.ask(service).body for service in ("one", "two", "three")], [b"tcp", b"tcp", b"unix"], "answers")


@story("without --id a client takes the id it used last")
def _(t):
    origin = t.origin()
    tunnel = t.tunnel({"hello": origin})
    same(tunnel.client.stop(), 0, "exit status")
    state = t.directory / "client-tim.state"
    again = Program(
        "mdm-tunnel-client",
        ["-H", "127.0.0.1", "-p", tunnel.server.mqtt, "--state-dir", state, "-v", f"hello={origin.port}"],
        t.directory,
        "again",
    )
    t.programs.append(again)
    tunnel.wait_connected("tim", again)
    same(tunnel.ask().body, b"hello\n", "answer")


@story("an edit adds, changes and removes within a second, and drops no stream")
def _(t):
    one, two = t.origin(named("one")), t.origin(named("two"))
    opened, go_on = threading.Event(), threading.Event()

    def serve(peer, origin):
        peer.read_request()
        if opened.is_set():
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nagain")
            return
        opened.set()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst")
        go_on.wait(seconds(30))
        peer.send(b"later")

    stream = t.origin(serve)
    tunnel = t.tunnel({"hello": one, "stream": stream})
    with tunnel.visit() as visitor:
        visitor.send(tunnel.request("stream"))
        head = visitor.read_head()
        visitor.read_exact(5)
        same(tunnel.ask("added").error, "unknown-service", "before")
        tunnel.client.write_services({"hello": one, "stream": stream, "added": two})
        takes_effect(tunnel, "a service is added", lambda: tunnel.ask("added").body == b"two")
        tunnel.client.write_services({"hello": two, "stream": stream})
        takes_effect(tunnel, "a service moves", lambda: tunnel.ask("hello").body == b"two")
        takes_effect(tunnel, "a service is removed", lambda: tunnel.ask("added").error == "unknown-service")
        tunnel.client.write_services({"hello": two})
        takes_effect(
            tunnel,
            "the service of the open stream is removed",
            lambda: tunnel.ask("stream").error == "unknown-service",
        )
        go_on.set()
        same((head.status, visitor.read_exact(5)), (200, b"later"), "the rest of the open stream")


@story("a file that is edited in place")
def _(t):
    one, two = t.origin(named("one")), t.origin(named("two"))
    tunnel = t.tunnel({"hello": one})
    same(tunnel.ask().body, b"one", "before")
    tunnel.client.services_file.write_text('{"hello": %d}' % two.port)
    takes_effect(tunnel, "the edit", lambda: tunnel.ask().body == b"two")


@story("an invalid edit keeps what was in force and is told; the next valid one counts")
def _(t):
    one, two = t.origin(named("one")), t.origin(named("two"))
    tunnel = t.tunnel({"hello": one})
    for number, text in enumerate(('{"hello": 70000}', "{", "", '{"hello": 1, "hello": 2}', "[1]"), 1):
        tunnel.client.write_services(text)
        tunnel.client.wait_log(r"client-tim\.json", count=number)
        same(tunnel.ask().body, b"one", f"while the file says {text}")
    tunnel.client.services_file.unlink()
    same(tunnel.ask().body, b"one", "while there is no file")
    tunnel.client.write_services({"hello": two})
    takes_effect(tunnel, "the valid edit", lambda: tunnel.ask().body == b"two")


@story("SIGHUP reads the file at once")
def _(t):
    one, two = t.origin(named("one")), t.origin(named("two"))
    tunnel = t.tunnel({"hello": one})
    for origin, body in ((two, b"two"), (one, b"one")):
        tunnel.client.write_services({"hello": origin})
        tunnel.client.signal(signal.SIGHUP)
        takes_effect(tunnel, "the edit", lambda body=body: tunnel.ask().body == body)
    tunnel.client.signal(signal.SIGHUP)
    same(tunnel.ask().body, b"one", "after a SIGHUP without an edit")


@story("a file of a thousand services")
def _(t):
    one = t.origin(named("one"))
    tunnel = t.tunnel({f"service-{n}": one.port for n in range(1000)})
    for n in (0, 499, 999):
        same(tunnel.ask(f"service-{n}").body, b"one", f"service-{n}")
    listing = tunnel.server.ask(host="tim.localhost", fields=[("Accept", "application/json")])
    check(
        listing.status == 200 and b"service-999" in listing.body,
        f"listing: {listing.status}, {len(listing.body)} bytes",
    )


main()
