#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The client's live screen, at a terminal that the story reads."""
import re
import signal

from lib import check, main, same, skip, story, wait_until
from lib import terminal
from lib.program import Program

CLIENT = "mdm-tunnel-client"
LEAVE = "\x1b[?1049l"
ALTERNATE = "\x1b[?1049h"


def way(t, tunnel, *options):
    return ["-H", "127.0.0.1", "-p", tunnel.server.mqtt, "-i", "tim", "--drain", "1", "--state-dir", t.directory / "tim.one", *options]


def start(t, tunnel, *words, **rest):
    if terminal.pyte is None:
        skip("pyte (python3-pyte) is not installed")
    client = terminal.Terminal(CLIENT, way(t, tunnel, *words), t.directory, **rest)
    t.programs.append(client)
    return client


def is_restored(client, what):
    same(client.attributes, client.before, f"{what}: the terminal's modes")
    wait_until(lambda: LEAVE in client.log, f"{what}: the screen is left")
    check("\x1b[?25h" in client.log.rpartition(ALTERNATE)[2] or "\x1b[?12l\x1b[?25h" in client.log, f"{what}: the cursor is there")


@story("-v at a terminal is a screen: status, URL, traffic, requests as they pass, without what a terminal would obey; q ends")
def _(t):
    origin = t.origin()
    tunnel = t.tunnel(server=["--domain", "example.com"])
    client = start(t, tunnel, "-v", "http", origin.port)
    url = f"http://web.tim.example.com:{tunnel.server.http}/"
    client.wait_text("mdm-tunnel-client tim", f"connected to 127.0.0.1:{tunnel.server.mqtt}", "encrypted session, latency", url, "Requests: 0")
    same(tunnel.ask("web", target="/first").status, 200, "answer")
    same(tunnel.ask("web", method="POST", target="/second?a=b", body=b"x" * 5000).status, 200, "answer")
    client.wait_text("Requests: 2", "GET /first", "POST /second?a=b", "streams in all")
    text = client.text
    check(text.index("/second") < text.index("/first"), f"the latest comes first:\n{text}")
    check(re.search(r"in \S+ \S+/s \([\d.]+ kB\)", text), text)
    # A visitor's path with an escape sequence in it, as bytes that are no UTF-8 either: shown, not obeyed.
    with tunnel.visit() as peer:
        peer.send(f"GET /esc%1b[2J\xc2\x9b31m\xff HTTP/1.1\r\nHost: web.tim.example.com\r\n\r\n".encode("latin-1"))
        peer.read_response()
    client.wait_text("Requests: 3", "/esc%1b[2J")
    check("\x9b31m" not in client.log and "\xc2\x9b" not in client.log, "nothing of it reaches the terminal as it came")
    client.type(b"\x0c")
    client.type(b"q")
    same(client.wait_exit(), 0, "exit status")
    is_restored(client, "q")


@story("the screen follows the terminal's size, tells of a server that is gone, and gives the terminal back at SIGTERM and SIGQUIT")
def _(t):
    origin = t.origin()
    tunnel = t.tunnel(server=["--domain", "example.com"])
    client = start(t, tunnel, "--tui", "http", origin.port, columns=100, rows=30)
    client.wait_text("connected to", "encrypted session", "http://web.tim.example.com", "Requests: 0")
    for i in range(30):
        same(tunnel.ask("web", target=f"/number-{i:02}").status, 200, "answer")
    client.wait_text("Requests: 30", "/number-29")
    check("/number-00" not in client.text, "what has no room is not there")
    client.resize(60, 50)
    client.wait_text("/number-29", "/number-05")
    client.resize(30, 8)
    client.wait_text("mdm-tunnel-client tim", "Traffic")
    client.resize(100, 30)
    client.wait_text("Requests: 30", "/number-29")
    tunnel.server.stop()
    client.wait_text("NOT connected for")
    client.signal(signal.SIGTERM)
    same(client.wait_exit(), 0, "exit status")
    is_restored(client, "SIGTERM")
    tunnel.restart_server()
    client = start(t, tunnel, "--tui", "http", origin.port)
    client.wait_text("connected to")
    client.exit_matters = False
    client.signal(signal.SIGQUIT)
    check(client.wait_exit() != 0, "exit status")
    is_restored(client, "SIGQUIT")


@story("without a terminal --tui gives lines; an error is said after the screen is gone; --log wants lines at a terminal, too")
def _(t):
    origin = t.origin()
    tunnel = t.tunnel(server=["--domain", "example.com"])
    lines = Program(CLIENT, way(t, tunnel, "--tui", "http", origin.port), t.directory, "lines")
    t.programs.append(lines)
    wait_until(lambda: lines.stdout, "the URL is printed")
    lines.wait_log("identified as tim")
    check("\x1b" not in lines.stdout + lines.log, "no escapes")
    same(lines.stop(), 0, "exit status")
    refused = start(t, tunnel, "--tui", "tcp", origin.port)
    same(refused.wait_exit(), 1, "exit status")
    wait_until(lambda: LEAVE in refused.log, "the screen is left")
    wait_until(lambda: "The server needs --tcp-ports" in refused.log.rpartition(LEAVE)[2], "what was wrong")
    plain = start(t, tunnel, "-v", "--log", "stderr", "http", origin.port)
    wait_until(lambda: "identified as tim" in plain.log, "lines")
    check(ALTERNATE not in plain.log, "no screen")
    same(plain.stop(), 0, "exit status")


main()
