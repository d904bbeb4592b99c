#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""With -v the programs tell what happens, a line an event, and no stranger can forge one."""
import re

from lib import check, main, same, story


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


main()
