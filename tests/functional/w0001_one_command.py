#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The people's side of the client: what is said of a running program, and what is right before it is started."""
import json
import socket
import subprocess

from lib import check, connect, main, same, seconds, story, wait_until
from lib.program import Program

SERVER, CLIENT = "mdm-tunnel-server", "mdm-tunnel-client"


def run(t, name, *arguments):
    return subprocess.run(
        [Program.find(name), *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=t.directory,
        timeout=seconds(20),
        stdin=subprocess.DEVNULL,
    )


def free_ports():
    """One that the kernel has just given, so probably still free."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return f"{s.getsockname()[1]}"


def one_command(t, tunnel, client_id, *words):
    """Not a word of log is wanted."""
    way = ["-H", "127.0.0.1", "-p", tunnel.server.mqtt, "-i", client_id, "--drain", "1"]
    program = Program(CLIENT, [*way, "--state-dir", t.directory / f"{client_id}-{len(t.programs)}", *words], t.directory, f"one-{client_id}")
    t.programs.append(program)
    return program


def answered(t, name, *arguments):
    done = run(t, name, *arguments)
    same((done.returncode, done.stderr), (0, ""), f"{name} {arguments}")
    return done.stdout


@story("status asks the running client and server, as text and JSON; when none runs it says so")
def _(t):
    tunnel = t.tunnel({"hello": t.origin()})
    same(tunnel.ask().status, 200, "status")
    of_server = ["--state-dir", t.directory / "server.state"]
    of_client = ["--state-dir", t.directory / "client-tim.state"]
    text = answered(t, CLIENT, *of_client, "status")
    for words in ("client tim: process ", "connected to ", "reconnects 0", "session with server ", ": encrypted", "service hello: "):
        check(words in text, f"{words!r} in {text!r}")
    client = json.loads(answered(t, CLIENT, *of_client, "--json", "status"))
    same((client["client"], client["connected"], client["process"]), ("tim", True, tunnel.client.pid), "client")
    same([s["name"] for s in client["services"]], ["hello"], "services")
    same([s["encrypted"] for s in client["sessions"]], [True], "sessions")
    check(client["bytes_sent"] > 0 and client["bytes_received"] > 0, f"{client} has bytes")
    text = answered(t, SERVER, *of_server, "status")
    for words in ("encryption: on", "clients: 1", "session with tim ", ": encrypted", "requests: "):
        check(words in text, f"{words!r} in {text!r}")
    server = json.loads(answered(t, SERVER, *of_server, "status", "--json"))
    same((server["clients"], server["encryption"], server["port"]), (1, True, tunnel.server.http), "server")
    same([s["client"] for s in server["sessions"]], ["tim"], "sessions")
    same(tunnel.client.stop(), 0, "exit status")
    gone = run(t, CLIENT, *of_client, "status")
    same((gone.returncode, gone.stdout), (1, ""), "no client")
    check(f"no client is running with the state directory {t.directory}" in gone.stderr, gone.stderr)


@story("without encryption status says so at both ends")
def _(t):
    tunnel = t.tunnel({"hello": t.origin()}, server=["--no-encryption"], client=["--no-encryption"])
    same(tunnel.ask().status, 200, "status")
    for name, state in ((CLIENT, "client-tim.state"), (SERVER, "server.state")):
        text = answered(t, name, "--state-dir", t.directory / state, "status")
        check("NOT encrypted" in text, f"{name}: {text!r}")
    check("encryption: OFF (--no-encryption)" in text, text)


@story("http PORT and tcp PORT print where visitors come; without public ports tcp says why and ends")
def _(t):
    origin = t.origin()
    tunnel = t.tunnel(server=["--domain", "example.com", "--tcp-ports", free_ports()])
    http = one_command(t, tunnel, "tim", "http", origin.port)
    url = wait_until(lambda: http.stdout, "the URL is printed")
    same(url, f"http://web.tim.example.com:{tunnel.server.http}/\n", "URL")
    same(tunnel.ask("web").body, b"hello\n", "answer")
    tcp = one_command(t, tunnel, "tom", "tcp", f"127.0.0.1:{origin.port}", "ssh")
    url = wait_until(lambda: tcp.stdout, "the URL is printed")
    host, port = url.removeprefix("tcp://").split(":")
    same(host, "example.com", "host")
    with connect(int(port)) as visitor:
        same(visitor.ask("GET", "/", host="any").body, b"hello\n", "answer at the port")
    same((http.log, tcp.log), ("", ""), "stderr")
    none = t.tunnel()
    refused = one_command(t, none, "ann", "tcp", origin.port)
    same(refused.wait_exit(), 1, "exit status")
    check("The server needs --tcp-ports" in refused.log and refused.stdout == "", refused.log)
    for words, says in (
        (["http"], "usage: mdm-tunnel-client http TARGET [NAME]"),
        (["http", "70000"], "port: 70000 is above 65535"),
        (["tcp", "22", "x_y"], "a name is 1 to 63 letters"),
    ):
        done = run(t, CLIENT, "-i", "tim", "--state-dir", t.directory / "wrong", *words)
        same(done.returncode, 2, f"{words}: {done.stderr}")
        check(says in done.stderr, f"{words}: {done.stderr}")


@story("check says what the start would say of a file, and starts nothing")
def _(t):
    file = t.directory / "file.json"
    for text, says in (
        ('{"web": 3000, "port": 9000}', None),
        ('{"port": 3000, "host": "example.com"}', None),
        ('{"config": 3000}', None),
        ('{"web": 70000}', "port: 70000 is above 65535"),
        ('{"port": 70000, "host": "example.com", "id": "tim"}', "port: 70000 is above 65535"),
        ('{"id": "tim", "host": "example.com", "server-key": "x"}', "'x' is not a fingerprint"),
        ("{", "line 1, column "),
    ):
        file.write_text(text)
        done = run(t, CLIENT, "check", file)
        same((done.returncode, done.stdout), (1 if says else 0, ""), f"{text}: {done.stderr!r}")
        check((says or "") in done.stderr and bool(says) == bool(done.stderr), f"{text}: {done.stderr!r}")
    same(run(t, CLIENT, "check").returncode, 2, "check of nothing")
    file.write_text('{"port": 8000}')
    same((run(t, SERVER, "check", file).returncode, run(t, SERVER, "check").returncode), (0, 2), "the server's")
    file.write_text('{"port": 8000, "auth": "x"}')
    done = run(t, SERVER, "check", file)
    same(done.returncode, 1, "the server's")
    check("auth: 'x' is none of" in done.stderr, done.stderr)


main()
