#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""git clone and push over HTTP."""
import os
import pathlib
import random
import shutil
import subprocess

from lib import check, main, same, skip, story
from lib.cgi import cgi
from lib.program import sanitized

BACKEND = "/usr/lib/git-core/git-http-backend"
PUSH_MB = 20 if sanitized() else 100


def git(t, *arguments, cwd=None):
    environment = {**os.environ, "HOME": str(t.directory), "GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_NOSYSTEM": "1"}
    for role in ("AUTHOR", "COMMITTER"):
        environment.update({f"GIT_{role}_NAME": "Tim", f"GIT_{role}_EMAIL": "tim@example.com"})
    done = subprocess.run(
        ["git", *map(str, arguments)], cwd=cwd or t.directory, env=environment, capture_output=True, text=True
    )
    same(done.returncode, 0, f"git {' '.join(map(str, arguments))}: {done.stderr}")
    return done.stdout


@story(f"clone, push of {PUSH_MB} MB, and a clone of that", slow=True)
def _(t):
    if not (shutil.which("git") and pathlib.Path(BACKEND).exists()):
        skip("git or git-http-backend is missing")
    root = t.directory / "root"
    git(t, "init", "-q", "--bare", root / "repo.git")
    git(t, "-C", root / "repo.git", "config", "http.receivepack", "true")
    git(t, "-C", root / "repo.git", "config", "core.bigFileThreshold", "1m")  # noise is not worth a delta
    service = t.origin(cgi(BACKEND, {"GIT_PROJECT_ROOT": str(root), "GIT_HTTP_EXPORT_ALL": "1"}))
    tunnel = t.tunnel({"git": service}, server=["--service-timeout", 600])
    host = ["-c", f"http.extraHeader=Host: {tunnel.host('git')}"]
    url = f"http://127.0.0.1:{tunnel.server.http}/repo.git"

    git(t, *host, "clone", "-q", url, "one")
    one = t.directory / "one"
    git(t, "config", "core.bigFileThreshold", "1m", cwd=one)
    (one / "small").write_text("hello\n")
    (one / "big").write_bytes(random.Random(1).randbytes(PUSH_MB * 1000000))
    git(t, "add", ".", cwd=one)
    git(t, "commit", "-q", "-m", "first", cwd=one)
    git(t, *host, "push", "-q", "origin", "HEAD:main", cwd=one)
    git(t, *host, "clone", "-q", "-b", "main", url, "two")
    two = t.directory / "two"
    check((two / "big").read_bytes() == (one / "big").read_bytes(), "the big file is the same")
    git(t, "fsck", "--full", cwd=two)
    (two / "small").write_text("changed\n")
    git(t, "commit", "-q", "-am", "second", cwd=two)
    git(t, *host, "push", "-q", "origin", "HEAD:main", cwd=two)
    git(t, *host, "pull", "-q", "origin", "main", cwd=one)
    same((one / "small").read_text(), "changed\n", "pulled")
    same(service.troubles, [], "troubles")


main()
