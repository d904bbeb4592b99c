#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the programs say about their options, and the statuses they exit with."""
import json
import re
import signal
import socket
import subprocess

from lib import check, main, same, seconds, story, wait_until
from lib.program import Program

SERVER, CLIENT = "mdm-tunnel-server", "mdm-tunnel-client"


def run(t, name, *arguments):
    environment = {"HOME": str(t.directory), "PATH": "/usr/bin:/bin"}
    return subprocess.run(
        [Program.find(name), *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=t.directory,
        env=environment,
        timeout=seconds(10),
        stdin=subprocess.DEVNULL,
    )


def refused(t, status, names, name, *arguments):
    """Nothing on stdout, one line on stderr that begins with the program and names the culprit."""
    done = run(t, name, *arguments)
    what = f"{name} {' '.join(map(str, arguments))}"
    same(done.returncode, status, f"{what}: exit status ({done.stderr!r})")
    same(done.stdout, "", f"{what}: stdout")
    lines = done.stderr.splitlines()
    check(lines and lines[0].startswith(f"{name}: "), f"{what}: {done.stderr!r} begins with the program's name")
    check(len(lines) <= 2, f"{what}: {done.stderr!r} is short")
    check(names in done.stderr, f"{what}: {done.stderr!r} names {names!r}")


@story("--help prints the options on stdout and exits with 0")
def _(t):
    for name, options in (
        (SERVER, ["--port", "--client-port", "--domain", "--ports-file", "--state-dir", "--verbose"]),
        (CLIENT, ["--id", "--host", "--port", "--config", "--state-dir", "--verbose"]),
    ):
        for flag in ("--help", "-h"):
            done = run(t, name, flag)
            same((done.returncode, done.stderr), (0, ""), f"{name} {flag}")
            check(
                done.stdout.startswith(f"usage: {name}") or name in done.stdout.splitlines()[0],
                f"{name}: {done.stdout[:100]!r}",
            )
            for option in options:
                check(option in done.stdout, f"{name} {flag} tells of {option}")
            check(max(map(len, done.stdout.splitlines())) <= 120, f"{name} {flag}: no line is over 120 columns")


@story("--version prints name and version and exits with 0")
def _(t):
    for name in (SERVER, CLIENT):
        for flag in ("--version", "-V"):
            done = run(t, name, flag)
            same((done.returncode, done.stderr), (0, ""), f"{name} {flag}")
            check(re.fullmatch(rf"{name} \d+\.\d+\.\d+\S*\n", done.stdout), f"{name} {flag}: {done.stdout!r}")


@story("wrong options exit with 2 and say which")
def _(t):
    for name in (SERVER, CLIENT):
        refused(t, 2, "nonsense", name, "--nonsense")
        refused(t, 2, "Q", name, "-Q")
        refused(t, 2, "port", name, "--port")
        refused(t, 2, "port", name, "--port", "70000")
        refused(t, 2, "port", name, "--port", "x")
        refused(t, 2, "port", name, "--port", "")
        refused(t, 2, "port", name, "--port", "-1")
        refused(t, 2, "port", name, "--port", "80x")
    refused(t, 2, "surplus", SERVER, "surplus")
    refused(t, 2, "service-timeout", SERVER, "--service-timeout", "soon")
    refused(t, 2, "trusted-proxies", SERVER, "--trusted-proxies", "300.0.0.0/8")
    refused(t, 2, "workers", SERVER, "--workers", "100000")


@story("wrong names and targets of a client exit with 2 and say which")
def _(t):
    for bad in ("-tim", "t_m", "a.b", "", "x" * 64, "a--b", "tim/"):
        refused(t, 2, "id", CLIENT, "--id", bad, "hello=9000")
    for bad in (
        "hello",
        "=9000",
        "hello=",
        "hello=0",
        "hello=70000",
        "hello=9000x",
        "hel lo=9000",
        "-=1",
        "a.b=1",
        "hello=host:",
        "hello=unix:",
        "hello=host:0",
    ):
        refused(
            t,
            2,
            bad.split("=")[0] if bad[0] not in "=-" else "",
            CLIENT,
            "--id",
            "tim",
            *(["--"] if bad[0] == "-" else []),
            bad,
        )


@story("a services file that is missing or wrong ends the client with a message that says where")
def _(t):
    path = t.directory / "services.json"
    done = run(t, CLIENT, "-i", "tim", "-c", path)
    check(done.returncode in (1, 2) and "services.json" in done.stderr, f"missing: {done.returncode} {done.stderr!r}")
    for text, place in (
        ('{"hello-world": 70000}', "hello-world"),
        ('{"hello": 0}', "hello"),
        ('{"hello": "x"}', "hello"),
        ("{", "services.json"),
        ("[]", "services.json"),
        ("", "services.json"),
        ('{"a": {"target": 1, "colour": 2}}', "colour"),
        ('{"a": {}}', "a"),
        ('{"a": 1, "a": 2}', "a"),
        ('{"b_d": 1}', "b_d"),
        ('{"a": true}', "a"),
        ('{"a": 1.5}', "a"),
        ('{"a": 9000} x', "services.json"),
        ('{"a": "unix:"}', "a"),
        ('{"a": null}', "a"),
        ('{"\\u0000": 1}', "services.json"),
    ):
        path.write_text(text)
        done = run(t, CLIENT, "-i", "tim", "-c", path)
        check(done.returncode in (1, 2), f"{text}: status {done.returncode}")
        check("services.json" in done.stderr and place in done.stderr, f"{text}: {done.stderr!r} says {place!r}")
        same(done.stdout, "", f"{text}: stdout")


@story("a client that has never had an id says that it needs one")
def _(t):
    done = run(t, CLIENT, "hello=9000", "--state-dir", t.directory / "state")
    check(done.returncode in (1, 2) and "-i ID" in done.stderr, f"{done.returncode} {done.stderr!r}")


@story("a port in use ends the server with 1 and names the port")
def _(t):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        rest = ["--bind", "127.0.0.1", "--client-bind", "127.0.0.1", "--state-dir", t.directory / "state"]
        refused(t, 1, str(port), SERVER, "--port", port, "--client-port", 0, *rest)
        refused(t, 1, str(port), SERVER, "--port", 0, "--client-port", port, *rest)


@story("an address that is not one, or not ours, ends the server")
def _(t):
    for bad in ("300.1.1.1", "192.0.2.1", "nonsense"):
        done = run(t, SERVER, "--bind", bad, "--port", 0, "--client-port", 0, "--state-dir", t.directory / "state")
        check(done.returncode in (1, 2) and bad in done.stderr, f"{bad}: {done.returncode} {done.stderr!r}")


@story("a settings file gives options, the command line comes first, unknown keys are refused")
def _(t):
    config = t.directory / "server.json"
    config.write_text(json.dumps({"domain": "tunnel.test", "service-timeout": 5, "no-listing": True}))
    tunnel = t.tunnel(server=["--config", config])
    same(tunnel.server.ask(host="a.b.other.test").status, 404, "a host outside of the domain")
    same(tunnel.server.ask(host="tunnel.test").status, 200, "the domain's status")
    config.write_text('{"colour": 1}')
    refused(t, 2, "colour", SERVER, "--config", config)
    config.write_text('{"port": "x"}')
    refused(t, 2, "port", SERVER, "--config", config)
    refused(t, 2, "no-such.json", SERVER, "--config", "no-such.json")


@story("SIGHUP: what reloads takes effect at once, the rest is named, and a file with something wrong changes nothing")
def _(t):
    files = {name: t.directory / f"{name}.settings" for name in ("server", "client")}
    for file in files.values():
        file.write_text('{"log_level": "info"}')
    files["server"].write_text('{"domain": "example.com"}')
    tunnel = t.tunnel({"hello": t.origin()}, server=["--config", files["server"]], client=["--settings", files["client"]])
    listing = lambda: tunnel.server.ask(host="tim.example.com").status  # noqa: E731
    same(listing(), 200, "the list of services")
    files["server"].write_text('{"no_listing": true, "hold": 0, "domain": "elsewhere.example"}')
    tunnel.server.signal(signal.SIGHUP)
    tunnel.server.wait_log(r"settings are read again \(domain: at the next start\)")
    wait_until(lambda: [listing() for _ in range(8)] == [404] * 8, "there is no list on any worker")
    same(tunnel.ask().status, 200, "what goes on")
    files["server"].write_text('{"no_listing": false, "hold": "x"}')
    tunnel.server.signal(signal.SIGHUP)
    tunnel.server.wait_log(r"server.settings: hold: not a number; the settings stay as they were")
    same(listing(), 404, "what a wrong file says")
    files["client"].write_text('{"log_level": "debug", "weight": 7}')
    tunnel.client.signal(signal.SIGHUP)
    tunnel.client.wait_log(r"settings are read again \(weight: at the next start\)")
    files["client"].write_text('{"log_level": "none"}')
    tunnel.client.signal(signal.SIGHUP)
    tunnel.client.wait_log("log-level: 'none' is none of .*; the settings stay as they were")
    same(tunnel.ask().status, 200, "what goes on")

    def level(program, *words):
        done = subprocess.run([Program.find(f"mdm-tunnel-{program}"), "--state-dir", states[program], "log-level", *words], capture_output=True,
                              text=True, timeout=seconds(20))
        same((done.returncode, done.stderr), (0, ""), f"log-level of the {program}")
        return done.stdout.strip()

    states = {"server": t.directory / "server.state", "client": t.directory / "client-tim.state"}
    files["server"].write_text('{"log_level": "error"}')
    tunnel.server.signal(signal.SIGHUP)
    wait_until(lambda: level("server") == "error", "the level of the server's file")
    tunnel.ask(target="/unsaid")
    same(level("server", "info"), "", "what is told is not answered")
    tunnel.ask(target="/said")
    tunnel.server.wait_log("GET /said")
    check("GET /unsaid" not in tunnel.server.log, "what was below the level")
    refused(t, 2, "'loud' is none of none, error", SERVER, "--state-dir", states["server"], "log-level", "loud")
    same((level("client"), level("client", "none"), level("client")), ("debug", "", "none"), "of the client")
    files["client"].write_text('{"log_level": "warning"}')
    tunnel.client.signal(signal.SIGHUP)
    wait_until(lambda: level("client") == "warning", "the file's again")


main()
