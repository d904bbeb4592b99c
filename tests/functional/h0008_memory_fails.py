#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Every allocation of the programs' own fails once, one after the other: no crash, no hang; it goes on, or ends with a word."""
import contextlib
import os
import pathlib
import shutil
import subprocess

from lib import Closed, Cut, check, main, response, same, seconds, skip, story, wait_until
from lib.tunnel import Client, Server

# How many places are tried of all there are; MDM_TEST_ALL=1: each of them.
TRIES = 12


def shim(t):
    if shutil.which("gcc") is None:
        skip("gcc is not installed")
    path = t.directory / "failing.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-fno-builtin", "-o", path,
                    pathlib.Path(__file__).parent / "lib" / "failing.c", "-ldl"], check=True, timeout=seconds(30))
    return path


def environment(path, at, counted=None):
    more = {"LD_PRELOAD": str(path), "FAIL_AT": str(at or 0)}
    if counted:
        more["FAIL_COUNT"] = str(counted)
    return more


def attempt(t, number, origin, of_server, of_client):
    """One start, one request, one end; returns whether the request was answered."""
    state = t.directory / f"{number}"
    state.mkdir()
    server = Server(state, ["--drain", "0", "--workers", "1"], environment=of_server)
    t.programs.append(server)
    wait_until(lambda: not server.running or (server.ports_file.exists() and server.read_ports()), "it listens, or has ended")
    answered = False
    if server.running:
        client = Client(state, "tim", server.mqtt, {"hello": origin}, ["--drain", "0", "--max-attempts", "3"],
                        environment=of_client)
        t.programs.append(client)
        with contextlib.suppress(Closed, Cut, OSError, TimeoutError):
            wait_until(lambda: not client.running or not server.running or "session with" in client.log, "a session", 2)
            answered = client.running and server.ask(host="hello.tim.example.com", timeout=2).body == b"hello\n"
        end(client)
    end(server)
    return answered


def end(program):
    status = program.stop() if program.running else program.wait_exit()
    check(status in (0, 1, 2), f"{program.label} with {program.process.args}: status {status}: {program.log[-3000:]}")
    if status != 0:
        check(program.log.strip(), f"{program.label} says why it ends")


def each_fails(t, which):
    path, origin = shim(t), t.origin(response(200, b"hello\n"))
    counted = t.directory / "count"
    counting = environment(path, None, counted)
    check(attempt(t, 0, origin, *((counting, {}) if which == "server" else ({}, counting))), "an answer when nothing fails")
    total = int(counted.read_text())
    check(total > 50, f"{total} allocations")
    step = 1 if os.environ.get("MDM_TEST_ALL") else max(total // TRIES, 1)
    wrong = []
    for at in range(1, total + 1, step):
        failing = environment(path, at)
        try:
            attempt(t, at, origin, *((failing, {}) if which == "server" else ({}, failing)))
        except Exception as error:
            wrong.append(f"allocation {at} of {total}: {error}")
    same(wrong, [], "what went wrong")
    check(attempt(t, "last", origin, {}, {}), "an answer when nothing fails")


@story("each allocation of the server fails in turn", only="plain", slow=True)
def _(t):
    each_fails(t, "server")


@story("each allocation of the client fails in turn", only="plain", slow=True)
def _(t):
    each_fails(t, "client")


main()
