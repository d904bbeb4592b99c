# SPDX-License-Identifier: Apache-2.0
"""Visitors with Debian's Chromium, by way of Playwright (browser/visitor.mjs)."""
import os
import pathlib
import shutil
import subprocess

from .clock import seconds
from .story import same, skip

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "browser"
CHROMIUM = os.environ.get("MDM_CHROMIUM", "/usr/bin/chromium")


def needs_browser():
    for path, what in (
        (CHROMIUM, "chromium"),
        (shutil.which("node") or "", "node"),
        (FOLDER / "node_modules/playwright-core", "npm ci in tests/functional/browser"),
    ):
        if not pathlib.Path(path).exists() or not str(path):
            skip(f"{what} is missing")


def visit(what, url, *arguments, limit=240):
    """A story of visitor.mjs; names below example.com are this machine."""
    done = subprocess.run(["node", FOLDER / "visitor.mjs", what, url, *arguments], capture_output=True, text=True,
                          timeout=seconds(limit), check=False)
    same((done.returncode, done.stderr), (0, ""), f"the visit of {url}")
