#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""docs/tutorials: the commands of each page (fenced sh) are run, with ports and addresses put in."""
import os
import pathlib
import re
import shlex
import subprocess

from lib import check, main, same, seconds, story
from lib.tunnel import Client

PAGES = pathlib.Path(__file__).resolve().parents[2] / "docs" / "tutorials"


def commands(page):
    blocks = re.findall(r"^```sh\n(.*?)^```$", page.read_text(), re.M | re.S)
    return [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]


def client(t, tunnel, words, service):
    """Id and services as the page says them."""
    at = words.index("-i")
    options = [word for word in words[:at] + words[at + 2:] if word not in ("-v", "-H", "example.com")]
    options = [re.sub(r"=\d+$", f"={service.port}", word) for word in options]
    program = Client(t.directory, words[at + 1], tunnel.server.mqtt, None, options)
    tunnel.programs.append(program)
    tunnel.wait_connected(words[at + 1], program)


def follow(t, name):
    service = t.origin()
    tunnel = None
    asked = 0
    for line in commands(PAGES / name):
        words = shlex.split(line)
        if words[0] == "mdm-tunnel-server":
            tunnel = t.tunnel(server=[word for word in words[1:] if word != "-v"])
        elif words[0] == "mdm-tunnel-client":
            client(t, tunnel, words[1:], service)
        else:
            (t.directory / ".curlrc").write_text(f'connect-to = "::127.0.0.1:{tunnel.server.http}"\n')
            done = subprocess.run(words, env={**os.environ, "CURL_HOME": str(t.directory)}, capture_output=True, text=True,
                                  timeout=seconds(20), check=False)
            same((done.returncode, done.stdout), (0, "hello\n"), f"{line}: {done.stderr}")
            asked += 1
    check(asked > 0 and len(service.requests) == asked, "the service was asked as often as the page does")


@story("webhooks at home", only="plain")
def _(t):
    follow(t, "webhooks.md")


@story("Home Assistant", only="plain")
def _(t):
    follow(t, "home-assistant.md")


main()
