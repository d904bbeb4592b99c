#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Public TCP ports: services of kind tcp on ports of the server."""
import json
import os
import random
import re
import socket
import subprocess
import threading

from lib import Closed, Cut, check, main, same, seconds, story, wait_until
from lib.mosquitto import Mosquitto
from lib.tunnel import Client
from lib.workstation import Site, dial, echo, is_turned_away


def free_ports(count):
    """So many in a row that nobody has now, below those that the kernel gives to others."""
    while True:
        first = random.randrange(10000, 30000)
        with_all = []
        try:
            for port in range(first, first + count):
                with_all.append(socket.create_server(("127.0.0.1", port)))
            return first
        except OSError:
            pass
        finally:
            for sock in with_all:
                sock.close()


def given(first, count):
    return ["--workers", 2, "--tcp-ports", f"{first}-{first + count - 1}"]


def public(client, service, count=1):
    """The port that the client says."""
    return int(client.wait_log(f"service {service} is at 127.0.0.1:[0-9]+ for everybody", count=count)
               .rsplit(":", 1)[1].split()[0])


def answers(port, text=b"first bytes"):
    with dial(port) as peer:
        peer.send(text)
        same(peer.read_exact(len(text)), text, "echo")


def refused(port):
    try:
        dial(port, 2).close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:  # it was in the queue of what is being closed
        return False
    return False


@story("any port and one by its number; first bytes, half-close both ways, resets; no HTTP name; a PROXY head; rules hold")
def _(t):
    heads, resets = [], []

    def greeted(peer, origin):
        heads.append(peer.read_until(b"\r\n"))
        peer.send(peer.take(len(peer.buffer)))
        echo(peer, origin)

    def until_cut(peer, origin):
        try:
            peer.send(b"x")
            peer.read_rest()
        except (Cut, Closed, ConnectionError):
            resets.append(True)

    def late(peer, origin):
        peer.sock.recv(1)
        peer.send(b"answer after the question's end" if peer.read_rest() == b"uestion" else b"?")

    first = free_ports(6)
    origin = t.origin(echo)
    services = {
        "echo": {"target": origin.port, "tcp": "auto"},
        "greeted": {"target": t.origin(greeted).port, "tcp": first + 3, "proxy_protocol": 1},
        "late": {"target": t.origin(late).port, "tcp": "auto"},
        "cut": {"target": t.origin(until_cut).port, "tcp": "auto"},
        "closed": {"target": origin.port, "tcp": "auto", "deny": "127.0.0.0/8"},
        "refused": {"target": 9, "tcp": "auto"},
    }
    lines = t.directory / "access.log"
    tunnel = t.tunnel(services, server=[*given(first, 6), "--access-log", lines, "--access-format", "json"])
    same(public(tunnel.client, "greeted"), first + 3, "the port that was asked for")
    ports = {name: public(tunnel.client, name) for name in services}
    same(sorted(ports.values()), list(range(first, first + 6)), "ports")
    answers(ports["echo"])
    out = subprocess.run(["nc", "-N", "127.0.0.1", str(ports["late"])], input=b"question", capture_output=True,
                         timeout=seconds(10))
    same(out.stdout, b"answer after the question's end", "half-close")
    with dial(ports["greeted"]) as peer:
        peer.send(b"hello")
        same(peer.read_exact(5), b"hello", "echo")
        own = peer.sock.getsockname()[1]
        same(heads, [f"PROXY TCP4 127.0.0.1 127.0.0.1 {own} {services['greeted']['target']}\r\n".encode()], "head")
    peer = dial(ports["cut"])
    same(peer.read_exact(1), b"x", "connected")
    peer.reset()
    wait_until(lambda: resets, "the service sees the reset")
    check(is_turned_away(ports["refused"]), "a refused target ends the connection")
    tunnel.client.wait_log("tim/refused#.*does not accept connections: Connection refused")
    tunnel.server.wait_log("tim/refused#.*connection over.*does not accept connections")
    check(is_turned_away(ports["closed"]), "an address that is not let in")
    tunnel.server.wait_log("tcp for closed from 127.0.0.1:.*not let in")
    same(tunnel.ask("echo").error, "unknown-service", "its HTTP name")
    wanted = {"echo": (11, 11, None), "late": (8, len(out.stdout), None), "cut": (0, 1, "visitor-gone"), "refused": (None, 0, "service-refused"),
              "closed": (0, 0, "address-denied"), "greeted": (5, None, None)}

    def logged():
        found = {line["service"]: line for line in map(json.loads, lines.read_text().splitlines()) if line["kind"] == "tcp"}
        return found if found.keys() == wanted.keys() else None

    for name, line in wait_until(logged, "a line for each connection").items():
        up, down, error = wanted[name]
        what = f"the access log's line of {name}: {line}"
        same((line["client"], line["visitor"], line["secure"], line.get("error")), ("tim", "127.0.0.1", False, error), what)
        check(up in (None, line["bytes_in"]) and down in (None, line["bytes_out"]), what)
        check(("first_byte" in line) == (line["bytes_out"] > 0) and ("connect" in line) == (name not in ("refused", "closed")), what)
        check(line.get("queue", 0) <= line.get("first_byte", line["total"]) <= line["total"], what)
    tunnel.client.write_services({**services, "echo": {"target": origin.port}})
    wait_until(lambda: refused(ports["echo"]), "what is not offered any more is closed at once")
    tunnel.client.write_services({"renamed": {"target": origin.port, "tcp": first + 3}})
    same(public(tunnel.client, "renamed"), first + 3, "another service has the port now")
    answers(first + 3)


@story("200 connections at once to two machines with one id, which have one port: all are served, by both")
def _(t):
    first = free_ports(2)
    origin = t.origin(echo)
    services = {"echo": {"target": origin.port, "tcp": "auto"}}
    tunnel = t.tunnel(services, server=given(first, 2))
    other = tunnel.add_client("tim", services, label="other")
    same({public(tunnel.client, "echo"), public(other, "echo")}, {first}, "one port")
    peers = [dial(first, 30) for _ in range(200)]
    for number, peer in enumerate(peers):
        peer.send(b"%8d" % number)
    same([peer.read_exact(8) for peer in peers], [b"%8d" % number for number in range(200)], "answers")
    same(origin.open_connections, 200, "connections to the service")
    for peer in peers:
        peer.close()
    for client in (tunnel.client, other):
        check(client.log.count(" opened: ") >= 50, "each machine has its share")
    tunnel.client.stop()
    answers(first)


@story("a port stays its service's: over restarts of client and server, also when another client comes first; then it is "
       "released")
def _(t):
    first = free_ports(3)
    origin = t.origin(echo)
    services = {"echo": {"target": origin.port, "tcp": "auto"}, "second": {"target": origin.port, "tcp": "auto"}}
    lines = t.directory / "access.log"
    tunnel = t.tunnel(services, server=[*given(first, 3), "--tcp-release", 300, "--access-log", lines])
    ports = [public(tunnel.client, name) for name in services]
    tunnel.client.stop()
    answers_nobody = dial(ports[0])
    check(answers_nobody.is_closed(5), "while the client is away its port is open, and visitors are turned away")
    line = r'^127\.0\.0\.1 - - \[[^]]+\] "tcp" - - "-" "-" "tim/echo" \d+\.\d{6} client-offline$'
    wait_until(lambda: re.search(line, lines.read_text(), re.M), "the access log's line, Combined")
    tunnel.client = tunnel.add_client("tim", services)
    same([public(tunnel.client, name) for name in services], ports, "the client has started again")
    tunnel.client.stop()
    same(tunnel.server.stop(), 0, "exit status")
    tunnel.restart_server()
    other = tunnel.add_client("tom", {"echo": {"target": origin.port, "tcp": "auto"}})
    same({public(other, "echo"), *ports}, set(range(first, first + 3)), "the port that is left")
    tunnel.client = tunnel.add_client("tim", services)
    same([public(tunnel.client, name) for name in services], ports, "both have started again")
    answers(ports[1])
    same(tunnel.server.stop(), 0, "exit status")
    tunnel.server_options = [*given(first, 3), "--tcp-release", 1]
    tunnel.restart_server()
    same(public(tunnel.client, "second", count=2), ports[1], "the server has started once more")
    tunnel.client.kill()
    tunnel.server.wait_log(f"port {ports[1]} of second is closed")
    wait_until(lambda: refused(ports[1]), "released")


@story("no ports here, one that is none of them, another's, another program's, one that is not granted, none free: said "
       "with what to do")
def _(t):
    first = free_ports(3)
    origin = t.origin(echo)

    def wish(tcp):
        return {"echo": {"target": origin.port, "tcp": tcp}}

    def told(client, *words):
        for word in words:
            wait_until(lambda: word in client.log, f"{word!r} in {client.log!r}")

    plain = t.tunnel(server=["--no-encryption"])
    told(plain.add_client("tim", wish("auto"), ["--no-encryption"], wait=False), "port: the server gives no public ports", "--tcp-ports")
    tunnel = t.tunnel(wish(first), server=given(first, 2))
    same(public(tunnel.client, "echo"), first, "port")
    silent = Client(t.directory, "silent", tunnel.server.mqtt, wish(first), label="silent", verbose=False)
    t.programs.append(silent)
    told(silent, "mdm-tunnel-client: echo does not get the public port", str(first), "another service or another program",
         "port-taken", 'Say another port, or "auto"')
    with socket.create_server(("127.0.0.1", first + 1)):
        silent.write_services(wish(first + 1))
        told(silent, f"public port {first + 1}: another service or another program")
        silent.write_services(wish("auto"))
        told(silent, "no public port is free (ports-used-up)")
    silent.write_services(wish(first + 2))
    told(silent, f"public port {first + 2}: the port is none of those that the server gives", "port-outside")
    silent.write_services(wish("auto"))
    wait_until(lambda: not refused(first + 1), "there was one left")
    last = tunnel.add_client("last", wish("auto"))
    told(last, "no public port is free (ports-used-up)")
    answers(first)
    last.stop()
    line = re.search(r"SHA256:\S+", tunnel.server.wait_log(" tim: key .* is admitted")).group()
    allowed = t.directory / "server.state" / "authorized_clients"
    text = allowed.read_text()
    fresh = allowed.with_suffix(".new")
    fresh.write_text("".join(f"{at} ports=none\n" if line in at else f"{at}\n" for at in text.splitlines()))
    os.replace(fresh, allowed)
    told(tunnel.client, "the server does not allow this client the port (port-not-granted)", "ports=")
    wait_until(lambda: refused(first), "closed")


@story("64 ports for one client; one that asks for others all the time is told that there is a limit")
def _(t):
    first = free_ports(70)
    origin = t.origin(echo)

    def services(letter):
        return {f"{letter}{number:02}": {"target": origin.port, "tcp": "auto"} for number in range(64)}

    tunnel = t.tunnel(services("a"), server=given(first, 70))
    answers(public(tunnel.client, "a63"))
    tunnel.client.write_services(services("b"))
    answers(public(tunnel.client, "b63"))
    tunnel.client.write_services(services("c"))
    wait_until(lambda: "c63 does not get the public port: a limit was reached (limit)" in tunnel.client.log, "told")


@story("two servers at one broker give ports of their own, and the client says both", only="plain")
def _(t):
    broker = t.keep(Mosquitto(t.directory))
    first = free_ports(2)
    at = ["--broker", f"mqtt://127.0.0.1:{broker.port}", "--domain", "example.com"]
    origin = t.origin(echo)
    tunnel = t.tunnel(server=[*at, *given(first, 1)])
    tunnel.share_key("other")
    tunnel.server_options = [*at, *given(first + 1, 1)]
    tunnel.add_server(label="other")
    client = tunnel.add_client("tim", {"echo": {"target": origin.port, "tcp": "auto"}}, at[:2])
    for port in (first, first + 1):
        client.wait_log(f"service echo is at example.com:{port} for everybody")
        answers(port)


@story("a workstation has a service made public for a while: the device and the server have to allow it; then it is gone")
def _(t):
    first = free_ports(2)
    s = Site(t, t.tunnel(server=given(first, 1)).server, {"ssh": t.origin(echo), "web": t.origin(), "fixed": {
        "target": t.origin(echo).port, "tcp": first}}, authorized=("oli public services=ssh,fixed", "eve"))
    program = s.workstation("--public", "--for", "2s", "gateway/fixed", label="fixed")
    same((program.wait_exit(), program.stdout), (0, f"127.0.0.1:{first}\n"), "what has a port is at its port")
    for number, (service, name, words) in enumerate((("ssh", "oli", "no public port is free"),
                                                     ("web", "oli", 'needs the option "public"'),
                                                     ("ssh", "eve", 'needs the option "public"'))):
        program = s.workstation("--public", f"gateway/{service}", name=name, label=f"refused-{number}")
        same(program.wait_exit(), 1, "exit status")
        check("is not made public: " in program.log and words in program.log, program.log)
    s.device.write_services({"ssh": t.origin(echo), "admin": {"target": 9, "bearer": "12345678"}})
    wait_until(lambda: refused(first), "closed")
    program = s.workstation("--public", "--for", "5s", "gateway", label="open")
    same((program.wait_exit(), program.stdout), (0, f"ssh user@127.0.0.1 -p {first}\n"), "public")
    answers(first)
    check("gateway/ssh is at 127.0.0.1:" in program.log, program.log)
    wait_until(lambda: refused(first), "gone")
    s.device.wait_log("service ssh is not public any more: its time is over")
    for number, period in enumerate(("1h", "0")):
        program = s.workstation("--public", "--for", period, "gateway/ssh", label=f"taken-back-{number}")
        same((program.wait_exit(), program.stdout != ""), (0, period != "0"), "exit status, and an address")
        wait_until(lambda: refused(first) == (period == "0"), "it is open, and closed")
    program = s.workstation("--public", "gateway/ssh", label="ended")
    same(program.wait_exit(), 0, "exit status")
    program = s.workstation("--disconnect", "gateway", label="ending")
    same((program.wait_exit(), program.stdout), (0, "gateway: 1 tunnels ended\n"), "it counts as a tunnel")
    wait_until(lambda: refused(first), "it is closed with the others")
    program = s.workstation("--public", "gateway/ssh", label="revoked")
    same(program.wait_exit(), 0, "exit status")
    s.authorize("oli", "eve")
    wait_until(lambda: refused(first), "who may not any more")
    same(s.place.ask(host="ssh.gateway.example.com", target="/").status, 502, "its HTTP name is as it was")


@story("a client hears of its port when the file has it: a server that is killed then gives it the same one again")
def _(t):
    first = free_ports(12)
    tunnel = t.tunnel({"one": {"target": t.origin(echo).port, "tcp": "auto"}}, server=given(first, 12))
    ports = []
    for count in range(1, 4):  # several in a row: the file was written just now
        name = f"more-{count}"
        tunnel.client.write_services({name: {"target": t.origin(echo).port, "tcp": "auto"}})
        ports.append(public(tunnel.client, name))
    tunnel.server.kill()
    lines = (t.directory / "server.state" / "tcp_ports").read_text()
    for count, port in enumerate(ports, 1):
        check(re.search(rf"^{port} tim more-{count}( |$)", lines, re.M), f"{port} is more-{count}'s: {lines}")
    tunnel.restart_server()
    same(public(tunnel.client, "more-3", count=2), ports[-1], "the same port")
    answers(ports[-1])


if __name__ == "__main__":
    main()
