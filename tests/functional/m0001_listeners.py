#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Clients come to the embedded broker over TCP, TLS, WebSocket and both."""
import asyncio
import contextlib
import os
import shutil
import signal
import socket
import ssl
import subprocess
import threading

import paho.mqtt.client as paho
import websockets

from lib import check, main, same, story, wait_until
from lib.load import Load
from lib.mosquitto import Authority
from lib.program import Program
from lib.tunnel import Client

LISTEN = "mqtts://127.0.0.1:0,ws://127.0.0.1:0,wss://127.0.0.1:0/mqtt/deep"


class Ways:
    """A server with every kind of listener, and certificates for it."""

    def __init__(self, t, *options, listen=LISTEN):
        self.authority = Authority(t.directory)
        self.cert, self.key = self.authority.sign("broker", "IP:127.0.0.1,DNS:localhost")
        self.tunnel = t.tunnel(
            server=["--client-listen", listen, "--tls-cert", self.cert, "--tls-key", self.key, *options]
        )
        server = self.tunnel.server
        self.mqtt = server.mqtt
        self.mqtts, self.ws, self.wss = (server.more_mqtt + [0, 0, 0])[:3]

    def urls(self):
        yield f"mqtt://127.0.0.1:{self.mqtt}", []
        yield f"mqtts://127.0.0.1:{self.mqtts}", ["--ca-cert", self.authority.cert]
        yield f"ws://127.0.0.1:{self.ws}", []
        yield f"wss://127.0.0.1:{self.wss}/mqtt/deep", ["--ca-cert", self.authority.cert]

    def context(self, *own):
        made = ssl.create_default_context(cafile=self.authority.cert)
        if own:
            made.load_cert_chain(*own)
        return made

    def shake_hands(self, context, port=None):
        """The version agreed on, or the error's text."""
        try:
            with socket.create_connection(("127.0.0.1", port or self.mqtts), 10) as plain:
                with context.wrap_socket(plain, server_hostname="localhost") as tls:
                    tls.sendall(bytes.fromhex("100d00044d51545404020000000177"))  # TLS 1.3 tells of a refusal only now
                    got = tls.recv(4)
                    return tls.version() if got == bytes.fromhex("20020000") else f"closed {got}"
        except OSError as error:
            return str(error)


@story("streams go over each of the four ways, and the client's end is told")
def _(t):
    ways = Ways(t)
    load = Load(size=4 << 20)
    for url, options in ways.urls():
        name = url.split(":")[0]
        client = Client(t.directory, name, 0, {"hello": t.origin(load.serve)}, ["--broker", url, *options])
        ways.tunnel.programs.append(client)
        ways.tunnel.wait_connected(name, client)
        host = f"hello.{name}.example.com"
        wait_until(lambda: ways.tunnel.ask(host=host).status == 200, f"every worker knows {name}")
        same(len(ways.tunnel.ask(target="/download", host=host, timeout=60).body), load.size, f"bytes over {url}")
        check(f"({name})" in ways.tunnel.server.log, f"{name} is logged")
        client.stop()


def paho_round(port, transport, context=None, path="/mqtt", version=paho.MQTTv311):
    """Publishes 3 sizes of messages to itself, as a tunnel's end; which came back."""
    done, got, me = threading.Event(), [], os.urandom(16).hex()
    client = paho.Client(client_id=me, transport=transport, protocol=version)
    if context:
        client.tls_set_context(context)
    if transport == "websockets":
        client.ws_set_options(path=path)

    def on_subscribe(*_):
        for size in 1, 1000, 100_000:
            client.publish(f"mdm/to/{me}/{me}", bytes(size), qos=1)

    def on_message(_, __, message):
        got.append(len(message.payload))
        if len(got) == 3:
            done.set()

    client.on_connect = lambda *_: client.subscribe(f"mdm/to/{me}/+", qos=1)
    client.on_subscribe, client.on_message = on_subscribe, on_message
    client.connect("127.0.0.1", port)
    client.loop_start()
    done.wait(20)
    client.disconnect()
    client.loop_stop()
    return sorted(got)


def mosquitto_round(port, version, *options):
    """A message from mosquitto_pub to mosquitto_sub."""
    here, there = os.urandom(16).hex(), os.urandom(16).hex()
    common = ["-h", "localhost", "-p", str(port), "-V", version, *options]
    with subprocess.Popen(["mosquitto_sub", *common, "-i", here, "-t", f"mdm/to/{here}/+", "-C", "1", "-W", "20"],
                          stdout=subprocess.PIPE, text=True) as listener:
        for _ in range(50):
            subprocess.run(["mosquitto_pub", *common, "-i", there, "-t", f"mdm/to/{here}/{there}", "-m", version, "-q", "1"],
                           check=True, timeout=20)
            with contextlib.suppress(subprocess.TimeoutExpired):
                listener.wait(0.2)
                break
        return listener.stdout.read().strip()


@story("paho for Python and mosquitto's clients speak over TLS and WebSocket, MQTT 3.1.1 and 5")
def _(t):
    ways = Ways(t)
    for version in paho.MQTTv311, paho.MQTTv5:
        same(paho_round(ways.ws, "websockets", version=version), [1, 1000, 100_000], "over WebSocket")
        same(paho_round(ways.wss, "websockets", ways.context(), "/mqtt/deep", version), [1, 1000, 100_000], "and TLS")
        same(paho_round(ways.mqtts, "tcp", ways.context(), version=version), [1, 1000, 100_000], "over TLS")
    for version in "mqttv311", "mqttv5":
        same(mosquitto_round(ways.mqtts, version, "--cafile", ways.authority.cert), version, "mosquitto's message")


async def websocket_facts(ways):
    url = f"ws://127.0.0.1:{ways.ws}/mqtt"
    connect, connack = bytes.fromhex("100e00044d5154540402003c00027773"), bytes.fromhex("20020000")
    ping, pong = bytes.fromhex("c000"), bytes.fromhex("d000")
    async with websockets.connect(url, subprotocols=["mqtt"]) as s:
        same(s.subprotocol, "mqtt", "subprotocol")
        await s.send([connect[:3], connect[3:9], connect[9:] + ping])  # one message in three fragments
        same([await s.recv(), await s.recv()], [connack, pong], "answers, a frame each")
        await (await s.ping(b"beat"))
        await s.send(ping * 3)
        same([await s.recv() for _ in range(3)], [pong] * 3, "three packets of one frame")
    same(s.close_code, 1000, "the close was answered")
    async with websockets.connect(url, subprotocols=["mqtt"]) as s:
        await s.send("text")
        with contextlib.suppress(websockets.ConnectionClosed):
            await s.recv()
        same(s.close_code, 1003, "text is not taken")
    for wrong, status in (({"subprotocols": ["chat"]}, 400), ({}, 400)):
        try:
            async with websockets.connect(url, **wrong):
                check(False, f"{wrong} is refused")
        except websockets.InvalidStatusCode as refusal:
            same(refusal.status_code, status, str(wrong))


@story("WebSocket: fragments, several packets in a frame, pings, the close, and what is not allowed")
def _(t):
    ways = Ways(t, listen="mqtt://127.0.0.1:0,ws://127.0.0.1:0,mqtts://127.0.0.1:0")
    asyncio.run(websocket_facts(ways))


@story("who is not trusted: wrong authority, old TLS, another protocol; and what the client says")
def _(t):
    ways = Ways(t)
    same(ways.shake_hands(ways.context()), "TLSv1.3", "a client that trusts the authority")
    other = Authority(t.directory, "other")
    check("CERTIFICATE_VERIFY_FAILED" in ways.shake_hands(ssl.create_default_context(cafile=other.cert)), "another CA")
    client = Client(t.directory, "tim", 0, {}, ["--broker", f"mqtts://127.0.0.1:{ways.mqtts}", "--ca-cert", other.cert,
                                                "--max-attempts", 1])
    ways.tunnel.programs.append(client)
    client.wait_exit()
    check(client.process.returncode != 0 and "cannot connect" in client.log, f"the client says so: {client.log}")

    def client_of(version):
        run = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{ways.mqtts}", version, "-cipher",
                              "DEFAULT@SECLEVEL=0"], input=b"", capture_output=True, timeout=20)
        return run.stdout + run.stderr

    check(b"Cipher is (NONE)" in client_of("-tls1_1"), "TLS 1.1 is refused")
    check(b"Cipher is (NONE)" not in client_of("-tls1_2"), "TLS 1.2 is taken")
    wait_until(lambda: "unsupported protocol" in ways.tunnel.server.log, "and the server says why")
    context = ways.context()
    context.set_alpn_protocols(["http/1.1"])
    refusal = ways.shake_hands(context)
    check("no application protocol" in refusal.lower().replace("_", " "), f"HTTP is not spoken here: {refusal}")
    context.set_alpn_protocols(["mqtt"])
    same(ways.shake_hands(context), "TLSv1.3", "MQTT is")
    with socket.create_connection(("127.0.0.1", ways.mqtts), 10) as plain:
        plain.sendall(bytes.fromhex("100d00044d51545404020000000177"))
        plain.recv(100)
        same(plain.recv(100), b"", "MQTT without TLS is cut")


@story("client certificates: required, optional, and whose they are")
def _(t):
    authority = Authority(t.directory, "clients")
    good = authority.sign("tim", "DNS:tim")
    bad = Authority(t.directory, "strangers").sign("evil", "DNS:evil")
    ways = Ways(t, "--client-ca", authority.cert)
    same(ways.shake_hands(ways.context(*good)), "TLSv1.3", "a certificate of the authority")
    check("CERTIFICATE_REQUIRED" in ways.shake_hands(ways.context()), "none is refused")
    check("UNKNOWN_CA" in ways.shake_hands(ways.context(*bad)), "another authority's, too")
    check("mqtts, CN=tim" in ways.tunnel.server.log, "the log names it")
    url = f"wss://127.0.0.1:{ways.wss}/mqtt/deep"
    client = ways.tunnel.add_client("tim", {"hello": t.origin()}, ["--broker", url, "--ca-cert", ways.authority.cert,
                                                                   "--client-cert", good[0], "--private-key", good[1]])
    same(ways.tunnel.ask().status, 200, "the client with its certificate")
    client.stop()
    # And who does not get there is told why not.
    mqtts, ca = f"mqtts://127.0.0.1:{ways.mqtts}", ["--ca-cert", ways.authority.cert]
    for number, (url, options, why) in enumerate((
            (mqtts, [], "certificate verify failed: unable to get local issuer certificate"),
            (mqtts, ca, "certificate required"),
            (f"mqtts://127.0.0.2:{ways.mqtts}", [*ca, "--client-cert", good[0], "--private-key", good[1]], "Connection refused"),
            (mqtts.replace("127.0.0.1", "localhost"), ["--ca-cert", authority.cert], "certificate verify failed"),
            (f"ws://127.0.0.1:{ways.ws}/elsewhere", [], "the WebSocket is answered with 404"))):
        lost = ways.tunnel.add_client("tim", {"hello": t.origin()}, ["--broker", url, "--max-attempts", 1, *options],
                                      label=f"lost-{number}", wait=False)
        lost.wait_exit(30)
        check(why in lost.log.splitlines()[-1], f"{url} {options}: {lost.log}")


@story("certificates are changed under way: connections and streams go on, new ones see the new, a bad one changes nothing")
def _(t):
    ways = Ways(t)
    url = f"mqtts://127.0.0.1:{ways.mqtts}"
    load = Load(size=8 << 20)
    ways.tunnel.add_client("tim", {"hello": t.origin(load.serve)}, ["--broker", url, "--ca-cert", ways.authority.cert])

    def serial():
        with socket.create_connection(("127.0.0.1", ways.mqtts), 10) as plain:
            with ways.context().wrap_socket(plain, server_hostname="localhost") as tls:
                return tls.getpeercert()["serialNumber"]

    def put(cert, key):
        for path, fresh in ((ways.cert, cert), (ways.key, key)):
            shutil.copy(fresh, f"{path}.new")
            os.rename(f"{path}.new", path)

    before = serial()
    with ways.tunnel.visit(timeout=60) as visitor:
        visitor.send(ways.tunnel.request(target="/download"))
        visitor.read_head()
        (t.directory / "odd").write_text("odd")
        put(t.directory / "odd", t.directory / "odd")
        wait_until(lambda: "those in use stay" in ways.tunnel.server.log, "the bad file is reported")
        same(serial(), before, "the certificate after a bad file")
        put(*ways.authority.sign("next", "IP:127.0.0.1,DNS:localhost"))
        wait_until(lambda: serial() != before, "the new certificate is shown")
        left = load.size - len(visitor.take(len(visitor.buffer)))
        while left > 0:
            left -= len(visitor.sock.recv(min(left, 1 << 20)))
    same(ways.tunnel.ask().status, 200, "the client's connection is the old one")
    same(ways.tunnel.server.log.count("MQTT connection of"), 1, "connections of the client")


@story("strangers: a slow handshake and a silent connection are cut after --connect-timeout", only="plain")
def _(t):
    ways = Ways(t, "--connect-timeout", 1)
    ports = {"mqtt": ways.mqtt, "mqtts": ways.mqtts, "ws": ways.ws, "wss": ways.wss}
    socks = {name: socket.create_connection(("127.0.0.1", port), 30) for name, port in ports.items()}
    socks["mqtts"].sendall(bytes.fromhex("160301020001"))
    socks["ws"].sendall(b"GET /mqtt HTTP/1.1\r\nHost: x\r\n")
    for name, sock in socks.items():
        with sock, contextlib.suppress(ConnectionResetError):
            same(sock.recv(100), b"", name)
    check(ways.tunnel.client is None and ways.tunnel.server.running, "the server goes on")


ASK = [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
       ("Sec-WebSocket-Version", "13"), ("Sec-WebSocket-Protocol", "mqtt")]


@story("one port: clients and visitors at the public ports, with and without TLS, to the end of what is in flight")
def _(t):
    ways = Ways(t, "--domain", "example.com", "--tls-port", 0, "--drain", 300, listen="mqtt://127.0.0.1:0")
    server = ways.tunnel.server
    load = Load(size=32 << 20)
    origin = t.origin(load.serve)
    for name, url in ("plain", f"ws://127.0.0.1:{server.http}"), ("tim", f"wss://localhost:{server.https}/"):
        ways.tunnel.add_client(name, {"hello": origin}, ["--broker", url, "--ca-cert", ways.authority.cert])
        wait_until(lambda: ways.tunnel.ask(host=f"hello.{name}.example.com").body == b"hello\n", url)
    same(paho_round(server.http, "websockets"), [1, 1000, 100_000], "paho for Python at the public port")
    same(paho_round(server.https, "websockets", ways.context()), [1, 1000, 100_000], "and with TLS")
    wrong = [(name, value.replace("==", "=")) for name, value in ASK]
    for host, headers, status in (("example.com", wrong, 400), ("hello.tim.example.com", ASK, 200),
                                  ("example.com", ASK[:-1], 200)):
        same(ways.tunnel.ask(target="/mqtt", host=host, fields=headers).status, status, f"{host} {headers}")
    with ways.tunnel.visit(timeout=60) as visitor:
        visitor.send(ways.tunnel.request(target="/download"))
        visitor.read_head()
        left = load.size - len(visitor.take(len(visitor.buffer)))
        server.signal(signal.SIGTERM)
        server.wait_log("finishing what is in flight")
        while left > 0:
            left -= len(visitor.sock.recv(min(left, 1 << 16)) or check(False, "the download was cut"))
    same(server.wait_exit(), 0, "the server's status")


@story("--client-path names another path, or none")
def _(t):
    tunnel = t.tunnel(server=["--client-path", "/home/clients"])
    port = tunnel.server.http
    tunnel.add_client("tim", {"hello": t.origin()}, ["--broker", f"ws://127.0.0.1:{port}/home/clients"])
    same(tunnel.ask().status, 200, "over the other path")
    check(tunnel.server.ask(target="/mqtt", host="localhost", fields=ASK).status != 101, "the usual one is nothing")
    none = t.tunnel(server=["--client-path", "none", "--state-dir", t.directory / "none"])
    check(none.server.ask(target="/mqtt", host="localhost", fields=ASK).status != 101, "no path at all")


@story("settings that do not fit together are refused with their reason")
def _(t):
    cert, _ = Authority(t.directory).sign("broker", "DNS:localhost")
    for options, words in (
        (["--client-listen", "mqtts://:0"], "mqtts:// and wss:// need a tls-cert"),
        (["--client-listen", "http://:0"], "clients do not come by http://"),
        (["--client-listen", "gopher://:0"], "it must begin with mqtt://"),
        (["--client-listen", "ws://:0,"], "it must begin with mqtt://"),
        (["--client-listen", "ws://256.1.1.1:0"], "Invalid argument"),
        (["--tls-cert", cert], "neither tls-port nor client-listen has TLS"),
        (["--client-ca", cert], "client-listen has no TLS"),
        (["--client-verify", "optional"], "client-ca is missing"),
        (["--client-listen", "mqtts://:0", "--tls-cert", cert], "holds no private key"),
        (["--client-listen", "mqtts://:0", "--tls-cert", t.directory / "none"], "No such file or directory"),
        (["--client-path", "mqtt"], "neither none nor a path"),
    ):
        command = [Program.find("mdm-tunnel-server"), "--port", "0", "--client-port", "0", "--state-dir", t.directory / "s"]
        done = subprocess.run([*command, *options], capture_output=True, text=True, timeout=20)
        check(done.returncode != 0 and words in done.stderr, f"{options}: {done.stderr}")


main()
