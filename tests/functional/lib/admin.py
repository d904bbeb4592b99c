# SPDX-License-Identifier: Apache-2.0
"""The server's admin page as programs see it, and what /metrics says."""
import json
import re
import subprocess

from .clock import seconds
from .story import check, same

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
SAMPLE = re.compile(rf'({NAME})(?:\{{((?:{NAME}="[^"\\\n]*",?)*)\}})? (-?[0-9.e+-]+)$')


class Admin:
    """curl with the token."""

    def __init__(self, tunnel):
        self.port = json.loads(tunnel.server.ports_file.read_text())["admin_port"]
        self.file = tunnel.directory / "server.state" / "admin-token"
        self.token = self.file.read_text().strip()

    def curl(self, path, *options, token=True):
        bearer = ["-H", f"Authorization: Bearer {self.token}"] if token else []
        done = subprocess.run(["curl", "-s", "-w", "\n%{http_code} %{content_type}", *bearer, *options, f"http://127.0.0.1:{self.port}{path}"],
                              capture_output=True, text=True, timeout=seconds(20), check=True)
        body, last = done.stdout.rsplit("\n", 1)
        status, _, kind = last.partition(" ")
        return int(status), kind, body

    def get(self, path):
        status, kind, body = self.curl(path)
        same((status, kind), (200, "application/json"), path)
        return json.loads(body)

    def do(self, path, status=200):
        got, _, body = self.curl(path, "-X", "POST")
        same(got, status, f"{path}: {body}")
        return json.loads(body)

    def metrics(self):
        status, kind, body = self.curl("/metrics")
        same((status, kind.split(";")[0]), (200, "application/openmetrics-text"), "metrics")
        return openmetrics(body)


def openmetrics(text):
    """(name, labels) -> value; strict about what OpenMetrics 1.0 wants of order, types and suffixes."""
    lines = text.split("\n")
    same(lines[-2:], ["# EOF", ""], "the end")
    found, family, kind, seen = {}, None, None, set()
    suffixes = {"counter": ("_total",), "gauge": ("",), "info": ("_info",), "histogram": ("_bucket", "_count", "_sum")}
    for line in lines[:-2]:
        if line.startswith("# TYPE "):
            _, _, family, kind = line.split(" ")
            check(family not in seen, f"{family} comes once")
            seen.add(family)
        elif line.startswith("# HELP "):
            same(line.split(" ")[2], family, "HELP is of its family")
        else:
            match = SAMPLE.fullmatch(line)
            check(match, f"not a sample: {line}")
            check(match[1] in [family + s for s in suffixes[kind]], f"{line} in {family}, a {kind}")
            key = match[1], tuple(re.findall(rf'({NAME})="([^"]*)"', match[2] or ""))
            check(key not in found, f"{key} comes once")
            found[key] = float(match[3])
    return found
