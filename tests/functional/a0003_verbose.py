#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""With -v the programs tell what happens, a line an event, and no stranger can forge one."""
import json
import re
import signal

from lib import check, main, same, story, wait_until
from lib.websocket import Echo, open_socket, run


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


@story("the access log has a line for each request and each upgraded connection, and nothing a visitor sends forges one")
def _(t):
    log, moved = t.directory / "access.log", t.directory / "access.moved"
    tunnel = t.tunnel({"hello": t.origin(), "echo": t.keep(Echo()).port}, server=["--access-log", log, "--access-format", "json"])

    def entries(path, **wanted):
        found = [json.loads(line) for line in path.read_text().splitlines()]
        return [e for e in found if all(e.get(name) == value for name, value in wanted.items())]

    tunnel.ask(target='/"%0a', fields=[("User-Agent", 'a","status":1'), ("Referer", "\xff")], method="POST", body=b"12345")
    tunnel.ask("nothing")

    async def visit():
        async with open_socket(tunnel, "/ws", service="echo") as socket:
            await socket.send("hi")
            await socket.recv()

    run(visit(), 10)
    one = wait_until(lambda: entries(log, target='/"%0a'), "the request")[0]
    same([one[k] for k in ("kind", "visitor", "client", "service", "method", "status", "bytes_in")],
         ["http", "127.0.0.1", "tim", "hello", "POST", 200, 5], "the request's line")
    check(0 <= one["queue"] <= one["first_byte"] <= one["total"] and one["connect"] >= 0 and one["bytes_out"] > 0, f"times of {one}")
    same((one["user_agent"], one["referer"]), ('a","status":1', "\\xff"), "what the visitor says")
    check(wait_until(lambda: entries(log, error="unknown-service", status=404, service="nothing"), "the error"), "an error")
    ws = wait_until(lambda: entries(log, kind="ws", service="echo"), "the WebSocket")[0]
    check(ws["bytes_in"] > 0 and ws["bytes_out"] > 0 and "error" not in ws, f"the WebSocket's end: {ws}")
    check(entries(log, kind="http", status=101, target="/ws"), "its beginning")
    log.rename(moved)
    tunnel.server.signal(signal.SIGUSR1)
    wait_until(log.exists, "a new file")
    tunnel.ask(target="/last")
    tunnel.server.stop()
    check(entries(log, target="/last") and not entries(moved, target="/last"), "what was asked before the end is there")


main()
