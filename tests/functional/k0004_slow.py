#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""slowhttptest's attacks: the service stays available to others."""
import shutil
import subprocess
import time

from lib import check, main, response, same, seconds, skip, story
from lib.program import sanitized

ATTACKS = {
    "slow headers": ["-H"],
    "slow body": ["-B", "-s", "100000"],
    "range": ["-R", "-a", "10", "-b", "500"],
    "slow read": ["-X", "-w", "1", "-y", "10", "-n", "1", "-z", "5"],
}
DURATION = 6


def attack(t, options):
    if not shutil.which("slowhttptest"):
        skip("slowhttptest is missing")
    tunnel = t.tunnel(
        {"hello": t.origin(lambda request: response(200, b"small" if request.target == "/" else b"x" * 1000000))}
    )
    same(tunnel.ask().body, b"small", "before")
    # As through a proxy: absolute-form, so that Host is the service's.
    command = [
        "slowhttptest",
        *options,
        "-c",
        "300",
        "-r",
        "150",
        "-i",
        "2",
        "-l",
        str(DURATION),
        "-x",
        "20",
        "-d",
        f"127.0.0.1:{tunnel.server.http}",
        "-u",
        f"http://{tunnel.host('hello')}/large",
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    slowest, count = 0, 0
    try:
        while process.poll() is None:
            began = time.monotonic()
            same(tunnel.ask().body, b"small", "answer during the attack")
            slowest, count = max(slowest, time.monotonic() - began), count + 1
    finally:
        process.kill()
        process.wait()
    # The range attack is over when all are answered, so there are fewer where programs are slower.
    check(count > 20 / seconds(1), f"{count} requests during the attack")
    check(slowest < seconds(3), f"the slowest answer took {slowest:.2f} s")
    for program in tunnel.programs:
        check(sanitized() or program.rss() < 300 << 20, f"{program.label} has {program.rss() >> 20} MiB")
    same(tunnel.ask().body, b"small", "afterwards")


for name, options in ATTACKS.items():
    story(f"slowhttptest, {name}", alone=True)(lambda t, options=options: attack(t, options))


main()
