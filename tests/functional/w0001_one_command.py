#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The people's side of the client: what is said of a running program, and what is right before it is started."""
import json
import socket
import subprocess

from lib import check, connect, main, same, seconds, story, wait_until
from lib.program import Program

SERVER, CLIENT = "mdm-tunnel-server", "mdm-tunnel-client"


def run(t, name, *arguments):
    return subprocess.run(
        [Program.find(name), *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=t.directory,
        timeout=seconds(20),
        stdin=subprocess.DEVNULL,
    )


def free_ports():
    """One that the kernel has just given, so probably still free."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return f"{s.getsockname()[1]}"


def one_command(t, tunnel, client_id, *words, environment=None):
    """Not a word of log is wanted."""
    way = ["-H", "127.0.0.1", "-p", tunnel.server.mqtt, "-i", client_id, "--drain", "1"]
    arguments = [*way, "--state-dir", t.directory / f"{client_id}.one", *words]
    program = Program(CLIENT, arguments, t.directory, f"one-{client_id}", environment)
    t.programs.append(program)
    return program


def answered(t, name, *arguments):
    done = run(t, name, *arguments)
    same((done.returncode, done.stderr), (0, ""), f"{name} {arguments}")
    return done.stdout


@story("status asks the running client and server, as text and JSON; when none runs it says so")
def _(t):
    tunnel = t.tunnel({"hello": t.origin()})
    same(tunnel.ask().status, 200, "status")
    of_server = ["--state-dir", t.directory / "server.state"]
    of_client = ["--state-dir", t.directory / "client-tim.state"]
    text = answered(t, CLIENT, *of_client, "status")
    for words in ("client tim: process ", "connected to ", "reconnects 0", "session with server ", ": encrypted", "service hello: "):
        check(words in text, f"{words!r} in {text!r}")
    client = json.loads(answered(t, CLIENT, *of_client, "--json", "status"))
    same((client["client"], client["connected"], client["process"]), ("tim", True, tunnel.client.pid), "client")
    same([s["name"] for s in client["services"]], ["hello"], "services")
    same([s["encrypted"] for s in client["sessions"]], [True], "sessions")
    check(client["bytes_sent"] > 0 and client["bytes_received"] > 0, f"{client} has bytes")
    text = answered(t, SERVER, *of_server, "status")
    for words in ("encryption: on", "clients: 1", "session with tim ", ": encrypted", "requests: "):
        check(words in text, f"{words!r} in {text!r}")
    server = json.loads(answered(t, SERVER, *of_server, "status", "--json"))
    same((server["clients"], server["encryption"], server["port"]), (1, True, tunnel.server.http), "server")
    same([s["client"] for s in server["sessions"]], ["tim"], "sessions")
    same(tunnel.client.stop(), 0, "exit status")
    gone = run(t, CLIENT, *of_client, "status")
    same((gone.returncode, gone.stdout), (1, ""), "no client")
    check(f"no client is running with the state directory {t.directory}" in gone.stderr, gone.stderr)


@story("without encryption status says so at both ends")
def _(t):
    tunnel = t.tunnel({"hello": t.origin()}, server=["--no-encryption"], client=["--no-encryption"])
    same(tunnel.ask().status, 200, "status")
    for name, state in ((CLIENT, "client-tim.state"), (SERVER, "server.state")):
        text = answered(t, name, "--state-dir", t.directory / state, "status")
        check("NOT encrypted" in text, f"{name}: {text!r}")
    check("encryption: OFF (--no-encryption)" in text, text)


@story("http PORT and tcp PORT print where visitors come; without public ports tcp says why and ends")
def _(t):
    origin = t.origin()
    tunnel = t.tunnel(server=["--domain", "example.com", "--tcp-ports", free_ports()])
    http = one_command(t, tunnel, "tim", "http", origin.port)
    url = wait_until(lambda: http.stdout, "the URL is printed")
    same(url, f"http://web.tim.example.com:{tunnel.server.http}/\n", "URL")
    same(tunnel.ask("web").body, b"hello\n", "answer")
    tcp = one_command(t, tunnel, "tom", "tcp", f"127.0.0.1:{origin.port}", "ssh")
    url = wait_until(lambda: tcp.stdout, "the URL is printed")
    host, port = url.removeprefix("tcp://").split(":")
    same(host, "example.com", "host")
    with connect(int(port)) as visitor:
        same(visitor.ask("GET", "/", host="any").body, b"hello\n", "answer at the port")
    same((http.log, tcp.log), ("", ""), "stderr")
    none = t.tunnel()
    refused = one_command(t, none, "ann", "tcp", origin.port)
    same(refused.wait_exit(), 1, "exit status")
    check("The server needs --tcp-ports" in refused.log and refused.stdout == "", refused.log)
    for words, says in (
        (["http"], "usage: mdm-tunnel-client http TARGET [NAME]"),
        (["http", "70000"], "port: 70000 is above 65535"),
        (["tcp", "22", "x_y"], "a name is 1 to 63 letters"),
    ):
        done = run(t, CLIENT, "-i", "tim", "--state-dir", t.directory / "wrong", *words)
        same(done.returncode, 2, f"{words}: {done.stderr}")
        check(says in done.stderr, f"{words}: {done.stderr}")


@story("file FOLDER serves a folder and nothing beyond it: lists, types, ranges, validators")
def _(t):
    site = t.directory / "site"
    (site / "sub").mkdir(parents=True)
    (site / "a.txt").write_bytes(bytes(range(48, 58)) * 10)
    (site / "<b>&.html").write_text("b")
    (site / ".secret").write_text("hidden")
    (site / "sub" / "index.html").write_text("index")
    (t.directory / "outside.txt").write_text("outside")
    (site / "out").symlink_to(t.directory / "outside.txt")
    (site / "up").symlink_to("../outside.txt")
    (site / "inside").symlink_to("sub/index.html")
    tunnel = t.tunnel(server=["--domain", "example.com"])
    client = one_command(t, tunnel, "tim", "file", site)
    same(wait_until(lambda: client.stdout, "the URL is printed"), f"http://web.tim.example.com:{tunnel.server.http}/\n", "URL")

    def curl(target, *options):
        where = f"http://127.0.0.1:{tunnel.server.http}{target}"
        words = ["curl", "-s", "--path-as-is", "-o", "-", "-w", "\n%{http_code} %{content_type} %{redirect_url}", "-H", "Host: web.tim.example.com"]
        done = subprocess.run([*words, *options, where], capture_output=True, timeout=seconds(20))
        body, _, tail = done.stdout.rpartition(b"\n")
        return tail.decode().split(" ")[0], body, tail.decode()

    text = (site / "a.txt").read_bytes()
    status, body, tail = curl("/a.txt")
    same((status, body), ("200", text), "a file")
    check("text/plain" in tail, tail)
    page = curl("/")[1].decode()
    check('<a href="./a.txt">a.txt</a>' in page and '<a href="./%3Cb%3E%26.html">&lt;b&gt;&amp;.html</a>' in page, page)
    check("secret" not in page and ">out<" not in page and ">up<" not in page and ">inside<" in page, page)
    same(curl("/sub/")[:2], ("200", b"index"), "index.html")
    status, _, tail = curl("//sub")
    same(status, "301", "a folder without its slash")
    check(tail.endswith("/sub/") and "//sub" not in tail, tail)
    same(curl("/inside")[:2], ("200", b"index"), "a link within")
    for target in ("/out", "/up", "/../outside.txt", "/%2e%2e/outside.txt", "/sub/..%2f..%2foutside.txt", "/.secret", "/none", "/a.txt/"):
        same(curl(target)[0], "404", target)
    same(curl("/a.txt%00.html")[0], "400", "NUL")
    same(curl("/a.txt", "-X", "DELETE")[0], "405", "DELETE")
    same(curl("/a.txt", "-r", "5-9")[:2], ("206", text[5:10]), "a range")
    same(curl("/a.txt", "-r", "-3")[:2], ("206", text[-3:]), "the end")
    same(curl("/a.txt", "-r", "100-")[0], "416", "beyond")
    same(curl("/a.txt", "-r", "5-9", "-H", 'If-Range: "other"')[:2], ("200", text), "a range of another file")
    head = curl("/a.txt", "-I")[1].decode().lower().replace("\r", "")
    check("content-length: 100" in head and "accept-ranges: bytes" in head, head)
    etag = next(line.split(": ", 1)[1] for line in head.split("\n") if line.startswith("etag: "))
    for known in (etag, f'"x", W/{etag}', "*"):
        same(curl("/a.txt", "-H", f"If-None-Match: {known}")[:2], ("304", b""), f"not modified: {known}")
    same(curl("/a.txt", "-H", f'If-None-Match: "x{etag[1:]}')[:2], ("200", text), "another tag, which ends with ours")
    same(curl("/a.txt", "-H", 'If-None-Match: "x"', "-H", f"If-None-Match: {etag}")[:2], ("304", b""), "a list in two fields")
    part = t.directory / "part"
    part.write_bytes(text[:40])
    where = f"http://127.0.0.1:{tunnel.server.http}/a.txt"
    subprocess.run(["curl", "-s", "-C", "-", "-o", part, "-H", "Host: web.tim.example.com", where], timeout=seconds(20))
    same(part.read_bytes(), text, "a download that is resumed")
    same(client.stop(), 0, "exit status")
    same(run(t, CLIENT, "-i", "tim", "--state-dir", t.directory / "s", "file", t.directory / "none").returncode, 1, "no folder")


@story("file --dot-files serves names with a dot, too, and still nothing beyond; a socket left behind by kill -9 is removed by the next start")
def _(t):
    site, runtime = t.directory / "site", t.directory / "run"
    (site / ".well-known").mkdir(parents=True)
    runtime.mkdir(mode=0o700)
    (site / ".well-known" / "a").write_text("a")
    (t.directory / ".outside").write_text("outside")
    tunnel = t.tunnel(server=["--domain", "example.com"])

    def start():
        client = one_command(t, tunnel, "tim", "--dot-files", "file", site, environment={"XDG_RUNTIME_DIR": str(runtime)})
        wait_until(lambda: client.stdout, "the URL is printed")
        return client

    def answer(target):
        return tunnel.ask("web", target=target)

    client = start()
    check(b">.well-known/<" in answer("/").body, "it is listed")
    same(answer("/.well-known/a").body, b"a", "a file")
    same(answer("/.well-known/").body.count(b"<tr>"), 2, "its list has the way up and the file")
    for target in ("/../.outside", "/.well-known/../.well-known/a", "/./.well-known/a", "/.well-known/..", "/%2e%2e/.outside"):
        same(answer(target).status, 404, target)
    same(len(list(runtime.iterdir())), 1, "sockets' folders")
    client.kill()
    same(len(list(runtime.iterdir())), 1, "sockets' folders after kill -9")
    client = start()
    same(answer("/.well-known/a").body, b"a", "a file")
    same(len(list(runtime.iterdir())), 1, "sockets' folders of the next start")
    same(client.stop(), 0, "exit status")
    same(list(runtime.iterdir()), [], "sockets' folders at the end")


@story("check says what the start would say of a file, and starts nothing")
def _(t):
    file = t.directory / "file.json"
    for text, says in (
        ('{"web": 3000, "port": 9000}', None),
        ('{"port": 3000, "host": "example.com"}', None),
        ('{"config": 3000}', None),
        ('{"web": 70000}', "port: 70000 is above 65535"),
        ('{"port": 70000, "host": "example.com", "id": "tim"}', "port: 70000 is above 65535"),
        ('{"id": "tim", "host": "example.com", "server-key": "x"}', "'x' is not a fingerprint"),
        ("{", "line 1, column "),
    ):
        file.write_text(text)
        done = run(t, CLIENT, "check", file)
        same((done.returncode, done.stdout), (1 if says else 0, ""), f"{text}: {done.stderr!r}")
        check((says or "") in done.stderr and bool(says) == bool(done.stderr), f"{text}: {done.stderr!r}")
    same(run(t, CLIENT, "check").returncode, 2, "check of nothing")
    file.write_text('{"port": 8000}')
    same((run(t, SERVER, "check", file).returncode, run(t, SERVER, "check").returncode), (0, 2), "the server's")
    file.write_text('{"port": 8000, "auth": "x"}')
    done = run(t, SERVER, "check", file)
    same(done.returncode, 1, "the server's")
    check("auth: 'x' is none of" in done.stderr, done.stderr)


main()
