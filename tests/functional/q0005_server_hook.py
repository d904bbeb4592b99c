#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A hook of the server is asked about visitors' requests, and about the clients of its broker."""
import shutil
import socket
import subprocess

from lib import check, main, same, seconds, skip, story, wait_until
from lib.mqtt_proxy import Client, build_hook, connack


def heard(events):
    """What the hook has written; payloads may be anything."""
    return events.read_text(errors="replace")


@story("--hook: requests are let through, refused with a status, answered later; visitors that leave meanwhile")
def _(t):
    events = t.directory / "events"
    tunnel = t.tunnel({"hello": t.origin()}, server=["--hook", f"{build_hook(t)}={events}"])
    host = tunnel.host("hello")
    for path, status in (("/open", 200), ("/later/x?y=z", 200), ("/forbidden", 403), ("/teapot", 418), ("/open/again", 200)):
        same(tunnel.ask(target=path).status, status, path)
    check(b"short and &lt;stout&gt;" in tunnel.ask(target="/teapot", fields=[("Accept", "text/html")]).body, "the hook's words, escaped")
    said = heard(events)
    for line in (f"auth_request tim/hello GET /open host={host}", f"auth_request tim/hello GET /later/x?y=z host={host}"):
        check(any(row.startswith(line) for row in said.splitlines()), f"{line} in {said}")
    for _ in range(5):
        with tunnel.visit() as visitor:
            visitor.sock.sendall(tunnel.request(target="/later"))
    same(tunnel.ask(target="/open").status, 200, "others go on")


ONE, TWO = "1" * 32, "2" * 32


def guarded(t):
    """A tunnel whose server has the hook; its port for MQTT, and where the hook says what it hears."""
    events = t.directory / "events"
    tunnel = t.tunnel({"hello": t.origin()}, server=["--hook", f"{build_hook(t)}={events}"])
    return tunnel, tunnel.server.mqtt, events


@story("--hook: clients of the server's broker are asked about, too; what is denied is said in MQTT; the broker's own rules stay")
def _(t):
    tunnel, port, events = guarded(t)
    for version, refused, denied in ((4, 4, 0x80), (5, 0x86, 0x87)):
        same(connack(port, "m", version, "mallory", "x"), refused, "CONNACK")
        with Client(port, ONE, version, "slow", "x") as one, Client(port, TWO, version) as two:
            same((one.code, two.code), (0, 0), "CONNACK")
            same(two.subscribe("mdm/at/later/+", "mdm/at/secret/+", "elsewhere/#", "mdm/at/shout/+", "mdm/at/forbidden/+"),
                 [1, denied, denied, 1, 1], "granted")
            same(one.subscribe("mdm/at/secret/+"), [denied], "granted")
            if version == 5:  # of 3.1.1 the connection would be closed
                one.publish(f"mdm/at/forbidden/{ONE}", "no", retain=True)
            one.publish(f"mdm/at/later/{ONE}", "waits", retain=True)
            one.publish(f"mdm/at/shout/{ONE}", "quiet", retain=True)
            said = [(f"mdm/at/later/{ONE}", "waits", False), (f"mdm/at/shout/{ONE}", "LOUD", False)]
            wait_until(lambda: [m for m in two.messages if not m[2]] == said, f"{said} come")
            one.client.unsubscribe("mdm/at/later/+")
            wait_until(lambda: f"unsubscribe {ONE} mdm/at/later/+" in heard(events), "the hook hears of UNSUBSCRIBE")
        wait_until(lambda: heard(events).count(f"disconnect {ONE}: the client disconnected") == (version == 5) + 1, "its end, once")
    with Client(port, ONE, 4) as one:
        one.publish(f"mdm/at/forbidden/{ONE}", "no", retain=True)
        check(one.gone.is_set(), "3.1.1 has no other way to say no")
    said = heard(events).splitlines()
    for line in (f"auth_connect {ONE} user=slow headers=0 certificate=-", f"connect {ONE}", f"subscribe {TWO} mdm/at/later/+",
                 f"publish {ONE} mdm/at/shout/{ONE} LOUD"):
        check(line in said, f"{line} in {said}")
    check(not any(line.startswith(("publish", "subscribe")) and ("forbidden/1" in line or "secret" in line or "elsewhere" in line)
                  for line in said), f"nothing denied in {said}")
    same(tunnel.ask().status, 200, "the tunnel's own client passes the hook")


@story("--hook: mosquitto's clients at the server's broker; they say what a hook denies")
def _(t):
    if not shutil.which("mosquitto_sub"):
        skip("there is no mosquitto_sub")
    _, port, _ = guarded(t)

    def run(program, *arguments):
        return subprocess.run([program, "-h", "127.0.0.1", "-p", str(port), "-V", "mqttv5", *arguments], capture_output=True, text=True,
                              timeout=seconds(20))

    pub = run("mosquitto_pub", "-i", ONE, "-u", "slow", "-P", "x", "-t", f"mdm/at/later/{ONE}", "-q", "1", "-r", "-m", "hello")
    same((pub.returncode, pub.stderr), (0, ""), "mosquitto_pub")
    same(run("mosquitto_sub", "-t", "mdm/at/later/+", "-C", "1").stdout, "hello\n", "mosquitto_sub")
    check("Not authorized" in run("mosquitto_pub", "-i", ONE, "-t", f"mdm/at/forbidden/{ONE}", "-q", "1", "-r", "-m", "no").stderr, "PUBACK")
    check("denied" in run("mosquitto_sub", "-t", "mdm/at/secret/+", "-C", "1").stderr, "SUBACK")
    refused = run("mosquitto_pub", "-u", "mallory", "-P", "x", "-t", "x", "-m", "x")
    check(refused.returncode != 0 and "bad user name or password" in refused.stderr.lower(), f"CONNACK: {refused}")


def packets(s, *last):
    """Their first bytes and, of acknowledgements, identifiers, until these have come."""
    came = []
    while not set(last) <= set(came):
        head = s.recv(2, socket.MSG_WAITALL)
        body = s.recv(head[1], socket.MSG_WAITALL)
        came.append((head[0], body[:2] if head[0] in (0x40, 0x90) else b""))
    return came


@story("--hook: what follows a question at the server's broker waits for it, in whatever pieces it comes; clients that leave meanwhile")
def _(t):
    tunnel, port, _ = guarded(t)

    def text(value):
        return len(value).to_bytes(2, "big") + value.encode()

    def packet(first, body):
        return bytes([first, len(body)]) + body

    publish = packet(0x33, text(f"mdm/at/later/{ONE}") + b"\0\7" + b"x")
    connect = packet(0x10, text("MQTT") + bytes([4, 0xc2, 0, 60]) + text(ONE) + text("slow") + text("x"))
    stream = connect + packet(0x82, b"\0\5" + text("mdm/at/later/+") + b"\1" + text("mdm/at/secret/+") + b"\1" + text("mdm/at/later/x") +
                              b"\1") + publish + bytes.fromhex("c000") + publish.replace(b"\0\7", b"\0\x08")
    for size in (len(stream), len(connect) + 3, 1):
        with socket.create_connection(("127.0.0.1", port), seconds(20)) as s:
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for at in range(0, len(stream), size):
                s.sendall(stream[at:at + size])
            came = packets(s, (0xd0, b""), (0x40, b"\0\x08"))
            same(came[:2], [(0x20, b""), (0x90, b"\0\5")], f"CONNACK, SUBACK; pieces of {size}")
            same([p for p in came if p[0] == 0x40], [(0x40, b"\0\7"), (0x40, b"\0\x08")], "PUBACKs")
    for cut in (connect, stream[:-40]):
        for _ in range(5):
            with socket.create_connection(("127.0.0.1", port), seconds(20)) as s:
                s.sendall(cut)
    same(tunnel.ask().status, 200, "others go on")


if __name__ == "__main__":
    main()
