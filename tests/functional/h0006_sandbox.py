#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the programs give away before they listen: users, capabilities, core dumps, system calls."""
import os
import pathlib
import pwd
import re
import shutil
import signal
import socket
import subprocess
import urllib.request

from lib import check, main, same, seconds, skip, story, wait_until
from lib import seccomp
from lib.handover import replace
from lib.mosquitto import Authority, Mosquitto
from lib.mqtt_proxy import Client, Proxy, came
from lib.program import Program
from lib.tunnel import Server

UNITS = pathlib.Path(__file__).resolve().parents[2] / "system" / "systemd"
USER = "daemon"


def status(pid, field, task=None):
    path = f"/proc/{pid}/task/{task}/status" if task else f"/proc/{pid}/status"
    return re.search(rf"^{field}:\s*(.*)$", pathlib.Path(path).read_text(), re.M).group(1).split()


def low_port():
    for port in range(1000, 700, -1):
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    skip("no free port below 1024")


def needs_root():
    if os.geteuid() != 0:
        skip("only root can become another user")


# The thread sanitizer has a thread of its own, begun before ours.
@story("--user: a port below 1024 is opened, a root-only file read, then nothing is left of root; a new process has that port, too",
       only="plain")
def _(t):
    needs_root()
    who = pwd.getpwnam(USER)
    t.directory.chmod(0o777)
    keys = t.directory / "psk"
    keys.write_text(f"tim {'0f' * 16}\n")
    keys.chmod(0o600)
    server = Server(t.directory, ["--user", USER, "--psk-file", keys], (low_port(), 0))
    t.programs.append(server)
    server.wait_ready()
    for task in os.listdir(f"/proc/{server.pid}/task"):
        same(status(server.pid, "Uid", task), [str(who.pw_uid)] * 4, "user ids")
        same(status(server.pid, "Gid", task), [str(who.pw_gid)] * 4, "group ids")
        for kind in ("CapEff", "CapPrm", "CapInh", "CapAmb"):
            same(int(status(server.pid, kind, task)[0], 16), 0, kind)
        same(status(server.pid, "NoNewPrivs", task), ["1"], "no new privileges")
    check("0" not in status(server.pid, "Groups"), "root's groups are gone")
    state = t.directory / "server.state"
    for path in (state, state / "server-key.pem"):
        same(path.stat().st_uid, who.pw_uid, f"owner of {path.name}")
    same((state / "server-key.pem").stat().st_mode & 0o777, 0o600, "mode of the key")
    # A command of root's does not lock the program out.
    subprocess.run([Program.find("mdm-tunnel-server"), "--state-dir", state, "clients", "deny", "eva"], check=True,
                   timeout=seconds(10))
    server.wait_log("read authorized_clients again")
    same((state / "authorized_clients").stat().st_uid, who.pw_uid, "owner of authorized_clients")
    same(server.ask(host="x.example.com").status, 404, "it serves")
    server.signal(signal.SIGUSR2)
    server.wait_log("no handover: .*psk: .*Permission denied; this process goes on")
    os.chown(keys, who.pw_uid, who.pw_gid)
    heir = replace(t, server)
    same(status(heir.pid, "Uid"), [str(who.pw_uid)] * 4, "user ids of the new process")
    same(server.wait_exit(), 0, "exit status")
    same(server.ask(host="x.example.com").status, 404, "the new process serves at the port")


def refused(options, what, **rest):
    done = subprocess.run([Program.find("mdm-tunnel-server"), "-p", "0", "-c", "0", *map(str, options)], capture_output=True,
                          text=True, timeout=seconds(10), **rest)
    same(done.returncode, 1, "exit status")
    check(what in done.stderr, f"{what!r} is in {done.stderr!r}")


@story("--user: what is wrong is said")
def _(t):
    needs_root()
    t.directory.chmod(0o777)
    state = t.directory / "state"
    state.mkdir()
    (state / "clients").write_text("")
    refused(["--user", USER, "--state-dir", state], f"chown -R {USER}")
    refused(["--user", "nobody-has-this-name"], "no such user")
    refused(["--user", f"{USER}:nobody-has-this-name"], "no such group")
    binary = t.directory / "mdm-tunnel-server"
    shutil.copy(Program.find("mdm-tunnel-server"), binary)
    done = subprocess.run([binary, "-p", "0", "-c", "0", "--user", "root", "--state-dir", t.directory / "s"], user=USER,
                          capture_output=True, text=True, timeout=seconds(10), cwd="/")
    check(done.returncode == 1 and done.stderr, f"{done.returncode} {done.stderr!r}")


@story("memory is not dumped and not shown, and no privileges are taken")
def _(t):
    tunnel = t.tunnel({"hello": t.origin()})
    for program in (tunnel.server, tunnel.client):
        limits = pathlib.Path(f"/proc/{program.pid}/limits").read_text()
        check(re.search(r"Max core file size +0 +0 ", limits), "no core file")
        same(status(program.pid, "NoNewPrivs"), ["1"], "no new privileges")
        if os.geteuid() != 0:
            same(pathlib.Path(f"/proc/{program.pid}/mem").stat().st_uid, 0, "the memory is root's")


@story("the units: systemd knows every line, and they are tight", only="plain")
def _(t):
    if not seccomp.available():
        skip("systemd-analyze is not installed")
    for unit in ("mdm-tunnel-server.service", "mdm-tunnel-client.service", "mdm-tunnel-proxy.service", "user/mdm-tunnel-client.service"):
        copy = t.directory / pathlib.Path(unit).name
        text = re.sub(r"@bindir@/mdm", "/bin/true #", (UNITS / f"{unit}.in").read_text())
        copy.write_text(re.sub(r"^(Documentation|User|Group)=.*\n", "", text, flags=re.M))
        said = subprocess.run(["systemd-analyze", *(["--user"] if "/" in unit else []), "verify", copy], capture_output=True,
                              text=True, timeout=seconds(30), env={**os.environ, "XDG_RUNTIME_DIR": str(t.directory)})
        check(copy.name not in said.stderr, said.stderr)
        if "/" not in unit:
            rated = subprocess.run(["systemd-analyze", "security", "--offline=true", copy], capture_output=True, text=True,
                                   timeout=seconds(30))
            exposure = float(re.search(r"exposure level for \S+: ([\d.]+)", rated.stdout).group(1))
            check(exposure <= 2.0, f"{unit}: {exposure}")


@story("under the units' system call filters everything works, also a new process that takes over", only="plain")
def _(t):
    if not seccomp.available():
        skip("systemd-analyze is not installed")
    for name in ("mdm-tunnel-server", "mdm-tunnel-client"):
        calls = seccomp.allowed((UNITS / f"{name}.service.in").read_text())
        check(len(calls) > 100, f"{len(calls)} system calls")
        seccomp.wrap(t.directory / "bin", Program.find(name), calls)
    find, Program.find = Program.find, staticmethod(lambda name: t.directory / "bin" / name)
    try:
        tunnel = t.tunnel({"hello": t.origin()}, server=["--domain", "example.com"])
        for program in (tunnel.server, tunnel.client):
            same(status(program.pid, "Seccomp"), ["2"], "a filter")
        same(tunnel.ask().body, b"hello\n", "answer")
        same(tunnel.server.ask(host="example.com").status, 200, "status page")
        wait_until((t.directory / "server.state" / "authorized_clients").exists, "the first use is in the file")
        tunnel.client.write_services({"hello": t.origin(), "more": t.origin()})
        wait_until(lambda: tunnel.ask("more").status == 200, "the services file is watched")
        heir = replace(t, tunnel.server)
        same(status(heir.pid, "Seccomp"), ["2"], "the new process has the filter")
        same(tunnel.server.wait_exit(), 0, "exit status of the server")
        same(tunnel.ask().body, b"hello\n", "the new process's answer")
        same(tunnel.client.stop(), 0, "exit status of the client")
    finally:
        Program.find = staticmethod(find)


@story("the same for the proxy, with TLS, rules, a metrics page and its logs", only="plain")
def _(t):
    if not seccomp.available():
        skip("systemd-analyze is not installed")
    seccomp.wrap(t.directory / "bin", Program.find("mdm-tunnel-proxy"), seccomp.allowed((UNITS / "mdm-tunnel-proxy.service.in").read_text()))
    authority, broker = Authority(t.directory), t.keep(Mosquitto(t.directory))
    cert, key = authority.sign("proxy", "DNS:localhost")
    rules, log = t.directory / "rules", t.directory / "access.log"
    rules.touch(0o600)
    rules.write_text("anonymous\nfor all\nallow all #\n")
    find, Program.find = Program.find, staticmethod(lambda name: t.directory / "bin" / name)
    try:
        proxy = Proxy(t, "-l", f"listen=mqtts://127.0.0.1:0 target=mqtt://localhost:{broker.port} cert={cert} key={key}", "--rules", rules,
                      "--admin", "0", "--state-dir", t.directory / "state", "--access-log", log)
    finally:
        Program.find = staticmethod(find)
    same(status(proxy.program.pid, "Seccomp"), ["2"], "a filter")
    with Client(proxy.port, "tim", tls={"ca_certs": str(authority.cert)}) as tim:
        tim.subscribe("x")
        tim.publish("x", "through")
        came(tim, ("x", "through"))
    with urllib.request.urlopen(f"http://127.0.0.1:{proxy.admin_port}/readyz", timeout=seconds(20)) as answer:
        same(answer.read(), b"ready\n", "it is ready")
    rules.write_text("for nobody\n")
    proxy.program.wait_log("rules: .*line 1: not")
    wait_until(lambda: log.read_text().count("\n") == 1, "the access log")
    same(proxy.program.stop(), 0, "exit status")


main()
