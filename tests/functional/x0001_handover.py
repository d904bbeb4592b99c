#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Sockets that are passed to the server (socket activation)."""
import shutil
import socket
import subprocess

from lib import check, main, same, skip, story, wait_until
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


main()
