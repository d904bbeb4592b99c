#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Sockets that are passed to the server (socket activation), and servers that are replaced (SIGUSR2)."""
import asyncio
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import threading

from lib import check, connect, main, response, same, seconds, skip, story, wait_until
from lib.handover import Successor, replace
from lib.mosquitto import Mosquitto
from lib.secure import Certificate, SecurePeer, context, secure
from lib.websocket import Echo, open_socket, run
from lib.tunnel import Client, Server


def listening():
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    sock.listen(128)
    return sock


def port_of(sock):
    return sock.getsockname()[1]


def activated(t, sockets, options=(), label="server", ports=(1, 1)):
    """Ports that cannot be had: those of the sockets count."""
    server = Server(t.directory, options, ports, label, sockets=sockets)
    t.programs.append(server)
    server.wait_ready()
    return server


def client_of(t, server, services):
    client = Client(t.directory, "tim", server.mqtt, services)
    t.programs.append(client)
    wait_until(lambda: server.knows("tim"), "tim is connected")
    return client


class Load:
    """Visitors who ask all the time, on a connection for each request or on one for all."""

    def __init__(self, tunnel, kept):
        self.tunnel, self.kept = tunnel, kept
        self.count, self.errors, self.over = 0, [], threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _ask(self):
        with self.tunnel.visit() as visitor:
            while not self.over.is_set():
                answer = visitor.ask("GET", "/", host=self.tunnel.host("hello"))
                same((answer.status, answer.body), (200, b"hello\n"), "answer")
                self.count += 1
                if not self.kept or answer.has_token("Connection", "close"):
                    return

    def _run(self):
        while not self.over.is_set():
            try:
                self._ask()
            except Exception as error:  # each is one too many
                self.errors.append(repr(error))
                return

    def __enter__(self):
        self.thread.start()
        wait_until(lambda: self.count > 0 or self.errors, "the first answer")
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join(seconds(20))

    def more(self, count=20):
        enough = self.count + count
        wait_until(lambda: self.count >= enough or self.errors, "more answers", 20)


@story("sockets are passed: visitors and clients come to them, also those who came before the server was there")
def _(t):
    http, mqtt = t.keep(listening()), t.keep(listening())
    early = socket.create_connection(http.getsockname())
    t.keep(early)
    server = activated(t, [("http", http), ("mqtt", mqtt)], ["--workers", "3"])
    same((server.http, server.mqtt), (port_of(http), port_of(mqtt)), "ports")
    client_of(t, server, {"hello": t.origin()})
    early.sendall(b"GET / HTTP/1.1\r\nHost: hello.tim.example.com\r\nConnection: close\r\n\r\n")
    check(early.makefile("rb").read().endswith(b"hello\n"), "who came before is served")
    for _ in range(8):
        same(server.ask(host="hello.tim.example.com").body, b"hello\n", "answer")
    server.stop()
    http.setblocking(False)
    with socket.create_connection(http.getsockname()):
        wait_until(lambda: http.accept(), "the socket still listens when the server is gone")


@story("a socket without a name is the listener's whose address and port it has; one that is nobody's is said")
def _(t):
    http, other = t.keep(listening()), t.keep(listening())
    server = activated(t, [("", http), ("", other)], ports=(port_of(http), 0))
    same(server.http, port_of(http), "port")
    server.wait_log(rf"no listener of ours: without a name \(port {port_of(other)}\)")
    check(server.ask(host="example.com").start.startswith("HTTP/1.1 "), "an answer at the passed socket")


@story("what is passed and is no listening TCP socket ends the start, with words")
def _(t):
    pair = socket.socketpair()
    for end in pair:
        t.keep(end)
    server = Server(t.directory, (), (0, 0), sockets=[("http", pair[0])])
    t.programs.append(server)
    same(server.wait_exit(), 1, "exit status")
    check("LISTEN_FDS: socket 1 (http): not a TCP socket that listens" in server.log, server.log)


@story("systemd-socket-activate starts the server with the first visitor")
def _(t):
    program = shutil.which("systemd-socket-activate")
    if program is None:
        skip("systemd-socket-activate is not installed")
    with listening() as free:
        port = port_of(free)
    ports = t.directory / "ports"
    starter = subprocess.Popen(
        [program, "-l", f"127.0.0.1:{port}", "--fdname", "http", Server.find("mdm-tunnel-server"), "--port", "1",
         "--client-port", "0", "--client-bind", "127.0.0.1", "--state-dir", t.directory / "state", "--ports-file", ports,
         "--drain", "0"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=t.directory)
    t.stack.callback(lambda: (starter.terminate(), starter.wait()))

    def visited():
        try:
            return socket.create_connection(("127.0.0.1", port))
        except ConnectionRefusedError:
            return None

    with wait_until(visited, "systemd-socket-activate listens") as visitor:
        visitor.settimeout(60)
        visitor.sendall(b"GET / HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n")
        check(visitor.makefile("rb").readline().startswith(b"HTTP/1.1 "), "the first visitor is answered")
    wait_until(lambda: ports.exists() and f'"port":{port},' in ports.read_text(), "the port is the socket's")


def slow_origin(t, body, go_on):
    """/slow: the rest of the body comes when the event says so."""

    def serve(peer, origin):
        while (request := peer.read_request()) is not None:
            if request.target != "/slow":
                peer.send(response(200, b"hello\n"))
                continue
            peer.send(response(200, b"", ("Content-Length", len(body)), length=False) + body[:100000])
            go_on.wait(seconds(100))
            peer.send(body[100000:])

    return t.origin(serve)


@story("SIGUSR2, twice, with more and with fewer workers: no visitor sees an error, a download and a WebSocket go on, then the old "
       "processes end")
def _(t):
    settings, workers = t.directory / "server.conf.json", [1, 3]
    settings.write_text('{"workers": 2}')
    body, go_on, heirs = os.urandom(2 << 20), threading.Event(), []
    echo = t.keep(Echo())
    tunnel = t.tunnel({"hello": slow_origin(t, body, go_on), "echo": echo.port}, server=["--drain", "200", "--config", settings])

    def again(loads):
        """The newest process is replaced, and its successor has clients and visitors."""
        settings.write_text(json.dumps({"workers": workers.pop()}))
        (heirs[-1] if heirs else tunnel.server).signal(signal.SIGUSR2)
        heirs.append(Successor(t, tunnel.server, len(heirs) + 1))
        for load in loads:
            load.more()

    async def visit(loads):
        async with open_socket(tunnel, "/", "echo") as web:
            for left in (2, 1, 0):
                for text in ("short", "long" * 50000):
                    await web.send(text)
                    same(await asyncio.wait_for(web.recv(), seconds(60)), text, "echo")
                if left > 0:
                    await asyncio.to_thread(again, loads)

    with Load(tunnel, False) as one, Load(tunnel, True) as kept, tunnel.visit(timeout=60) as slow:
        slow.send(tunnel.request(target="/slow"))
        slow.read_until(b"\r\n\r\n")
        run(visit([one, kept]), seconds(200))
        check(tunnel.server.running, "the first process stays for its download")
        go_on.set()
        same(hashlib.sha256(slow.read_exact(len(body))).hexdigest(), hashlib.sha256(body).hexdigest(), "SHA-256")
    same(one.errors + kept.errors, [], "errors of visitors")
    same(tunnel.server.wait_exit(30), 0, "exit status of the first process")
    wait_until(lambda: not heirs[0].running, "the second one ends, too", 30)
    same(tunnel.ask().body, b"hello\n", "answer of the third one")


@story("SIGUSR2 with a broker that is not ours: no visitor sees an error, and a download goes on")
def _(t):
    body, go_on = os.urandom(1 << 20), threading.Event()
    broker = t.keep(Mosquitto(t.directory))
    options = ["--broker", f"mqtt://127.0.0.1:{broker.port}"]
    tunnel = t.tunnel({"hello": slow_origin(t, body, go_on)}, server=[*options, "--drain", "100"], client=options)
    with Load(tunnel, False) as one, Load(tunnel, True) as kept, tunnel.visit(timeout=60) as slow:
        slow.send(tunnel.request(target="/slow"))
        slow.read_until(b"\r\n\r\n")
        replace(t, tunnel.server)
        for load in (one, kept):
            load.more()
        tunnel.server.signal(signal.SIGTERM)
        tunnel.server.wait_log("still finishing what is in flight")
        check(tunnel.server.running, "the old process stays for its download, also when it is asked to end")
        go_on.set()
        same(hashlib.sha256(slow.read_exact(len(body))).hexdigest(), hashlib.sha256(body).hexdigest(), "SHA-256")
    same(one.errors + kept.errors, [], "errors of visitors")
    same(tunnel.server.wait_exit(30), 0, "exit status of the old process")
    same(tunnel.ask().body, b"hello\n", "answer of the new one")


@story("SIGUSR2: a service keeps its own TCP port, what is open there and at one of kind tls goes on, and the admin page is the new "
       "process's")
def _(t):
    with listening() as free:
        port = port_of(free)
    home, ours = Certificate(t.directory, "home", ["vault.tim.example.com"]), Certificate(t.directory, "ours")
    tls = home.server_context()

    def echo(peer, _):
        while peer.fill():
            peer.send(peer.take(len(peer.buffer)))

    def secret(peer, origin):
        with tls.wrap_socket(peer.sock, server_side=True) as sock:
            echo(SecurePeer(sock, 60), origin)

    services = {"raw": {"target": t.origin(echo).port, "tcp": port}, "vault": {"target": t.origin(secret).port, "kind": "tls"}}
    tunnel = t.tunnel(services, server=["--tcp-ports", str(port), "--admin", "127.0.0.1:0", "--drain", "100", *ours.options])
    tunnel.client.wait_log(f"service raw is at 127.0.0.1:{port} for everybody")
    admin = json.loads(tunnel.server.ports_file.read_text())["admin_port"]

    def ready():
        with connect(admin) as page:
            return page.ask("GET", "/readyz", host=f"127.0.0.1:{admin}").status == 200

    def at_port():
        return connect(port, timeout=30)

    def at_vault():
        return secure(tunnel.server.https, "vault.tim.example.com", context(home), 30)

    def talks(peer, word):
        peer.send(word)
        same(peer.read_exact(len(word)), word, "echo")

    with at_port() as old, at_vault() as old_secret:
        talks(old, b"before")
        talks(old_secret, b"before")
        heir = replace(t, tunnel.server)
        for word in (b"one", b"two", b"three"):
            for door in (at_port, at_vault):
                with door() as fresh:
                    talks(fresh, word)
        talks(old, b"after")
        talks(old_secret, b"after")
        check(ready(), "the old process would say that it is about to end")
        for process in (heir, tunnel.server):  # as a manager of services does
            process.signal(signal.SIGTERM)
        tunnel.server.wait_log("still finishing")
        tunnel.server.wait_log("server: finishing what is in flight")
        talks(old, b"later")
        talks(old_secret, b"later")
        check(heir.running, "the new process waits for the old one, whose clients it has")
        tunnel.server.signal(signal.SIGTERM)
        same(tunnel.server.wait_exit(30), 1, "exit status after a second signal")
        wait_until(lambda: not heir.running, "then the new one ends, too", 30)


@story("SIGUSR2: a successor that does not start leaves everything as it was, and it is said why")
def _(t):
    settings = t.directory / "server.conf.json"
    settings.write_text("{}")
    binary = t.directory / "mdm-tunnel-server"
    shutil.copy(Server.find("mdm-tunnel-server"), binary)
    manager = t.keep(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
    manager.bind(str(t.directory / "notify"))
    find = Server.find
    os.environ["NOTIFY_SOCKET"] = str(t.directory / "notify")
    Server.find = staticmethod(lambda name: binary if name == binary.name else find(name))
    try:
        tunnel = t.tunnel({"hello": t.origin()}, server=["--config", settings, "--drain", "60"])
    finally:
        Server.find = staticmethod(find)
        del os.environ["NOTIFY_SOCKET"]
    server = tunnel.server
    with Load(tunnel, False) as load:
        settings.write_text('{"port": 70000}')
        server.signal(signal.SIGUSR2)
        server.wait_log("no handover: .*70000.*this process goes on", 30)
        settings.write_text("{}")
        os.rename(binary, t.directory / "kept")
        server.signal(signal.SIGUSR2)
        server.wait_log("no handover: .*mdm-tunnel-server: No such file or directory; this process goes on", 30)
        shutil.copy("/bin/true", binary)
        server.signal(signal.SIGUSR2)
        server.wait_log("no handover: it ended with status 0; this process goes on", 30)
        load.more()
        same(load.errors, [], "errors of visitors")
        os.rename(t.directory / "kept", binary)
        heir = replace(t, server)
        load.more()
    same(load.errors, [], "errors of visitors")
    same(server.wait_exit(30), 0, "exit status")
    manager.settimeout(seconds(30))
    while manager.recv(4096).decode() != f"MAINPID={heir.pid}":
        continue
    check("READY=1" in manager.recv(4096).decode().split("\n"), "the manager hears of the new process first, then that it is ready")


main()
