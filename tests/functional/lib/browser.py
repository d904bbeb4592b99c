# SPDX-License-Identifier: Apache-2.0
"""Visitors with Debian's Chromium, by way of Playwright (browser/visitor.mjs)."""
import os
import pathlib
import re
import shutil
import subprocess

from .clock import seconds
from .story import same, skip

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "browser"
CHROMIUM = os.environ.get("MDM_CHROMIUM", "/usr/bin/chromium")


def needs_node(*modules):
    """Node.js and what npm has brought into browser/; the version, as numbers."""
    if shutil.which("node") is None:
        skip("node is missing")
    for module in modules:
        if not (FOLDER / "node_modules" / module).exists():
            skip(f"{module} (npm install in tests/functional/browser) is missing")
    said = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout
    return [int(number) for number in re.findall(r"\d+", said)]


def needs_browser():
    if not pathlib.Path(CHROMIUM).exists():
        skip("chromium is missing")
    needs_node("playwright-core")


def visit(what, url, *arguments, limit=240, secret=""):
    """A story of visitor.mjs; names below example.com are this machine. `secret` goes where no list of processes shows it."""
    done = subprocess.run(["node", FOLDER / "visitor.mjs", what, url, *map(str, arguments)], capture_output=True, text=True,
                          timeout=seconds(limit), check=False, env={**os.environ, "MDM_SECRET": secret})
    same((done.returncode, done.stderr), (0, ""), f"the visit of {url}")
