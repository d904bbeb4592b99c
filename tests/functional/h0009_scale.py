#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A small run of the program that holds thousands of clients (tests/scale)."""
import re
import subprocess

from lib import check, main, same, seconds, story
from lib.program import BUILD


def scale(tunnel, clients, live, requests):
    words = [BUILD / "tests/scale/scale", clients, live, requests, tunnel.server.mqtt, tunnel.server.http, tunnel.server.pid]
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=seconds(60))
    same((done.returncode, done.stderr), (0, ""), "exit status and errors")
    print("".join(f"# {line}\n" for line in done.stdout.splitlines()), end="", flush=True)
    return done.stdout


@story("300 clients with presence and sessions, 100 of them asked: every answer is right, none costs much", only="plain")
def _(t):
    tunnel = t.tunnel()
    text = scale(tunnel, 300, 100, 300)
    idle = float(re.search(r"server: ([\d.]+) KiB for each", text)[1])
    check(idle < 150, f"an idle client costs {idle} KiB")


main()
