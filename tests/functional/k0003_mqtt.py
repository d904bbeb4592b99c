#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The embedded broker and MQTT programs of others."""
import json
import random
import shutil
import socket
import subprocess
import threading

from lib import check, connect, main, same, seconds, skip, story, wait_until

REFUSED = 128
OWN = "0123456789abcdef0123456789abcdef"


def paho():
    try:
        import paho.mqtt.client as module

        return module
    except ImportError:
        skip("python3-paho-mqtt is missing")


class Subscriber:
    """A paho client; keeps what comes."""

    def __init__(self, port, client_id=OWN, version=None, **will):
        module = paho()
        self.messages, self.granted, self.closed = [], {}, threading.Event()
        self.connected = threading.Event()
        self.client = module.Client(
            client_id, protocol=version or module.MQTTv311, **({} if version == 5 else {"clean_session": True})
        )
        self.client.on_connect = lambda *_: self.connected.set()
        self.client.on_disconnect = lambda *_: self.closed.set()
        self.client.on_message = lambda _c, _u, m: self.messages.append((m.topic, m.payload, m.retain))
        self.client.on_subscribe = lambda _c, _u, mid, codes, *_: self.granted.update(
            {mid: [int(getattr(c, "value", c)) for c in codes]}
        )
        if will:
            self.client.will_set(**will)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        check(self.connected.wait(seconds(5)), "the MQTT connection is accepted")

    def subscribe(self, topic, qos=0):
        """The code of the SUBACK, or REFUSED when the connection is closed instead."""
        _, mid = self.client.subscribe(topic, qos)
        wait_until(lambda: mid in self.granted or self.closed.is_set(), f"SUBACK for {topic}", 5)
        return self.granted[mid][0] if mid in self.granted else REFUSED

    def publish(self, topic, payload, qos=1, retain=False):
        info = self.client.publish(topic, payload, qos, retain)
        wait_until(lambda: info.is_published() or self.closed.is_set(), f"PUBACK for {topic}", 5)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.disconnect()
        self.client.loop_stop()


@story("paho: the presence of one named id may be read, and is JSON")
def _(t):
    tunnel = t.tunnel({"hello": t.origin()})
    for version in (4, 5):
        with Subscriber(tunnel.server.mqtt, version=version) as subscriber:
            check(subscriber.subscribe("mdm/at/tim/+", 1) < REFUSED, "the subscription is granted")
            wait_until(lambda: subscriber.messages, "presence arrives")
            topic, payload, retained = subscriber.messages[0]
            check(topic.startswith("mdm/at/tim/") and retained, f"{topic}, retained {retained}")
            check(isinstance(json.loads(payload), dict), f"{payload!r} is a JSON object")


@story("paho: others' topics and wildcards over all ids are refused")
def _(t):
    tunnel = t.tunnel({"hello": t.origin()})
    for topic in (
        "#",
        "mdm/#",
        "mdm/at/#",
        "mdm/at/+/+",
        "+/at/tim/+",
        "mdm/to/#",
        "mdm/to/+/+",
        "mdm/+/tim/+",
        f"mdm/to/{'f' * 32}/+",
        f"mdm/to/+/{OWN}",
        "$SYS/#",
        "other/topic",
        "$share/group/mdm/at/tim/+",
    ):
        with Subscriber(tunnel.server.mqtt) as subscriber:
            code = subscriber.subscribe(topic)
            check(code >= REFUSED, f"{topic}: granted {code}")
    with Subscriber(tunnel.server.mqtt) as subscriber:
        check(subscriber.subscribe(f"mdm/to/{OWN}/+") < REFUSED, "one's own topics are granted")
    same(tunnel.ask().body, b"hello\n", "the tunnel meanwhile")


@story("paho: nobody takes away or forges another's presence, nor sends in another's name")
def _(t):
    tunnel = t.tunnel({"hello": t.origin()})
    with Subscriber(tunnel.server.mqtt, "reader") as reader:
        reader.subscribe("mdm/at/tim/+", 1)
        wait_until(lambda: reader.messages, "presence arrives")
        topic = reader.messages[0][0]
        instance = topic.rsplit("/", 1)[1]
        for target in (topic, f"mdm/at/tim/{'e' * 32}", f"mdm/to/{instance}/{'e' * 32}", "mdm/at/tim", "other"):
            with Subscriber(tunnel.server.mqtt) as stranger:
                stranger.publish(target, b"", retain=True)
        same(tunnel.ask().body, b"hello\n", "the tunnel afterwards")
        same({m[:2] for m in reader.messages}, {reader.messages[0][:2]}, "presence, said again or not")


@story("paho: garbage to a client's own topic changes nothing")
def _(t):
    tunnel = t.tunnel({"hello": t.origin()})
    with Subscriber(tunnel.server.mqtt) as stranger:
        stranger.subscribe("mdm/at/tim/+", 1)
        wait_until(lambda: stranger.messages, "presence arrives")
        instance = stranger.messages[0][0].rsplit("/", 1)[1]
        rng = random.Random(7)
        for _ in range(300):
            stranger.client.publish(
                f"mdm/to/{instance}/{OWN}",
                bytes([rng.choice((0x11, 0x12, 0x13, 0x14, 0x15, 0x16))]) + rng.randbytes(rng.randrange(200)),
            )
        stranger.publish(f"mdm/to/{instance}/{OWN}", rng.randbytes(60000))
    for _ in range(20):
        same(tunnel.ask().body, b"hello\n", "the tunnel afterwards")


@story("paho: retained presence and a will of one's own, seen and taken back")
def _(t):
    tunnel = t.tunnel({"hello": t.origin()})
    with Subscriber(tunnel.server.mqtt, "reader") as reader:
        reader.subscribe("mdm/at/zed/+", 1)
        mine = Subscriber(tunnel.server.mqtt, topic=f"mdm/at/zed/{OWN}", payload=b"", qos=1, retain=True)
        mine.publish(f"mdm/at/zed/{OWN}", b"{}", retain=True)
        wait_until(lambda: len(reader.messages) == 1, "presence arrives")
        mine.client._sock.shutdown(socket.SHUT_RDWR)
        mine.client.loop_stop()
        wait_until(lambda: len(reader.messages) >= 2, "the will arrives")
        same(reader.messages[1][1], b"", "the will's payload")


@story("mosquitto_sub reads presence, mosquitto_pub is refused what is not its own")
def _(t):
    if not shutil.which("mosquitto_sub"):
        skip("mosquitto-clients is missing")
    tunnel = t.tunnel({"hello": t.origin()})
    port = str(tunnel.server.mqtt)
    for version in ("mqttv311", "mqttv5"):
        done = subprocess.run(
            [
                "mosquitto_sub",
                "-h",
                "127.0.0.1",
                "-p",
                port,
                "-V",
                version,
                "-t",
                "mdm/at/tim/+",
                "-C",
                "1",
                "-W",
                str(int(seconds(5))),
            ],
            capture_output=True,
            text=True,
        )
        same(done.returncode, 0, f"mosquitto_sub {version}: {done.stderr}")
        check(isinstance(json.loads(done.stdout), dict), f"{done.stdout!r} is a JSON object")
        done = subprocess.run(
            ["mosquitto_sub", "-h", "127.0.0.1", "-p", port, "-V", version, "-t", "#", "-C", "1", "-W", "2"],
            capture_output=True,
            text=True,
        )
        same(done.stdout, "", f"mosquitto_sub {version} of everything")
        subprocess.run(
            ["mosquitto_pub", "-h", "127.0.0.1", "-p", port, "-V", version, "-t", "mdm/at/tim/x", "-m", "x", "-r"],
            capture_output=True,
            timeout=seconds(10),
        )
    same(tunnel.ask().body, b"hello\n", "the tunnel afterwards")


def packet(first, body):
    length, head = len(body), bytearray([first])
    while True:
        head.append(length % 128 | (0x80 if length > 127 else 0))
        length //= 128
        if not length:
            return bytes(head) + body


def connect_packet(client_id=b"abc", name=b"\0\4MQTT", level=4, flags=2):
    return packet(0x10, name + bytes([level, flags]) + b"\0\x3c" + len(client_id).to_bytes(2, "big") + client_id)


MALFORMED = {
    "HTTP": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 500,
    "zeros": b"\0" * 100,
    "an endless length": b"\x10\xff\xff\xff\xff\xff",
    "a CONNECT of 256 MB": b"\x10\xff\xff\xff\x7f" + b"x" * 100,
    "another protocol's name": connect_packet(name=b"\0\4MQXX"),
    "another level": connect_packet(level=99),
    "the reserved flag": connect_packet(flags=3),
    "PUBLISH before CONNECT": packet(0x30, b"\0\1ax"),
    "two CONNECTs": connect_packet() + connect_packet(),
    "SUBSCRIBE with wrong flags": connect_packet() + packet(0x80, b"\0\1\0\1a\0"),
    "SUBSCRIBE without topics": connect_packet() + packet(0x82, b"\0\1"),
    "SUBSCRIBE with QoS 3": connect_packet() + packet(0x82, b"\0\1\0\1a\3"),
    "PUBLISH with QoS 3": connect_packet() + packet(0x36, b"\0\1a\0\1x"),
    "PUBLISH to a wildcard": connect_packet() + packet(0x30, b"\0\3a/+x"),
    "PUBLISH with a topic beyond the packet": connect_packet() + packet(0x30, b"\xff\xffa"),
    "a topic that is no UTF-8": connect_packet() + packet(0x30, b"\0\2\xff\xfex"),
    "a NUL in a topic": connect_packet() + packet(0x30, b"\0\2a\0x"),
    "CONNACK from a client": connect_packet() + packet(0x20, b"\0\0"),
    "packet type 0": connect_packet() + packet(0x00, b""),
    "packet type 15 on 3.1.1": connect_packet() + packet(0xF0, b""),
    "PUBLISH larger than allowed": connect_packet() + b"\x30\xff\xff\xff\x7f",
    "PINGREQ with a body": connect_packet() + packet(0xC0, b"x"),
    "a zero-length client id that wants to be kept": connect_packet(b"", flags=0),
}


@story("malformed MQTT closes that connection only")
def _(t):
    tunnel = t.tunnel({"hello": t.origin()})
    wrong = []
    for what, data in MALFORMED.items():
        with connect(tunnel.server.mqtt) as stranger:
            try:
                stranger.send(data)
            except OSError:
                continue
            if not stranger.is_closed(3):
                wrong.append(f"{what}: the connection stays open")
        if tunnel.ask().body != b"hello\n":
            wrong.append(f"{what}: the tunnel suffers")
    same(wrong, [], "what went wrong")


@story("random bytes and cut packets: a hundred connections, and the tunnel goes on")
def _(t):
    tunnel = t.tunnel({"hello": t.origin()})
    rng = random.Random(42)
    good = connect_packet() + packet(0x82, b"\0\1\0\x0cmdm/at/tim/+\1") + packet(0x30, b"\0\1ax")
    before = tunnel.server.fds()
    for number in range(100):
        data = bytearray(good) if number % 2 else bytearray(rng.randbytes(200))
        for _ in range(rng.randrange(1, 4)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        with connect(tunnel.server.mqtt) as stranger:
            try:
                stranger.send(data[: rng.randrange(1, len(data))])
            except OSError:
                pass
    same(tunnel.ask().body, b"hello\n", "the tunnel afterwards")
    wait_until(lambda: tunnel.server.fds() <= before + 5, "the connections are closed", 5)


@story("a connection that never says CONNECT is closed in time; many of them hold up nobody", slow=True)
def _(t):
    tunnel = t.tunnel({"hello": t.origin()})
    silent = [connect(tunnel.server.mqtt) for _ in range(200)]
    try:
        for _ in range(20):
            same(tunnel.ask().body, b"hello\n", "the tunnel")
        check(silent[0].is_closed(30), "it is closed within 30 s")
    finally:
        for stranger in silent:
            stranger.close()


@story("the same MQTT client id as a tunnel's instance does not take the tunnel down for good")
def _(t):
    tunnel = t.tunnel({"hello": t.origin()})
    with Subscriber(tunnel.server.mqtt) as reader:
        reader.subscribe("mdm/at/tim/+", 1)
        wait_until(lambda: reader.messages, "presence arrives")
        instance = reader.messages[0][0].rsplit("/", 1)[1]
    with connect(tunnel.server.mqtt) as thief:
        thief.send(connect_packet(instance.encode()))
        thief.is_quiet(0.2)
    wait_until(lambda: tunnel.ask().status == 200, "the tunnel serves", 15)


main()
