#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What a hook's intercept() sees, changes and drops at mdm-tunnel-proxy: packets of MQTT, heads of HTTP, messages of WebSockets."""
import re
import subprocess

from lib import check, main, response, same, seconds, story, wait_until
from lib.mosquitto import Mosquitto
from lib.mqtt_proxy import TOP, Client, Proxy, build_hook, came
from lib.websocket import Echo, run


def start(t, listener, *more):
    """A proxy, and what its hook has seen so far."""
    events = t.directory / "events"
    proxy = Proxy(t, "--hook", f"{build_hook(t)}={events},intercept", *more, "-l", listener, "--connect-timeout", "30")
    return proxy, lambda: [line.removeprefix("intercept ") for line in events.read_text(errors="replace").splitlines() if line.startswith("intercept ")]


@story("intercept: packets of MQTT, both ways, before and after; dropped, changed, held")
def _(t):
    broker = t.keep(Mosquitto(t.directory))
    proxy, seen = start(t, f"listen=mqtt://127.0.0.1:0 target=mqtt://127.0.0.1:{broker.port}")
    with Client(proxy.port, "tim", 5) as tim, Client(broker.port, "ann", 5) as ann:
        ann.subscribe("a/#", qos=0)
        tim.subscribe("a/#", qos=0)
        for text in ("drop me", "drop me at last", "change me", "hold me", "plain"):
            tim.publish("a/x", text, 0)
        came(ann, *(("a/x", text) for text in ("so be it!", "hold me", "plain")))
        ann.publish("a/x", "drop me", 0)
        ann.publish("a/x", "change me", 0)
        came(ann, *(("a/x", text) for text in ("so be it!", "hold me", "plain", "drop me", "change me")))
        came(tim, *(("a/x", text) for text in ("so be it!", "hold me", "plain", "so be it!")))
    wait_until(lambda: "up after 14 " in seen(), "DISCONNECT is seen")
    kinds = seen()
    for way, kind in (("up", 1), ("down", 2), ("up", 8), ("down", 9), ("up", 14)):
        same([kinds.count(f"{way} {stage} {kind} ") for stage in ("before", "after")], [1, 1], f"{way} {kind}")
    same([kinds.count(f"up {stage} 3 ") for stage in ("before", "after")], [5, 4], "PUBLISH up")
    same([kinds.count(f"down {stage} 3 ") for stage in ("before", "after")], [5, 4], "PUBLISH down")


@story("intercept: heads of requests and answers, before and after; refused, changed, held; examples/hooks/simple.c logs them")
def _(t):
    def answer(request):
        said = request.get("X-Answer")
        return response(200, b"body", *([("X-Say", said.replace("-", " "))] if said else []))

    origin = t.origin(answer)
    proxy, seen = start(t, f"listen=http://127.0.0.1:0/in target=http://127.0.0.1:{origin.port}/out bypass=/in/free",
                        "--hook", f"{build_hook(t, TOP / 'examples' / 'hooks' / 'simple.c')}=packets")

    def ask(path, *fields):
        """Status, body and X-Say of the answer."""
        done = subprocess.run(["curl", "-s", "--max-time", str(seconds(20)), "-d", "four", "-w", "\n%{http_code} %header{x-say}",
                               *(word for field in fields for word in ("-H", field)), f"http://127.0.0.1:{proxy.port}{path}"],
                              capture_output=True, text=True)
        body, _, rest = done.stdout.rpartition("\n")
        status, _, said = rest.partition(" ")
        return int(status), body, said

    same(ask("/in/a"), (200, "body", ""), "as it is")
    same(seen(), ["up before 16 POST /in/a HTTP/1.1", "up after 16 POST /out/a HTTP/1.1", "down before 17 HTTP/1.1 200 OK",
                  "down after 17 HTTP/1.1 200 OK"], "what is seen")
    for line in ("up before: POST /in/a HTTP/1.1", "up after: POST /out/a HTTP/1.1", "down before: HTTP/1.1 200 OK", "down after: HTTP/1.1 200 OK"):
        proxy.program.wait_log(re.escape(f" (user -, http): intercept: {line}"))
    same(ask("/in/b", "X-Say: drop me"), (418, "short and stout\n", ""), "a request that is refused as it comes")
    same(ask("/in/b", "X-Say: drop me at last"), (418, "short and stout\n", ""), "as it leaves")
    same(len(origin.requests), 1, "requests at the target")
    same(ask("/in/c", "X-Say: change me"), (200, "body", ""), "a request that is changed")
    same(origin.requests[-1].get("X-Say"), "so be it!", "the field at the target")
    same(ask("/in/d", "X-Say: hold me"), (200, "body", ""), "a request that is held, twice")
    for word, expected in (("drop me", (502, "a hook has refused the target's answer\n", "")), ("change me", (200, "body", "so be it!")),
                           ("hold me", (200, "body", "hold me")), ("drop me with words", (418, "short and stout\n", ""))):
        same(ask("/in/e", f"X-Answer: {word.replace(' ', '-')}"), expected, f"an answer that says {word}")
    count = len(seen())
    same(ask("/in/free", "X-Say: drop me")[0], 200, "bypassed")
    same(len(seen()), count, "and not seen")


@story("intercept: messages of a WebSocket, both ways, before and after; its request and its 101; dropped, changed, held")
def _(t):
    echo = t.keep(Echo())
    proxy, seen = start(t, f"listen=http://127.0.0.1:0 target=http://127.0.0.1:{echo.port}")

    async def visit():
        import websockets

        async with websockets.connect(f"ws://127.0.0.1:{proxy.port}/x", compression=None, open_timeout=seconds(20)) as s:
            for message in ("drop me", "drop me at last", "change me", ["in ", "", "parts"], b"hold me", b"\xff", "", "x" * 300000):
                await s.send(message)
            got = [await s.recv() for _ in range(6)]
            await (await s.ping())
            await s.send("close 4003")
            await s.wait_closed()
            return got, (s.close_code, s.close_reason)

    got, closed = run(visit(), seconds(20))
    same((got, closed), (["so be it!", "in parts", b"hold me", b"\xff", "", "x" * 300000], (4003, "as you say")), "what comes back")
    lines = seen()
    same(lines[:4], ["up before 16 GET /x HTTP/1.1", "up after 16 GET /x HTTP/1.1", "down before 17 HTTP/1.1 101 Switching Protocols",
                     "down after 17 HTTP/1.1 101 Switching Protocols"], "the request and its answer")
    check("up before 18 change me" in lines and "up after 18 so be it!" in lines and "down before 18 so be it!" in lines, f"{lines}"[:2000])
    same([lines.count(f"{line} 19 hold me") for line in ("up before", "up after", "down before", "down after")], [1] * 4, "held each time")
    same([lines.count(f"up {stage} 18 drop me{more}") for stage in ("before", "after") for more in ("", " at last")], [1, 1, 0, 1], "dropped")
    check("up after 18 in parts" in lines and "down after 18 " in lines, "fragments, and an empty message")


if __name__ == "__main__":
    main()
