#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The main job through brokers that differ from mosquitto: NATS and RabbitMQ, each with MQTT 3.1.1 only."""
import hashlib
import random
import time

from lib import check, main, response, same, seconds, story, wait_until
from lib.load import Load
from lib.nats import Nats
from lib.rabbitmq import RabbitMQ
from lib.tunnel import Client

SIZE = 100 << 20
BLOCK = random.Random(100).randbytes(1 << 20)
USER = ("tunnel", "secret")
GRACE = 300  # a slow machine takes over a minute to start RabbitMQ, and streams have to outlive that


def serve(peer, origin):
    """A big download, an upload that is answered with its digest, and a greeting."""
    while (request := peer.read_request(body=False)) is not None:
        if request.target == "/download":
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE)
            for _ in range(SIZE // len(BLOCK)):
                peer.send(BLOCK)
        elif request.target == "/upload":
            digest, left = hashlib.sha256(), int(request.get("Content-Length"))
            while left > 0:
                data = peer.take(len(peer.buffer)) if peer.buffer else peer.sock.recv(1 << 18)
                digest.update(data)
                left -= len(data)
            peer.send(response(200, digest.hexdigest().encode()))
        else:
            peer.send(response(200, b"hello\n"))


def whole():
    digest = hashlib.sha256()
    for _ in range(SIZE // len(BLOCK)):
        digest.update(BLOCK)
    return digest.hexdigest()


def transfers(tunnel):
    """100 MB down and up; how many megabytes a second each."""
    wanted, speeds = whole(), []
    began = time.monotonic()
    with tunnel.visit(timeout=60) as visitor:
        visitor.send(tunnel.request(target="/download"))
        same(visitor.read_head().status, 200, "status of the download")
        digest, left = hashlib.sha256(), SIZE
        while left > 0:
            data = visitor.take(len(visitor.buffer)) if visitor.buffer else visitor.sock.recv(1 << 18)
            check(data, f"the download ended with {left} bytes missing")
            digest.update(data)
            left -= len(data)
    same(digest.hexdigest(), wanted, "SHA-256 of the download")
    speeds.append(SIZE / 1e6 / (time.monotonic() - began))
    began = time.monotonic()
    with tunnel.visit(timeout=60) as visitor:
        visitor.send(tunnel.request(method="POST", target="/upload", fields=[("Content-Length", str(SIZE))]))
        for _ in range(SIZE // len(BLOCK)):
            visitor.send(BLOCK)
        same(visitor.read_response().body.decode(), wanted, "SHA-256 of the upload")
    speeds.append(SIZE / 1e6 / (time.monotonic() - began))
    return "down {:.0f} MB/s, up {:.0f} MB/s".format(*speeds)


def slow_visitor(tunnel):
    """A visitor that takes a download slowly beside a bulk transfer: both are right, and small requests pass."""
    with tunnel.visit(timeout=60, receive_buffer=65536) as slow:
        slow.send(tunnel.request(target="/download"))
        slow.read_head()
        speeds = transfers(tunnel)
        began = time.monotonic()
        for _ in range(20):
            check(slow.sock.recv(65536), "the slow download goes on")
            same(tunnel.ask().body, b"hello\n", "a small request beside it")
        check(time.monotonic() - began < seconds(5), "small requests are quick")
    return speeds


def tries(tunnel, broker):
    """What holds with one broker of any kind, on one running tunnel."""
    environment = {"MDM_TUNNEL_BROKER_USERNAME": USER[0], "MDM_TUNNEL_BROKER_PASSWORD": "guess"}
    url = f"mqtt://127.0.0.1:{broker.port}"
    wrong = Client(tunnel.directory, "eve", 1, {"hello": 9}, ["--broker", url, "--max-attempts", "1"], label="wrong",
                   environment=environment)
    tunnel.programs.append(wrong)
    same(wrong.wait_exit(30), 1, "exit status with a wrong password")
    check("guess" not in wrong.log and "secret" not in tunnel.server.log, "no password in a log")
    print(f"# {type(broker).__name__}: {slow_visitor(tunnel)}", flush=True)
    # A server that comes after its clients knows them; so does one that was killed and is started again.
    tunnel.server.kill()
    tunnel.restart_server()
    wait_until(lambda: tunnel.server.knows("tim"), "the next server knows the client", 15)
    same(tunnel.ask().body, b"hello\n", "through the next server")
    # A client that is killed is gone; its will says so.
    tunnel.client.kill()
    tunnel.server.wait_log("client is gone", 30)
    tunnel.client = tunnel.add_client("tim", {"hello": tunnel.origin})
    same(tunnel.ask().body, b"hello\n", "through the next client")


def goes_on(t, tunnel, broker):
    """A broker that is started again, without its memory, in the middle of transfers: streams pause and go on."""
    load = Load(size=48 << 20)
    origin = t.origin(load.serve)
    tunnel.client.write_services({"hello": origin})
    wait_until(lambda: tunnel.ask().body == b"hello\n" and origin.accepted > 0, "the server has heard of the other service")
    tunnel.origin.stop()  # and with it the idle streams that other workers keep
    load.start(tunnel, timeout=GRACE)
    began = time.monotonic()
    broker.nodes[0].stop()
    broker.nodes[0].forget()
    broker.nodes[0].start()
    broker.nodes[0].wait_ready()
    away = time.monotonic() - began
    pause = load.flows_on(30)
    print(f"# {type(broker).__name__}: away for {away:.1f} s, went on within {pause:.2f} s", flush=True)
    # Both ends had been refused again and again: the last step of the backoff, and a second.
    check(pause < seconds(10 + 1), f"streams go on within the backoff and a second: {pause:.2f} s")
    load.finish()


def story_of(t, kind):
    broker = t.keep(kind(t.directory, user=USER))
    options = ["--broker", f"mqtt://127.0.0.1:{broker.port}", "--username", USER[0], "--password", USER[1], "--grace", str(GRACE)]
    tunnel = t.tunnel(server=options, client=options)
    tunnel.origin = t.origin(serve)
    tunnel.client = tunnel.add_client("tim", {"hello": tunnel.origin})
    same(tunnel.ask().body, b"hello\n", "the first answer")
    tries(tunnel, broker)
    goes_on(t, tunnel, broker)


@story("NATS: 100 MB each way, a slow visitor, presence, wills, restarts of server, client and broker", only="plain")
def _(t):
    story_of(t, Nats)


@story("RabbitMQ: 100 MB each way, a slow visitor, presence, wills, restarts of server, client and broker", only="plain", slow=True)
def _(t):
    story_of(t, RabbitMQ)


main()
