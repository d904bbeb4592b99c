#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A hook of the server is asked about visitors' requests."""
import pathlib
import subprocess

from lib import check, main, same, story

HOOK = pathlib.Path(__file__).resolve().parent / "lib" / "hook.c"


@story("--hook: requests are let through, refused with a status, answered later; visitors that leave meanwhile")
def _(t):
    events, made = t.directory / "events", t.directory / "hook.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-D_GNU_SOURCE", f"-I{HOOK.parents[3] / 'include'}", "-o", made, HOOK], check=True)
    tunnel = t.tunnel({"hello": t.origin()}, server=["--hook", f"{made}={events}"])
    host = tunnel.host("hello")
    for path, status in (("/open", 200), ("/later/x?y=z", 200), ("/forbidden", 403), ("/teapot", 418), ("/open/again", 200)):
        same(tunnel.ask(target=path).status, status, path)
    check(b"short and &lt;stout&gt;" in tunnel.ask(target="/teapot", fields=[("Accept", "text/html")]).body, "the hook's words, escaped")
    said = events.read_text()
    for line in (f"auth_request tim/hello GET /open host={host}", f"auth_request tim/hello GET /later/x?y=z host={host}"):
        check(any(row.startswith(line) for row in said.splitlines()), f"{line} in {said}")
    for _ in range(5):
        with tunnel.visit() as visitor:
            visitor.sock.sendall(tunnel.request(target="/later"))
    same(tunnel.ask(target="/open").status, 200, "others go on")


if __name__ == "__main__":
    main()
