#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Server and client meet at a broker that is not ours: Debian's mosquitto with its default limits."""
import json
import re
import ssl
import subprocess
import time

from lib import check, main, same, seconds, story, wait_until
from lib.admin import Admin
from lib.load import BIG, SIZE, Load
from lib.mosquitto import Authority, Mosquitto
from lib.tunnel import Client
from lib.websocket_gate import WebSocketGate

DROPPED = "publish/messages/dropped"


def meet(t, broker, services, options=(), url=None, server=()):
    """Both programs at the broker."""
    options = ["--broker", url or f"mqtt://127.0.0.1:{broker.port}", *options]
    tunnel = t.tunnel(server=[*options, *server])
    tunnel.client = tunnel.add_client("tim", services, options)
    return tunnel


def streams_go(t, broker, **rest):
    load = Load(size=16 << 20)
    tunnel = meet(t, broker, {"hello": t.origin(load.serve)}, **rest)
    load.start(tunnel)
    load.flows_on()
    load.finish()
    return tunnel


@story("download, upload, WebSocket and events through mosquitto, and it drops nothing")
def _(t):
    broker = t.keep(Mosquitto(t.directory))
    dropped = broker.watch(DROPPED)
    tunnel = streams_go(t, broker)
    check("listening" in tunnel.server.log and tunnel.server.mqtt == 0, "the server has no port for clients")
    same(dropped(), "0", "messages that mosquitto dropped")


@story(
    "a bulk transfer with a slow visitor through mosquitto: nothing is lost, nothing is dropped, others go on", slow=True
)
def _(t):
    broker = t.keep(Mosquitto(t.directory))
    dropped = broker.watch(DROPPED)
    load = Load(size=64 << 20)
    tunnel = meet(t, broker, {"hello": t.origin(load.serve)})
    with tunnel.visit(timeout=60, receive_buffer=65536) as slow:
        slow.send(tunnel.request(target="/download"))
        slow.read_head()
        left = load.size - len(slow.take(len(slow.buffer)))
        load.start(tunnel)
        for _ in range(20):
            left -= len(slow.sock.recv(65536))
            time.sleep(0.05)  # this is a slow visitor
        load.finish()
        same(tunnel.ask(target="/").body, b"hello\n", "a small request beside it")
        while left > 0:
            data = slow.sock.recv(1 << 20)
            check(data, f"the slow download ended with {left} bytes missing")
            left -= len(data)
    same(dropped(), "0", "messages that mosquitto dropped")


def last_backoff(program):
    """Seconds between the last two attempts to connect."""
    return int(re.findall(r"(?:reconnecting|trying again) in (\d+) ms", program.log)[-1]) / 1000


@story(
    "mosquitto is stopped and started again in the middle of transfers, without persistence: no stream breaks; /readyz says why not",
    slow=True,
)
def _(t):
    broker = t.keep(Mosquitto(t.directory))
    load = Load(size=SIZE)
    tunnel = meet(t, broker, {"hello": t.origin(load.serve)}, server=["--admin", "0"])
    admin = Admin(tunnel)
    probe = lambda path: admin.curl(path, token=False)[::2]  # noqa: E731
    same(probe("/readyz"), (200, "ready\n"), "the server is ready")
    load.start(tunnel)
    for _ in range(3):
        broker.stop()
        wait_until(lambda: re.fullmatch("not ready: no connection to the broker: .+\n", probe("/readyz")[1]), "what is missing")
        same((probe("/readyz")[0], probe("/healthz")[0]), (503, 200), "it is not ready, and lives")
        broker.start()
        pause, backoff = load.flows_on(60), max(last_backoff(program) for program in tunnel.programs)
        print(f"# mosquitto is back: went on within {pause:.2f} s, of which up to {backoff:.2f} s between attempts", flush=True)
        check(pause < seconds(3) + backoff, f"it went on after {pause:.1f} s")
        same(probe("/readyz"), (200, "ready\n"), "the server is ready again")
    load.finish(600 if BIG else 120)
    same(tunnel.ask(target="/").body, b"hello\n", "afterwards")


@story("two servers at one broker serve the same client; one is killed, the other does not notice")
def _(t):
    broker = t.keep(Mosquitto(t.directory))
    tunnel = meet(t, broker, {"hello": t.origin()})
    tunnel.share_key("other")
    other = tunnel.add_server(label="other")
    wait_until(lambda: other.knows("tim"), "the second server knows the client")
    same(other.ask(host=tunnel.host("hello")).body, b"hello\n", "through the second server")
    tunnel.server.kill()
    for _ in range(20):
        same(other.ask(host=tunnel.host("hello")).body, b"hello\n", "through the second server")


@story("user name and password: from the settings file and the environment; a wrong one is said so")
def _(t):
    passwords = t.directory / "passwords"
    passwords.write_text("tunnel:secret\n")
    subprocess.run(["mosquitto_passwd", "-U", passwords], check=True)
    broker = t.keep(Mosquitto(t.directory, f"password_file {passwords}", anonymous=False))
    settings = t.directory / "settings.json"
    settings.write_text(json.dumps({"broker": f"mqtt://127.0.0.1:{broker.port}", "username": "tunnel", "password": "secret",
                                    "max_payload": 32768, "prefix": "a/b"}))
    tunnel = t.tunnel(server=["--config", str(settings)])
    wrong = Client(t.directory, "tim", 1, {"hello": t.origin()}, ["--broker", f"mqtt://127.0.0.1:{broker.port}", "--username",
                   "tunnel", "--prefix", "a/b"], label="wrong", environment={"MDM_TUNNEL_BROKER_PASSWORD": "guess"})
    t.programs.append(wrong)
    wrong.wait_log("(?i)not authorized|bad user")
    right = Client(t.directory, "tim", 1, {"hello": t.origin()}, ["--prefix", "a/b"], label="right", environment={
        "MDM_TUNNEL_BROKER": f"mqtt://127.0.0.1:{broker.port}", "MDM_TUNNEL_BROKER_USERNAME": "tunnel",
        "MDM_TUNNEL_BROKER_PASSWORD": "secret"})
    t.programs.append(right)
    tunnel.wait_connected("tim", right)
    same(tunnel.ask().body, b"hello\n", "answer")
    for program in (tunnel.server, wrong, right):
        check("secret" not in program.log and "guess" not in program.log, "no password in a log")


@story("TLS with a private authority: streams go; another authority or another name is refused")
def _(t):
    authority, stranger = Authority(t.directory), Authority(t.directory, "stranger")
    cert, key = authority.sign("broker", "IP:127.0.0.1,DNS:localhost")
    broker = t.keep(Mosquitto(t.directory, f"certfile {cert}", f"keyfile {key}"))
    url = f"mqtts://localhost:{broker.port}"
    tunnel = streams_go(t, broker, url=url, options=["--ca-cert", str(authority.cert)])
    for label, options in (("other authority", ["--broker", url, "--ca-cert", str(stranger.cert)]),
                           ("system's", ["--broker", url]),
                           ("other name", ["--broker", f"mqtts://ip6-localhost.invalid-name.localhost:{broker.port}", "--ca-cert",
                                           str(authority.cert)])):
        client = Client(t.directory, "eve", 1, {"hello": 9}, [*options, "--max-attempts", "2"], label=label.replace(" ", "-"))
        t.programs.append(client)
        same(client.wait_exit(30), 1, f"{label}: exit status")
        check("connected to" not in client.log, f"{label}: not connected")
    same(tunnel.ask(target="/").body, b"hello\n", "afterwards")


@story("TLS with a client certificate")
def _(t):
    authority = Authority(t.directory)
    cert, key = authority.sign("broker", "IP:127.0.0.1")
    own_cert, own_key = authority.sign("tunnel", "DNS:tunnel")
    broker = t.keep(Mosquitto(t.directory, f"certfile {cert}", f"keyfile {key}", f"cafile {authority.cert}",
                              "require_certificate true"))
    tunnel = meet(t, broker, {"hello": t.origin()}, url=f"mqtts://127.0.0.1:{broker.port}", options=[
        "--ca-cert", str(authority.cert), "--client-cert", str(own_cert), "--private-key", str(own_key)])
    same(tunnel.ask().body, b"hello\n", "answer")


@story("MQTT over WebSocket")
def _(t):
    broker = t.keep(Mosquitto(t.directory))
    gate = t.keep(WebSocketGate(broker.port))
    streams_go(t, broker, url=f"ws://localhost:{gate.port}/some/path")
    same(set(gate.targets), {"/some/path"}, "paths")
    same(set(gate.hosts), {f"localhost:{gate.port}"}, "Host")
    same(set(gate.protocols), {"mqtt"}, "Sec-WebSocket-Protocol")


@story("MQTT over WebSocket over TLS")
def _(t):
    authority = Authority(t.directory)
    broker = t.keep(Mosquitto(t.directory))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.sign("gate", "DNS:localhost"))
    gate = t.keep(WebSocketGate(broker.port, context))
    tunnel = meet(t, broker, {"hello": t.origin()}, url=f"wss://localhost:{gate.port}", options=["--ca-cert", str(authority.cert)])
    same(tunnel.ask().body, b"hello\n", "answer")
    same(set(gate.targets), {"/mqtt"}, "paths")


@story("what does not fit together is refused with 2")
def _(t):
    for options, word in ((["--broker", "http://x"], "mqtt://"), (["--broker", "mqtt://"], "host"),
                          (["--broker", "mqtt://a", "--prefix", "a/#"], "prefix"),
                          (["--broker", "mqtt://a", "--private-key", "x"], "client-cert"),
                          (["--broker", "mqtt://a", "--password", "x"], "username"),
                          (["--broker", "mqtt://a", "--max-payload", "100"], "max-payload")):
        client = Client(t.directory, "tim", 1, {"hello": 9}, options)
        t.programs.append(client)
        same(client.wait_exit(), 2, f"exit status with {options}")
        check(word in client.log, f"{word!r} is in {client.log!r}")


main()
