#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Names belong to keys: who may be whom, what the others are told, and that nobody else notices."""
import re
import subprocess
import threading

from lib import check, main, response, same, seconds, story, wait_until
from lib.program import Program
from lib.tunnel import Client

FINGERPRINT = r"SHA256:[A-Za-z0-9+/]{43}"


def server_says(tunnel, *words, status=0):
    done = subprocess.run([Program.find("mdm-tunnel-server"), "--state-dir", tunnel.directory / "server.state", *words],
                          capture_output=True, text=True, timeout=seconds(10))
    same(done.returncode, status, f"{words}: exit status ({done.stderr!r})")
    return done.stdout


def fingerprint(t, state):
    done = subprocess.run([Program.find("mdm-tunnel-client"), "--state-dir", t.directory / f"client-{state}.state", "fingerprint"],
                          capture_output=True, text=True, timeout=seconds(10), check=True)
    check(re.fullmatch(FINGERPRINT + "\n", done.stdout), f"a fingerprint: {done.stdout!r}")
    return done.stdout.strip()


def impostor(t, tunnel, options=(), state="impostor", label="impostor", verbose=False):
    program = Client(t.directory, "tim", tunnel.server.mqtt, {"hello": t.origin(response(200, b"impostor"))}, options,
                     label=label, verbose=verbose, state=state)
    tunnel.programs.append(program)
    return program


class Load:
    """Visitors that never stop asking; every answer is looked at."""

    def __init__(self, tunnel, want, visitors=4):
        self.tunnel, self.want, self.wrong, self.count, self.over = tunnel, want, [], 0, threading.Event()
        self.threads = [threading.Thread(target=self.visit, daemon=True) for _ in range(visitors)]
        for thread in self.threads:
            thread.start()

    def visit(self):
        while not self.over.is_set():
            try:
                with self.tunnel.visit() as peer:
                    for _ in range(5):
                        answer = peer.ask(host=self.tunnel.host("hello"))
                        self.count += 1
                        if answer.body != self.want:
                            self.wrong.append((answer.start, answer.body))
            except Exception as error:
                self.wrong.append(error)

    def wait(self, more):
        goal = self.count + more
        wait_until(lambda: self.count >= goal or self.wrong, f"{more} more answers", 30)

    def end(self):
        self.over.set()
        for thread in self.threads:
            thread.join(seconds(15))
        same(self.wrong[:3], [], "wrong answers")


@story("a second key for a name is refused with the reason, and the holder notices nothing under load")
def _(t):
    tunnel = t.tunnel({"hello": t.origin(response(200, b"holder"))})
    load = Load(tunnel, b"holder")
    load.wait(50)
    second = impostor(t, tunnel)
    wait_until(lambda: "name-taken" in second.log, "the reason is printed")
    line = second.log.splitlines()[0]
    check(line.startswith("mdm-tunnel-client: ") and "belongs to another key" in line, line)
    check(f"clients allow tim {fingerprint(t, 'impostor')}" in line, f"{line!r} says what to do")
    load.wait(200)
    second.wait_log("name-taken")
    check(second.running, "the impostor waits")
    second.kill()
    load.wait(50)
    load.end()
    same(len(second.log.splitlines()), 1, "lines of the impostor")
    check(not re.search(r"session with \S+ ended", tunnel.client.log), "the holder's session goes on")


@story("--max-attempts: the impostor gives up with 1")
def _(t):
    tunnel = t.tunnel({"hello": t.origin(response(200, b"holder"))})
    second = impostor(t, tunnel, ["--max-attempts", "5"])
    same(second.wait_exit(), 1, "exit status")
    check("name-taken" in second.log, second.log)
    same(tunnel.ask().body, b"holder", "who serves")


@story("the name stays with its key when the holder is away, and over a restart of the server")
def _(t):
    tunnel = t.tunnel({"hello": t.origin(response(200, b"holder"))})
    same(tunnel.client.stop(), 0, "exit status")
    same(tunnel.server.stop(), 0, "exit status")
    tunnel.restart_server()
    second = impostor(t, tunnel)
    wait_until(lambda: "name-taken" in second.log, "the reason is printed")
    same(tunnel.ask().status, 503, "status while only the impostor is there")
    tunnel.add_client("tim", {"hello": t.origin(response(200, b"back"))}, label="back")
    same(tunnel.ask().body, b"back", "who serves")


@story("clients allow, deny, forget and list manage a running server; what is revoked ends within a second")
def _(t):
    def never(peer, origin):
        origin.requests.append(peer.read_request())
        peer.is_closed(60)

    slow = t.origin(never)
    tunnel = t.tunnel({"hello": t.origin(response(200, b"holder")), "slow": slow})
    own, other = fingerprint(t, "tim"), fingerprint(t, "impostor")
    wait_until(lambda: server_says(tunnel, "clients", "list") == f"tim {own}\n", "the first use is in the file")
    key = t.directory / "client-tim.state" / "client-key.pem"
    same(key.stat().st_mode & 0o777, 0o600, "mode of the client's key")
    with tunnel.visit() as visitor, tunnel.visit(timeout=30) as waiting:
        same(visitor.ask(host=tunnel.host("hello")).body, b"holder", "before")
        waiting.send(tunnel.request("slow"))
        wait_until(lambda: slow.requests, "a request is under way")
        server_says(tunnel, "clients", "deny", "tim")
        tunnel.server.wait_log("tim: session has ended: the client's key is not allowed", limit=1)
        answer = waiting.read_response()
        same((answer.status, answer.error), (502, "key-not-allowed"), "what was under way")
        wait_until(lambda: slow.open_connections == 0, "the service is left, too")
        wait_until(lambda: "key-not-allowed" in tunnel.client.log, "the client says why")
        same(visitor.ask(host=tunnel.host("hello")).error, "client-offline", "after")
    same(server_says(tunnel, "clients", "list"), "tim none\n", "list")
    server_says(tunnel, "clients", "allow", "tim", own)
    wait_until(lambda: tunnel.server.knows("tim"), "tim is back")
    second = impostor(t, tunnel)
    wait_until(lambda: "name-taken" in second.log, "the reason is printed")
    server_says(tunnel, "clients", "allow", "tim", other)
    wait_until(lambda: {tunnel.ask().body for _ in range(10)} == {b"holder", b"impostor"}, "both serve")
    claimed = "the id belongs to it from now on"
    claims = tunnel.server.log.count(claimed)
    server_says(tunnel, "clients", "forget", "tim")
    tunnel.server.wait_log(claimed, count=claims + 1)
    wait_until(lambda: server_says(tunnel, "clients", "list") in (f"tim {own}\n", f"tim {other}\n"), "the first one has it")


@story("--auth listed: only who is in the file; --auth open: anybody")
def _(t):
    tunnel = t.tunnel(server=["--auth", "listed"])
    tunnel.client = tunnel.add_client("tim", {"hello": t.origin()}, wait=False)
    wait_until(lambda: "key-not-allowed" in tunnel.client.log, "the reason is printed")
    same(tunnel.ask().error, "unknown-client", "error")
    server_says(tunnel, "clients", "allow", "t*m", fingerprint(t, "tim"))
    tunnel.wait_connected()
    same(tunnel.ask().body, b"hello\n", "answer")


@story("--auth open: two keys share a name")
def _(t):
    tunnel = t.tunnel({"hello": t.origin(response(200, b"holder"))}, server=["--auth", "open"])
    impostor(t, tunnel)
    wait_until(lambda: {tunnel.ask().body for _ in range(10)} == {b"holder", b"impostor"}, "both serve")


@story("a wrong edit of the file changes nothing, a wrong file stops the start")
def _(t):
    tunnel = t.tunnel({"hello": t.origin()})
    path = t.directory / "server.state" / "authorized_clients"
    wait_until(path.exists, "the first use is in the file")
    good = path.read_text()
    path.write_text("tim whatever\n")
    tunnel.server.wait_log(r"authorized_clients: line 1: ")
    same(tunnel.ask().body, b"hello\n", "answer")
    tunnel.server.stop()
    done = subprocess.run([Program.find("mdm-tunnel-server"), "-p", "0", "-c", "0", "--state-dir", t.directory / "server.state"],
                          capture_output=True, text=True, timeout=seconds(10))
    same(done.returncode, 1, "exit status")
    check("authorized_clients: line 1" in done.stderr, done.stderr)
    path.write_text(good)
    tunnel.restart_server()
    tunnel.wait_connected()


@story("a changed server key is refused with an explanation, and trusted once the old one is removed")
def _(t):
    tunnel = t.tunnel({"hello": t.origin()})
    same(tunnel.server.stop(), 0, "exit status")
    key = t.directory / "server.state" / "server-key.pem"
    same(key.stat().st_mode & 0o777, 0o600, "mode of the key")
    key.unlink()
    tunnel.restart_server()
    tunnel.client.wait_log("THE SERVER'S KEY HAS CHANGED")
    line = next(l for l in tunnel.client.log.splitlines() if "HAS CHANGED" in l)
    known = t.directory / "client-tim.state" / "known_servers"
    check(server_says(tunnel, "fingerprint").strip() in line and f"line 1 of {known}" in line, line)
    check(tunnel.client.running, "the client waits")
    same(tunnel.ask().status, 503, "status")
    told = [l for l in tunnel.client.log.splitlines() if l.startswith("mdm-tunnel-client: THE SERVER'S KEY HAS CHANGED")]
    same(len(told), 1, "explanations")
    known.unlink()
    tunnel.wait_connected(limit=70)
    same(tunnel.ask().body, b"hello\n", "answer")


@story("--server-key pins beforehand; another key is refused, and with --max-attempts the client gives up with 1")
def _(t):
    tunnel = t.tunnel()
    right, wrong = server_says(tunnel, "fingerprint").strip(), fingerprint(t, "somebody")
    tunnel.add_client("tim", {"hello": t.origin()}, ["--server-key", f"{wrong},{right}"])
    check(not (t.directory / "client-tim.state" / "known_servers").exists(), "nothing is kept")
    client = Client(t.directory, "tom", tunnel.server.mqtt, {"hello": t.origin()}, ["--server-key", wrong, "--max-attempts", "3"],
                    verbose=False)
    tunnel.programs.append(client)
    same(client.wait_exit(), 1, "exit status")
    check("KEY IS NOT THE ONE" in client.log and right in client.log, client.log)


@story("--no-encryption on both sides: status and log show it")
def _(t):
    tunnel = t.tunnel({"hello": t.origin()}, server=["--no-encryption", "--domain", "example.com"], client=["--no-encryption"])
    same(tunnel.ask().body, b"hello\n", "answer")
    status = tunnel.server.ask(host="example.com", fields=[("Accept", "application/json")])
    check(b'"encryption":false' in status.body, status.body)
    check("not encrypted" in tunnel.server.log and "NOT encrypted" in tunnel.client.log, "logs")


def one_sided(t, server, client):
    tunnel = t.tunnel(server=server)
    program = tunnel.add_client("tim", {"hello": t.origin()}, client, wait=False)
    program.wait_log("connected")
    check(tunnel.ask().status in (404, 502, 503), "no answer comes")
    program.wait_log("say --no-encryption here and at the server, or at neither")
    check(tunnel.ask().status in (404, 502, 503), "no answer comes")


@story("--no-encryption at the client only: no session, and both say why")
def _(t):
    one_sided(t, [], ["--no-encryption"])


@story("--no-encryption at the server only: no session, and both say why")
def _(t):
    one_sided(t, ["--no-encryption"], [])


main()
