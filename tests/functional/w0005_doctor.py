#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""mdm-tunnel-client doctor: all is well, and each fault that can be made, with what it says to do."""
import json
import shutil
import subprocess

from lib import check, main, same, seconds, skip, story
from lib.mosquitto import Mosquitto, free_port
from lib.program import Program
from lib.secure import Certificate

CLIENT = "mdm-tunnel-client"
OTHER_KEY = "SHA256:" + "A" * 43


def doctor(t, *words, state="doctor", environment=None):
    """The exit status, and the lines: (check, result, text, do)."""
    command = [Program.find(CLIENT), "-i", "tim", "--state-dir", t.directory / state, "--json", *words]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, cwd=t.directory, timeout=seconds(60), env=environment)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    for line in lines:
        check(line["do"] or line["result"] != "failed" or line["check"] in ("settings", "services", "keys", "server"), f"what to do: {line}")
    same(done.returncode, 1 if any(line["result"] == "failed" for line in lines) else 0, f"exit status: {lines} {done.stderr}")
    return {f"{line['check']}" if line["check"] != "service" else line["text"].split(":")[0]: line for line in lines}, done


def at(tunnel):
    return ["-H", "127.0.0.1", "-p", tunnel.server.mqtt]


def is_fault(lines, name, text, do="", result="failed"):
    check(name in lines, f"{name} in {lines}")
    line = lines[name]
    check(line["result"] == result and text in line["text"] and do in line["do"], f"{name} is {result}, {text!r}, {do!r}: {line}")


@story("when all is well doctor says so of everything, and a client that runs is not disturbed")
def _(t):
    origin = t.origin()
    tunnel = t.tunnel({"hello": origin}, server=["--auth", "first-use"])
    lines, done = doctor(t, *at(tunnel), "doctor", f"web={origin.port}", state="client-tim.state")
    same({k: v["result"] for k, v in lines.items()}, dict.fromkeys(
        ["settings", "web", "resolution", "reachability", "MQTT", "broker limits", "server", "server key", "clock"], "ok"), done.stderr)
    same(done.stderr, "", "stderr")
    check("encrypted session" in lines["server"]["text"] and "latency" in lines["server"]["text"], lines["server"]["text"])
    same(tunnel.ask().status, 200, "the client that runs")
    same(tunnel.client.running, True, "the client that runs")
    text = subprocess.run([Program.find(CLIENT), "-i", "tim", "--state-dir", t.directory / "client-tim.state", *map(str, at(tunnel)), "doctor",
                           f"web={origin.port}"], capture_output=True, text=True, timeout=seconds(60))
    same(text.returncode, 0, text.stdout + text.stderr)
    check("ok      reachability: 127.0.0.1:" in text.stdout and all(l.startswith("ok ") for l in text.stdout.splitlines()), text.stdout)


@story("doctor finds a service that is down, a server that is none, a name that is none, wrong settings, and keys that are not right")
def _(t):
    origin = t.origin()
    tunnel = t.tunnel(server=["--auth", "listed"])
    nobody = free_port()
    lines, _ = doctor(t, *at(tunnel), "doctor", f"web={nobody}", f"old=unix:{t.directory}/none")
    is_fault(lines, "web", "Connection refused", "Start it")
    is_fault(lines, "old", "No such file")
    is_fault(lines, "server", "key-not-allowed")
    lines, _ = doctor(t, *at(t.tunnel()), "--server-key", OTHER_KEY, "doctor", f"web={origin.port}")
    is_fault(lines, "server", "server-key-unknown")
    lines, _ = doctor(t, "-H", "127.0.0.1", "-p", nobody, "doctor", f"web={origin.port}")
    is_fault(lines, "reachability", "Connection refused", "--host and --port")
    check("MQTT" not in lines and "server" not in lines, f"what cannot be: {lines}")
    lines, _ = doctor(t, "-H", "no..name", "doctor", f"web={origin.port}")
    is_fault(lines, "resolution", "no..name: ", "name servers")
    lines, _ = doctor(t, "-H", "127.0.0.1", "-p", tunnel.server.http, "doctor", f"web={origin.port}")
    is_fault(lines, "MQTT", "does not let us in", "a port for MQTT")
    lines, _ = doctor(t, *at(tunnel), "--server-name", "x", "doctor")
    is_fault(lines, "settings", "there is no ca")
    lines, _ = doctor(t, *at(tunnel), "-c", t.directory / "none.json", "doctor")
    is_fault(lines, "services", "there is no services file", result="warning")
    (t.directory / "wrong.json").write_text('{"web": 70000}')
    lines, _ = doctor(t, *at(tunnel), "-c", t.directory / "wrong.json", "doctor")
    is_fault(lines, "services", "port: 70000 is above 65535")


@story("doctor finds what is wrong with a broker: its certificate, its password, its limits, and that no server is there", only="plain")
def _(t):
    certificate = Certificate(t.directory, names=("localhost",))
    port = free_port()
    tls = (f"listener {port} 127.0.0.1", f"cafile {certificate.cert}", f"certfile {certificate.cert}", f"keyfile {certificate.key}")
    broker = t.keep(Mosquitto(t.directory, "max_packet_size 20000", *tls))
    url = f"mqtt://127.0.0.1:{broker.port}"
    secure = f"mqtts://localhost:{port}"
    services = f"web={t.origin().port}"
    lines, _ = doctor(t, "--broker", secure, "doctor", services)
    is_fault(lines, "reachability", "certificate verify failed", "--ca-cert")
    lines, _ = doctor(t, "--broker", secure, "--ca-cert", certificate.cert, "doctor", services)
    is_fault(lines, "TLS", "the certificate is valid until", "renewed", result="warning")
    is_fault(lines, "broker limits", "packets of 20000 bytes", "larger limit", result="warning")
    is_fault(lines, "server", "no server has begun a session", "--prefix")
    passwords = t.directory / "passwords"
    passwords.write_text("oli:secret\n")
    subprocess.run(["mosquitto_passwd", "-U", passwords], check=True)
    (t.directory / "other").mkdir()
    guarded = t.keep(Mosquitto(t.directory / "other", f"password_file {passwords}", anonymous=False))
    lines, _ = doctor(t, "--broker", f"mqtt://127.0.0.1:{guarded.port}", "--username", "oli", "--password", "guess", "doctor", services)
    is_fault(lines, "MQTT", "does not let us in", "--password")
    same(lines["settings"]["text"], f"client tim, by way of mqtt://127.0.0.1:{guarded.port}", "settings")
    check(url and "guess" not in json.dumps(lines), f"no password in {lines}")


@story("doctor finds a clock that is wrong, and says that a server's key is seen for the first time", only="plain")
def _(t):
    if shutil.which("gcc") is None:
        skip("gcc is not installed")
    tunnel = t.tunnel()
    source, library = t.directory / "late.c", t.directory / "late.so"
    source.write_text("#include <sys/syscall.h>\n#include <time.h>\n#include <unistd.h>\n"
                      "time_t time(time_t *t) { struct timespec n; syscall(SYS_clock_gettime, CLOCK_REALTIME, &n); n.tv_sec -= 600;"
                      " if (t != 0) *t = n.tv_sec; return n.tv_sec; }\n")
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, source], check=True, timeout=seconds(60))
    lines, _ = doctor(t, *at(tunnel), "doctor", f"web={t.origin().port}", environment={"LD_PRELOAD": str(library)})
    is_fault(lines, "clock", "s behind the server's", "clock that is wrong", result="warning")
    is_fault(lines, "server key", "first key that was shown", "mdm-tunnel-server fingerprint", result="warning")
    lines, _ = doctor(t, *at(tunnel), "doctor", f"web={t.origin().port}")
    same((lines["clock"]["result"], lines["server key"]["result"]), ("ok", "ok"), "the next time")


main()
