#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""mdm-tunnel-proxy asks an HTTP callback who may connect, publish and subscribe."""
import base64
import http.server
import json
import threading

from lib import check, main, same, story, wait_until
from lib.mosquitto import Mosquitto
from lib.mqtt_proxy import Client, Proxy, came, connack


def encoded(text):
    return base64.b64encode(text.encode()).decode()


class Callback:
    """An HTTP server with keep-alive. It holds back answers about what is slow until it is told."""

    def __init__(self):
        outer = self
        self.asked, self.connections, self.gone = [], set(), False
        self.lock, self.go_on = threading.Lock(), threading.Event()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 60

            def do_POST(self):
                question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with outer.lock:
                    outer.asked.append(question)
                    outer.connections.add(self.client_address)
                if outer.gone:
                    self.close_connection = True
                    return
                status, answer = outer.answer(question)
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None  # who asked may have gone
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/mqtt"

    def answer(self, q):
        said = {"allow": True}
        if "connect" in q:
            user, password = q["connect"]["username"], q["connect"]["password"]
            if user == "silent" or user == "slow":
                self.go_on.wait(60)
            if user == "broken":
                return 500, b'{"allow":true}'
            if user == "garbled":
                return 200, b'{"allow":true'
            if user == "odd":
                return 200, b'{"allow":true,"topic":"x"}'
            if password != encoded("word"):
                return 200, b'{"allow":false,"reason":134,"words":"wrong password"}'
            if user == "renamed":
                said.update(client_id="another", username=None, password=None)
        elif "publish" in q:
            topic = q["publish"]["topic"]
            said["allow"] = not topic.startswith("forbidden")
            if topic == "shout":
                said.update(topic="loud", payload=encoded("HELLO"))
        else:
            said["allow"] = q["subscribe"]["filter"] != "secret"
            if q["subscribe"]["filter"] == "lower":
                said["qos"] = 0
        return 200, json.dumps(said).encode()

    def count(self, event, *path):
        with self.lock:
            return sum(q["event"] == event and q[path[0]][path[1]] == path[2] for q in self.asked)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.go_on.set()
        self.server.shutdown()
        self.server.server_close()


def start(t, *arguments):
    broker, callback = t.keep(Mosquitto(t.directory)), t.keep(Callback())
    return broker, callback, Proxy(t, "-l", f"listen=mqtt://127.0.0.1:0 target=mqtt://127.0.0.1:{broker.port}", "--hook-url", callback.url,
                                   *arguments)


@story("a callback says who may connect, publish and subscribe, and changes what it likes; a slow answer holds up its own client only")
def _(t):
    broker, callback, proxy = start(t, "--hook-timeout", "30")
    slow = threading.Thread(target=lambda: slow_codes.append(connack(proxy.port, "s", 5, "slow", "word")))
    slow_codes = []
    slow.start()
    wait_until(lambda: callback.count("auth_connect", "connect", "username", "slow") == 1, "the slow one is asked about")
    for version, wrong in ((4, 4), (5, 0x86)):
        same(connack(proxy.port, "c1", version, "tim", "wrong"), wrong, "CONNACK")
        same(connack(proxy.port, "c1", version, "tim", "word", "forbidden/will"), 5 if version == 4 else 0x87, "CONNACK with a will")
    with Client(proxy.port, "tim", 5, "tim", "word") as tim, Client(broker.port, "direct", 5) as direct:
        same(tim.subscribe("a/#", "secret", "lower"), [1, 0x87, 0], "granted")
        direct.subscribe("#")
        tim.publish("forbidden/x", "no", 1)
        tim.publish("shout", "hello", 2)
        tim.publish("a/b", "\0\xff", 0)
        came(direct, ("loud", "HELLO"), ("a/b", "\0\xff"))
        came(tim, ("a/b", "\0\xff"))
    with Client(proxy.port, "x", 5, "renamed", "word"):
        wait_until(lambda: "as another" in (t.directory / "mosquitto.log").read_text(), "the broker sees the new client id")
    same(slow_codes, [], "the slow one waits")
    callback.go_on.set()
    slow.join()
    same(slow_codes, [0], "then it is let in")
    with callback.lock:
        first = next(q for q in callback.asked if "publish" in q and q["publish"]["topic"] == "a/b")
        same((first["session"]["id"], first["session"]["username"], first["session"]["version"], first["session"]["certificate"]),
             ("tim", "tim", 5, None), "the session")
        same(first["publish"], {"topic": "a/b", "payload": base64.b64encode("\0\xff".encode()).decode(), "qos": 0, "retain": False,
                                "will": False}, "the message")
        check(len(callback.connections) < len(callback.asked) / 2, f"{len(callback.connections)} for {len(callback.asked)} questions")


@story("without an answer, with a wrong one or a late one the callback's clients are denied")
def _(t):
    broker, callback, proxy = start(t, "--hook-timeout", "2")
    for user in ("broken", "garbled", "odd", "silent"):
        for version, code in ((4, 3), (5, 0x88)):
            same(connack(proxy.port, "c1", version, user, "word"), code, f"CONNACK for {user}")
    same(connack(proxy.port, "c1", 4, "tim", "word"), 0, "a good answer")
    for line in ("the answer has status 500", "answers again"):
        proxy.program.wait_log(f"callback: {line}")
    with Client(proxy.port, "tim", 5, "tim", "word") as tim:
        callback.gone = True
        same(tim.subscribe("a"), [0x83], "granted without a callback")
    same(connack(proxy.port, "c1", 4, "tim", "word"), 3, "CONNACK without a callback")


@story("answers are kept for a while, for the same question of the same client", only="plain")
def _(t):
    broker, callback, proxy = start(t, "--hook-cache", "3600", "--hook-events", "connect,publish")
    for password, code in (("word", 0), ("word", 0), ("wrong", 4), ("wrong", 4), ("word", 0)):
        same(connack(proxy.port, "c1", 4, "tim", password), code, f"CONNACK with {password}")
    same(callback.count("auth_connect", "connect", "username", "tim"), 2, "a question for each password")
    with Client(proxy.port, "tim", 5, "tim", "word") as tim, Client(proxy.port, "ann", 5, "ann", "word") as ann:
        same(tim.subscribe("#", "secret"), [1, 1], "nobody is asked about subscriptions")
        for number in range(3):
            tim.publish("a", str(number))
            tim.publish("shout", str(number))
        ann.publish("a", "3")
        wait_until(lambda: len(tim.messages) == 7, "seven messages")
    same(callback.count("auth_publish", "publish", "topic", "a"), 2, "once for each client")
    same(callback.count("auth_publish", "publish", "topic", "shout"), 3, "what is changed is asked each time")


if __name__ == "__main__":
    main()
