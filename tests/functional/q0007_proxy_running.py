#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Running mdm-tunnel-proxy: metrics, logs, what it bounds in number and time, and what it tells whoever has started it."""
import contextlib
import json
import os
import re
import signal
import socket
import stat
import subprocess
import threading

from lib import check, main, response, same, seconds, story, wait_until
from lib.admin import openmetrics
from lib.mosquitto import Authority, Mosquitto
from lib.mqtt_proxy import Client, Proxy, build_hook, came, connack
from lib.program import Program


def hello(version=4, keep_alive=0, client=b"s"):
    body = b"\0\4MQTT" + bytes([version, 2, 0, keep_alive]) + (b"\0" if version == 5 else b"") + bytes([0, len(client)]) + client
    return bytes([0x10, len(body)]) + body


def packets(s):
    """What comes up to the end, as (type, body)."""
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while more := s.recv(65536):
            data += more
    found = []
    while data:
        found.append((data[0] >> 4, data[2:2 + data[1]]))
        data = data[2 + data[1]:]
    return found


def listen(broker, rest=""):
    return "-l", f"listen=mqtt://127.0.0.1:0 target=mqtt://127.0.0.1:{broker.port} {rest}"


def ask(port, path, token=None, *options):
    """Status and body."""
    bearer = ["-H", f"Authorization: Bearer {token}"] if token else []
    done = subprocess.run(["curl", "-s", "-w", "\n%{http_code}", *bearer, *options, f"http://127.0.0.1:{port}{path}"], check=True,
                          capture_output=True, text=True, timeout=seconds(20))
    body, _, status = done.stdout.rpartition("\n")
    return int(status), body


def reads_end(s):
    with contextlib.suppress(ConnectionResetError):
        return s.recv(1) == b""
    return True


@story("metrics with a token, health without one; it is not ready from when it is told to end")
def _(t):
    going_on = threading.Event()

    def serve(peer, origin):
        while peer.read_request() is not None:
            going_on.wait(seconds(30))
            peer.send(response(200, b"at last"))

    broker, origin = t.keep(Mosquitto(t.directory)), t.origin(serve)
    state = t.directory / "state"
    proxy = Proxy(t, *listen(broker), "-l", f"listen=http://127.0.0.1:0 target=http://127.0.0.1:{origin.port}", "--admin", "0", "--state-dir",
                  state, "--hook", f"{build_hook(t)}={t.directory / 'events'}", "--drain", "60", count=2)
    admin, file = proxy.admin_port, state / "proxy-admin-token"
    same(stat.S_IMODE(file.stat().st_mode), 0o600, "the token's file")
    token = file.read_text().strip()
    same([ask(admin, path)[0] for path in ("/healthz", "/readyz", "/metrics")], [200, 200, 401], "without the token")
    same(ask(admin, "/metrics", token, "-X", "POST")[0], 405, "POST")
    same([ask(admin, path, token)[0] for path in ("/", "/api/status")], [404, 404], "other paths")
    same(connack(proxy.port, "m", 4, "mallory", "x"), 4, "a denied CONNECT")
    with Client(proxy.port, "tim", 5) as tim:
        same(tim.subscribe("open/#", "secret/x"), [1, 0x87], "granted")
        tim.publish("open/a", "yes")
        came(tim, ("open/a", "yes"))
        tim.publish("forbidden/a", "no")
        now = openmetrics(ask(admin, "/metrics", token)[1])
        wanted = {"ready": 1, "proxy_clients": 1, "proxy_sessions_total": 1, "proxy_connects_denied_total": 1, "proxy_publishes_denied_total": 1,
                  "proxy_subscribes_denied_total": 1, "proxy_timeouts_total": 0, "access_lines_lost_total": 0}
        same({name: now[(f"mdm_tunnel_{name}", ())] for name in wanted}, wanted, "metrics")
        check(now[("mdm_tunnel_proxy_packets_up_total", ())] >= 5 and now[("mdm_tunnel_proxy_bytes_down_total", ())] > 20, f"{now}")
        check(("mdm_tunnel_requests_total", ()) not in now, "what the server counts is not here")
        same(len([k for k in now if k[0] == "mdm_tunnel_worker_cpu_seconds_total"]), 2, "workers")
    visitor = socket.create_connection(("127.0.0.1", proxy.ports[1]), seconds(20))
    visitor.sendall(b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n")
    wait_until(lambda: origin.accepted, "the request is at the target")
    proxy.program.signal(signal.SIGTERM)
    wait_until(lambda: ask(admin, "/readyz") == (503, "not ready\n"), "it is not ready")
    same(ask(admin, "/healthz")[0], 200, "it lives")
    going_on.set()
    check(b"at last" in visitor.recv(65536), "the answer under way leaves")
    visitor.close()
    same(proxy.program.wait_exit(), 0, "exit status")


def fields(line):
    """A line in text as a dict: time, kind, names."""
    time, kind, rest = line.split(" ", 2)
    check(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", time), line)
    found = re.findall(r'(\w+)=("(?:[^"\\]|\\.)*"|[0-9.]+)(?: |$)', rest)
    same(" ".join(f"{name}={value}" for name, value in found), rest, "nothing else is in the line")
    return {"kind": kind, **{name: value[1:-1] if value[0] == '"' else float(value) for name, value in found}}


@story("the access log: a line for each session and request, in text and JSON, that nothing forges; its file may be moved away")
def _(t):
    broker, origin = t.keep(Mosquitto(t.directory)), t.origin(response(200, b"hello"))
    log = t.directory / "access.log"
    for form in ("text", "json"):
        proxy = Proxy(t, *listen(broker), "-l", f"listen=http://127.0.0.1:0 target=http://127.0.0.1:{origin.port}", "--access-log", log,
                      "--access-format", form, count=2)
        read = fields if form == "text" else json.loads

        def lines(path=log):
            return [read(line) for line in path.read_text().splitlines()] if path.exists() else []

        with Client(proxy.port, 'a" code=9 b\\', 5, "tim", "secret") as client:
            client.subscribe("x")
            client.publish("x", "12345")
            came(client, ("x", "12345"))
        wait_until(lambda: len(lines()) == 1, "the line of the session")
        one = lines()[0]
        same({k: one[k] for k in ("kind", "listener", "version", "user", "code", "messages_up", "messages_down", "end")},
             {"kind": "mqtt", "listener": "mqtt", "version": "5", "user": "tim", "code": 0, "messages_up": 1, "messages_down": 1,
              "end": "the client disconnected"}, "of MQTT")
        same(one["client"], 'a\\" code=9 b\\\\' if form == "text" else 'a" code=9 b\\', "what a client said is escaped")
        check(one["address"].startswith("127.0.0.1:") and one["bytes_up"] > 40 and one["bytes_down"] > 20 and one["total"] > 0, f"{one}")
        moved = t.directory / f"access.1.{form}"
        log.rename(moved)
        proxy.program.signal(signal.SIGUSR1)
        wait_until(log.exists, "a new file")
        same(subprocess.run(["curl", "-s", "-d", "four", "-u", "tim:secret", f"http://127.0.0.1:{proxy.ports[1]}/p?authorization=secret"],
                            capture_output=True, check=True, timeout=seconds(20)).stdout, b"hello", "the answer")
        with socket.create_connection(("127.0.0.1", proxy.ports[1]), seconds(20)) as s:
            s.sendall(b"nonsense\r\n\r\n")
            check(b" 400 " in s.recv(4096), "400")
        wait_until(lambda: len(lines()) == 2, "the lines of the requests")
        bad, request = sorted(lines(), key=lambda line: "method" in line)  # each has its worker
        same({k: request[k] for k in ("kind", "version", "method", "target", "status", "bytes_up", "bytes_down")},
             {"kind": "http", "version": "HTTP/1.1", "method": "POST", "target": "/p", "status": 200, "bytes_up": 4, "bytes_down": 5}, "of HTTP")
        same((bad["status"], "method" in bad), (400, False), "what is no request")
        same(len(lines(moved)), 1, "nothing more went into the old file")
        same(proxy.program.stop(), 0, "exit status")
        check("secret" not in log.read_text() + moved.read_text(), "no password")
        log.unlink()


@story("the log of packets: as they came, and what became of them; payloads when asked, bounded and escaped")
def _(t):
    broker = t.keep(Mosquitto(t.directory))
    log = t.directory / "packets.log"
    for form, read in (("text", fields), ("json", json.loads)):
        proxy = Proxy(t, *listen(broker), "--hook", f"{build_hook(t)}={t.directory / 'events'}", "--packet-log", log, "--packet-format", form,
                      "--packet-payload", "9")
        with Client(proxy.port, "tim", 5, "tim", "secret") as tim:
            tim.subscribe("open/#", "secret/x")
            tim.publish("open/a", 'x"\ny\\\x1b and more of it')
            wait_until(lambda: tim.messages, "the message")
            tim.publish("forbidden/a", "no", 1)
            tim.publish("data/t", "20", 0)
        wait_until(lambda: '"DISCONNECT"' in log.read_text(), "the end is logged")
        seen = [read(line) for line in log.read_text().splitlines()]
        check("secret\"" not in log.read_text().replace("secret/x", ""), "no password")
        check(all(one["client"] == "tim" and one["session"] == seen[0]["session"] for one in seen[1:]), "whose they are")

        def of(kind, stage, type_, **more):
            found = [s for s in seen if (s["kind"], s["stage"], s["type"]) == (kind, stage, type_) and more.items() <= s.items()]
            same(len(found), 1, f"{kind} {stage} {type_} {more} in {seen}")
            return found[0]

        same({k: of("up", "before", "CONNECT")[k] for k in ("client_id", "user", "password", "level")},
             {"client_id": "tim", "user": "tim", "password": 1, "level": 5}, "CONNECT")
        of("up", "after", "CONNECT", verdict="changed")  # its maximum packet size is capped
        same(of("down", "after", "CONNACK")["code"], 0, "CONNACK")
        same(of("up", "before", "SUBSCRIBE")["filters"], "open/# 1, secret/x 1", "asked for")
        same(of("up", "after", "SUBSCRIBE", verdict="changed")["filters"], "open/# 1", "what goes on")
        same((of("down", "before", "SUBACK")["codes"], of("down", "after", "SUBACK", verdict="changed")["codes"]), ("1", "1 135"), "SUBACK")
        published = of("up", "before", "PUBLISH", topic="open/a")
        shown = 'x\\"\\x0ay\\\\\\x1b an' if form == "text" else 'x"\\x0ay\\\\x1b an'
        same((published["payload"], published["payload_size"], published["qos"]), (shown, 21, 1), "a payload")
        of("up", "after", "PUBLISH", topic="open/a", verdict="sent")
        of("up", "after", "PUBLISH", topic="forbidden/a", verdict="denied", reason=0x87)
        of("down", "after", "PUBACK", verdict="made", code=0x87)
        of("up", "after", "PUBLISH", topic="device/tim/data/t", verdict="changed")
        of("up", "after", "DISCONNECT", verdict="sent")
        same(proxy.program.stop(), 0, "exit status")
        log.unlink()
    same(proxy.program.log.count("forbidden"), 0, "the program's own log has no topics")


@story("bounds: clients, those of one address, how often they come, and packets")
def _(t):
    broker = t.keep(Mosquitto(t.directory))

    def metric(proxy, name):
        return openmetrics(ask(proxy.admin_port, "/metrics", token)[1])[(f"mdm_tunnel_{name}", ())]

    token = "a-token-of-the-story"
    file = t.directory / "token"
    file.touch(0o600)
    file.write_text(token)
    admin = "--admin", "0", "--admin-token", file
    for option in ("--clients", "--clients-per-address"):
        proxy = Proxy(t, *listen(broker), *admin, option, "2")
        with Client(proxy.port, "a"), Client(proxy.port, "b"):
            with socket.create_connection(("127.0.0.1", proxy.port), seconds(20)) as third:
                check(reads_end(third), f"{option}: the third one is refused")
            same(metric(proxy, "proxy_refused_total"), 1, option)
        wait_until(lambda: metric(proxy, "proxy_clients") == 0, "places are given back")
        same(connack(proxy.port, "c", 4), 0, "one of them is free")
        proxy.program.stop()
    # 1 a second is 0.001 in a millisecond: what comes within the story is the burst, and hardly more.
    proxy = Proxy(t, *listen(broker), *admin, "--connect-rate", "1", "--connect-burst", "3")
    ended = 0
    for _ in range(50):
        with socket.create_connection(("127.0.0.1", proxy.port), seconds(20)) as s:
            with contextlib.suppress(OSError):
                s.sendall(hello())
                ended += s.recv(4, socket.MSG_WAITALL) == b""
                continue
            ended += 1
    check(0 < ended <= 47, f"{ended} of 50 are refused")
    same(metric(proxy, "proxy_limited_total"), ended, "are counted")
    proxy.program.stop()
    proxy = Proxy(t, *listen(broker), *admin, "--max-packet", "1024")
    for version in (4, 5):
        with socket.create_connection(("127.0.0.1", proxy.port), seconds(20)) as s:
            s.sendall(hello(version))
            same(s.recv(4096)[:1], b"\x20", "CONNACK")
            s.sendall(bytes([0x30, 0xd0, 0x0f, 0, 1]) + b"x" + bytes(1997))
            same([(kind, body[:1]) for kind, body in packets(s)], [(14, b"\x95")] if version == 5 else [], "too large")


@story("times: for a TLS handshake, CONNECT, a request, the keep alive, the broker and a target; each is said and counted")
def _(t):
    broker = t.keep(Mosquitto(t.directory))
    authority = Authority(t.directory)
    cert, key = authority.sign("proxy", "DNS:localhost")
    deaf = t.keep(socket.create_server(("127.0.0.1", 0)))  # takes connections into its queue, and says nothing
    log = t.directory / "access.log"
    admin = "--admin", "0", "--state-dir", t.directory / "state", "--access-log", log
    # Nothing that this one waits for comes. What has to come in time has ten seconds for it, at the other one.
    proxy = Proxy(t, *listen(broker), "-l", f"listen=mqtts://127.0.0.1:0 cert={cert} key={key} target=mqtt://127.0.0.1:{broker.port}", "-l",
                  f"listen=mqtt://127.0.0.1:0 target=mqtt://127.0.0.1:{deaf.getsockname()[1]}", "-l",
                  f"listen=https://127.0.0.1:0 cert={cert} key={key}", "-l",
                  f"listen=http://127.0.0.1:0 target=https://127.0.0.1:{deaf.getsockname()[1]}", "--connect-timeout", "1", *admin, count=5)
    other = Proxy(t, *listen(broker))
    with contextlib.ExitStack() as stack:
        mqtt, mqtts, unanswered, https, http = proxy.ports
        silent, half, handshake, waiting, hello_half, nothing, head_half, request, four, five = (
            stack.enter_context(socket.create_connection(("127.0.0.1", port), seconds(30)))
            for port in (mqtt, mqtt, mqtts, unanswered, https, http, http, http, other.port, other.port))
        half.sendall(hello()[:7])
        for s in (handshake, hello_half):
            s.sendall(bytes([22, 3, 1, 2, 0, 1]))
        head_half.sendall(b"GET / HTTP/1.1\r\nHo")
        request.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        waiting.sendall(hello())
        four.sendall(hello(4, 1, b"four"))
        five.sendall(hello(5, 1, b"five"))
        same([packets(s) for s in (silent, half, handshake, hello_half, nothing)], [[]] * 5, "nothing is said")
        same([s.recv(4096)[:12] for s in (head_half, request)], [b"HTTP/1.1 408", b"HTTP/1.1 504"], "of HTTP it is said")
        same(packets(waiting), [(2, b"\0\3")], "the broker is unavailable")
        same([kind for kind, _ in packets(four)], [2], "CONNACK")
        told = packets(five)
        same(([kind for kind, _ in told], told[-1][1][0]), ([2, 14], 0x8D), "CONNACK and DISCONNECT with keep alive timeout")
    wait_until(lambda: len(log.read_text().splitlines()) == 6, "six lines")
    same(sorted(fields(line)["end"] for line in log.read_text().splitlines()),
         ["no CONNECT in time", "no CONNECT in time", "no TLS handshake in time", "no answer from the broker in time",
          "no connection to the target in time", "no request in time"], "ends")
    other.program.wait_log("(four|five): disconnected: nothing came within one and a half times the keep alive", count=2)
    token = (t.directory / "state" / "proxy-admin-token").read_text().strip()
    same(openmetrics(ask(proxy.admin_port, "/metrics", token)[1])[("mdm_tunnel_proxy_timeouts_total", ())], 8, "are counted")


@story("who started it is told when it is ready, reads its settings again, and ends; and that its workers live")
def _(t):
    broker = t.keep(Mosquitto(t.directory))
    path, config = t.directory / "manager", t.directory / "proxy.json"
    manager = t.keep(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
    manager.bind(str(path))
    manager.settimeout(seconds(20))

    def told(word):
        while word not in (lines := manager.recv(4096).decode().splitlines()):
            same(lines, ["WATCHDOG=1"], "what is told meanwhile")
        return lines

    config.write_text('{"log-level": "error"}')
    proxy = Proxy(t, *listen(broker), "--config", config, environment={"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "100000"})
    told("READY=1")
    told("WATCHDOG=1")
    told("WATCHDOG=1")
    same(connack(proxy.port, "c1", 4), 0, "a client")
    same(proxy.program.log, "", "nothing is worth a line")
    for text, said in (('{"log-level": "info", "clients": 7}', "clients: at the next start"), ('{"log-level": "loud"}', "'loud' is none of")):
        config.write_text(text)
        proxy.program.signal(signal.SIGHUP)
        told("RELOADING=1")
        told("READY=1")
        proxy.program.wait_log(said)
    same(connack(proxy.port, "c2", 4), 0, "a client")
    proxy.program.wait_log("c2: connected")
    proxy.program.signal(signal.SIGTERM)
    told("STOPPING=1")
    same(proxy.program.wait_exit(), 0, "exit status")


@story("what is wrong with these settings is said, with 2 or 1")
def _(t):
    open_file = t.directory / "open"
    open_file.write_text("a-token-of-the-story\n")
    open_file.chmod(0o644)
    for options, status, said in (
            (["--admin", "x"], 2, "admin: \"x\" has no port"), (["--admin-token", "/x"], 2, "admin-token: there is no admin"),
            (["--access-format", "xml"], 2, "access-format: \"xml\" is neither text nor json"),
            (["--packet-format", "x"], 2, "packet-format: \"x\""), (["--packet-payload", "1025"], 2, "1025 is above 1024"),
            (["--log-level", "x"], 2, "log-level: 'x'"), (["--access-log", "/nowhere/x"], 1, "access-log: /nowhere/x: No such file"),
            (["--packet-log", "/nowhere/x"], 1, "packet-log: /nowhere/x: No such file"), (["--log", "/nowhere/x"], 1, "log: /nowhere/x"),
            (["--admin", "0", "--admin-token", open_file], 1, str(open_file))):
        done = subprocess.run([Program.find("mdm-tunnel-proxy"), "-l", "listen=mqtt://127.0.0.1:0", *map(str, options)], capture_output=True,
                              text=True, timeout=seconds(20), env={**os.environ, "XDG_STATE_HOME": str(t.directory)})
        same((done.returncode, done.stdout), (status, ""), f"{options}: {done.stderr}")
        check(said in done.stderr, f"{said!r} in {done.stderr!r}")


if __name__ == "__main__":
    main()
