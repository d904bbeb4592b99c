#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Programs that people use, through mdm-tunnel-connect: ssh, scp, rsync, nc, redis-cli."""
import hashlib
import os
import shlex
import shutil
import socket
import subprocess
import threading
import time

from lib import check, main, same, seconds, skip, story
from lib.load import BIG
from lib.mosquitto import Mosquitto, free_port
from lib.sshd import Sshd
from lib.workstation import Site, dial, echo


def site(t, services, **rest):
    return Site(t, t.tunnel().server, services, **rest)


@story("ssh with mdm-tunnel-connect as its ProxyCommand; scp and rsync there and back, equal", only="plain", slow=True)
def _(t):
    ssh = t.keep(Sshd(t.directory))
    s = site(t, {"ssh": ssh.target})
    proxy = ssh.options("ProxyCommand=" + " ".join(shlex.quote(word) for word in s.command("-W", "%h/ssh")))
    host = ssh.user("gateway")
    same(ssh.run("ssh", *proxy, host, "cat; echo done", input=b"text\n"), b"text\ndone\n", "what ssh said")
    done = subprocess.run(["ssh", *proxy, host, "exit 7"], capture_output=True, timeout=seconds(180), check=False)
    same((done.returncode, done.stderr), (7, b""), "an exit status, and no word more")
    size = (1 << 30) if BIG else (16 << 20)
    data = t.directory / "data"
    with open(data, "wb") as f:
        for _ in range(size >> 20):
            f.write(os.urandom(1 << 20))
    want = hashlib.sha256(data.read_bytes()).hexdigest()
    ssh.run("scp", "-q", *proxy, data, f"{host}:{t.directory}/there", limit=300)
    ssh.run("scp", "-q", *proxy, f"{host}:{t.directory}/there", t.directory / "back", limit=300)
    same(hashlib.sha256((t.directory / "back").read_bytes()).hexdigest(), want, "scp there and back")
    if shutil.which("rsync"):
        shell = " ".join(shlex.quote(word) for word in ["ssh", *proxy])
        ssh.run("rsync", "-e", shell, data, f"{host}:{t.directory}/rsync", limit=300)
        same(hashlib.sha256((t.directory / "rsync").read_bytes()).hexdigest(), want, "rsync")


@story("20 ssh sessions multiplexed over one connection to a local port", only="plain", slow=True)
def _(t):
    ssh = t.keep(Sshd(t.directory))
    s = site(t, {"ssh": ssh.target})
    _program, port = s.way()
    shared = ssh.options("ControlMaster=auto", f"ControlPath={t.directory}/mux", "ControlPersist=60", f"Port={port}",
                         "HostKeyAlias=gateway")
    host = ssh.user("127.0.0.1")
    ssh.run("ssh", *shared, "-fN", host)
    results = []

    def one(number):
        results.append(ssh.run("ssh", *shared, host, f"head -c 100000 /dev/zero | wc -c; echo {number}"))

    threads = [threading.Thread(target=one, args=(i,)) for i in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    same(sorted(results), sorted(b"100000\n%d\n" % i for i in range(20)), "what they said")
    ssh.run("ssh", *shared, "-O", "exit", host)


@story("standard input and output: half-close carried, first bytes before the target accepts, a status for what failed")
def _(t):
    def after_the_end(peer, _origin):
        time.sleep(0.1)  # bytes are there before anybody reads
        data = peer.read_rest()
        peer.send(b"%d bytes\n" % len(data))

    s = site(t, {"count": t.origin(after_the_end), "nothing": 9})
    for size in (0, 5, 3 << 20):
        p = s.stdio("gateway/count")
        out, _ = p.communicate(b"x" * size, timeout=seconds(20))
        same((p.returncode, out), (0, b"%d bytes\n" % size), f"after {size} bytes and the end")
    file = t.directory / "file"
    file.write_bytes(b"y" * 100000)
    with open(file, "rb") as stdin:
        p = s.stdio("gateway/count", stdin=stdin)
        same(p.communicate(timeout=seconds(20))[0], b"100000 bytes\n", "from a file")
    p = s.stdio("gateway/nothing")
    out, _ = p.communicate(b"x", timeout=seconds(20))
    same((p.returncode, out), (1, b""), "a target that refuses")
    check("does not accept connections" in (t.directory / "stdio-oli.err").read_text(), "the reason is said")
    if shutil.which("nc"):
        _program, port = s.way("gateway/count")
        done = subprocess.run(["nc", "-N", "127.0.0.1", str(port)], input=b"z" * 1000, capture_output=True, timeout=seconds(20),
                              check=True)
        same(done.stdout, b"1000 bytes\n", "nc -N")


@story("a Redis server through mosquitto: small commands, large values, many clients", only="plain")
def _(t):
    server = shutil.which("redis-server")
    if server is None:
        skip("redis-server is not installed")
    port = free_port()
    redis = subprocess.Popen([server, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(t.directory)],
                             stdout=subprocess.DEVNULL)
    try:
        s = Site(t, t.keep(Mosquitto(t.directory)), {"redis": port})
        _program, local = s.way()

        def cli(*words, **rest):
            return subprocess.run(["redis-cli", "-p", str(local), *words], capture_output=True, timeout=seconds(20), check=True,
                                  **rest).stdout

        same(cli("PING"), b"PONG\n", "PING")
        value = os.urandom(3 << 20).hex().encode()
        same(cli("-x", "SET", "k", input=value), b"OK\n", "SET")
        same(cli("GET", "k").strip(), value, "GET")
        bench = subprocess.run(["redis-benchmark", "-p", str(local), "-q", "-n", "2000", "-c", "50", "-t", "ping,set,get"],
                               capture_output=True, text=True, timeout=seconds(60), check=True)
        check("requests per second" in bench.stdout, bench.stdout)
    finally:
        redis.terminate()
        redis.wait(10)


main()
