#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""With -v the programs tell what happens, a line an event, and no stranger can forge one."""
import json
import re
import signal

from lib import check, main, same, story, wait_until


@story("the server tells its ports, who comes and goes, and each request with its outcome")
def _(t):
    origin = t.origin()
    tunnel = t.tunnel({"hello": origin})
    server = tunnel.server
    server.wait_log(rf"\b{server.http}\b")
    server.wait_log(rf"\b{server.mqtt}\b")
    server.wait_log(r"\btim\b.*(connect|here|up|online)")
    tunnel.ask(target="/a/path?q=1")
    server.wait_log(r"GET /a/path\?q=1.* 200\b")
    tunnel.ask("nothing")
    server.wait_log(r" 404\b.*unknown-service|unknown-service.* 404\b")
    tunnel.client.stop()
    server.wait_log(r"\btim\b.*(disconnect|gone|left|down|offline)")
    same(server.stdout, "", "stdout")


@story("the client tells where it connects to, what it offers, and when the way is lost")
def _(t):
    origin = t.origin()
    tunnel = t.tunnel({"hello": origin})
    client = tunnel.client
    client.wait_log(rf"connected.*\b{tunnel.server.mqtt}\b|\b{tunnel.server.mqtt}\b.*connected")
    client.wait_log(rf"hello.*\b{origin.port}\b")
    tunnel.server.kill()
    client.wait_log(r"(?i)lost|closed|disconnect|again|retry")
    same(client.stdout, "", "stdout")


@story("lines have a time, a level and a subject, and what a visitor sends stays inside its line")
def _(t):
    tunnel = t.tunnel({"hello": t.origin()})
    tunnel.ask(target="/x%0aforged%0d", fields=[("User-Agent", "a\x1b[31mb"), ("Referer", "\xff\xfe")])
    with tunnel.visit() as visitor:
        visitor.send(b"GET /\x1b[2J HTTP/1.1\r\nHost: \x1b[31m\xff.tim.example.com\r\n\r\n")
        visitor.is_closed(2)
    tunnel.ask("nothing")
    tunnel.server.wait_log("unknown-service")
    raw = tunnel.server.err.read_bytes() + tunnel.client.err.read_bytes()
    check(not re.search(rb"[\x00-\x09\x0b-\x1f\x7f]", raw), "no control byte in the logs")
    check(b"\nforged" not in raw, "no forged line")
    for line in tunnel.server.log.splitlines():
        check(
            re.match(r"\S*\d\d:\d\d:\d\d\S* \w+ \S.*?: ", line) or re.match(r"\S+ \S+ \S+.*: ", line),
            f"form of {line!r}",
        )


@story("a log in a file is JSON where that is wanted, and is begun anew after somebody has moved it away; stderr stays silent",
       only="plain")
def _(t):
    logs = {name: t.directory / f"{name}.log" for name in ("server", "client")}
    tunnel = t.tunnel({"hello": t.origin()}, verbose=False, server=["--log", logs["server"], "--log-format", "json"],
                      client=["--log", logs["client"], "--log-level", "info"])
    for program, number in ((tunnel.server, signal.SIGUSR1), (tunnel.client, signal.SIGHUP)):
        logs[program.label.split("-")[0]].rename(t.directory / f"{program.label}.moved")
        program.signal(number)
        wait_until(logs[program.label.split("-")[0]].exists, "a new file")
    tunnel.ask(target='/"\\%22')
    wait_until(lambda: "%22" in logs["server"].read_text(), "the request's line")
    lines = [json.loads(line) for line in logs["server"].read_text().splitlines()]
    check([line for line in lines if line["subject"].startswith("tim/hello#") and '/"\\%22 -> 200' in line["text"]], f"{lines}")
    tunnel.client.stop()
    check(re.search(r"^\d{4}-\d\d-\d\dT\S+Z info tim: closing", logs["client"].read_text(), re.M), "the client's end")
    check("connected" in (t.directory / "client-tim.moved").read_text(), "what was moved away stays")
    same(tunnel.server.log + tunnel.client.log, "", "stderr")


main()
