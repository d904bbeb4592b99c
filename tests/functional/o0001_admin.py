#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The server's page and its interface: what is there, what it waits for, what can be done about it, and metrics."""
import json
import socket
import stat
import subprocess
import threading
from urllib.parse import quote

from lib import check, main, response, same, seconds, story, wait_until
from lib.admin import Admin
from lib.program import Program
from lib.tunnel import Client


def endless(visitor):
    try:
        while True:
            visitor.sock.sendall(bytes(65536))
    except OSError:
        pass  # it was cut


def labels(**of):
    return tuple(of.items())


@story("the admin page's interface: token, clients, a stalled stream and why, metrics, deny, allow, disconnect, drain")
def _(t):
    going_on = threading.Event()

    def serve(peer, origin):
        while (request := peer.read_request()) is not None:
            peer.send(response(200 if request.target != "/bad" else 500, b"x" * (8000000 if request.target == "/large" else 5)))

    def stuck(peer, origin):
        going_on.wait(seconds(20))

    tunnel = t.tunnel({"web": t.origin(serve).port, "stuck": t.origin(stuck).port}, server=["--admin", "0"])
    admin = Admin(tunnel)
    same(stat.S_IMODE(admin.file.stat().st_mode), 0o600, "the token's file")
    check("the page is at port" in tunnel.server.log and admin.token not in tunnel.server.log, "said with -v, but not the token")
    for path in ("/", "/api/status", "/metrics"):
        same(admin.curl(path, token=False)[0], 401, f"{path} without the token")
    same([admin.curl(p, token=False)[0] for p in ("/healthz", "/readyz")], [200, 200], "probes need none")
    same(admin.curl("/api/drain", "-X", "POST", "-H", "Origin: http://evil.example")[0], 403, "another site")
    same(admin.curl("/api/status", "-H", "Host: evil.example")[0], 421, "another name")
    page = admin.curl("/")
    check(page[0] == 200 and page[1].startswith("text/html") and "http:" not in page[2] and "https:" not in page[2], "the page needs nothing else")

    same([tunnel.ask("web").status, tunnel.ask("web", target="/bad").status], [200, 500], "two requests")
    status = admin.get("/api/status")
    same((status["clients"], status["ready"], status["draining"], status["broker"]), (1, True, False, {"embedded": True, "up": True}), "status")
    public = json.loads(tunnel.server.ask(host="localhost", fields=[("Accept", "application/json")]).body)
    names = lambda of: {name: names(value) if isinstance(value, dict) else None for name, value in of.items()}  # noqa: E731
    same(names(public), names(status), "the status page says the same")
    same((public["clients"], public["broker"], public["port"], len(status["workers_cpu_us"])), (1, status["broker"], tunnel.server.http, 2), "its values")
    session = admin.get("/api/clients")["sessions"][0]
    same((session["client"], session["encrypted"], session["away"]), ("tim", True, False), "the session")
    same(session["services"], [{"name": "stuck", "kind": "http"}, {"name": "web", "kind": "http"}], "its services")
    check(session["window"] >= 65536 and session["round_trip_us"] > 0 and session["key"].startswith("SHA256:"), "how it is")

    def waits(service="web"):
        return {s["waits"] for s in admin.get("/api/streams?client=tim")["streams"] if s["service"] == service}

    same(admin.get("/api/streams?client=nobody")["streams"], [], "streams of nobody")
    with tunnel.visit() as visitor:
        visitor.send(tunnel.request("web", target="/large"))
        wait_until(lambda: "visitor does not read" in waits(), "a visitor that does not read is named")
        same(len(visitor.read_response().body), 8000000, "and gets all when it does")
    with tunnel.visit() as visitor:
        visitor.send(tunnel.request("stuck", "POST", fields=[("Content-Length", "64000000")]))
        flood = threading.Thread(target=endless, args=[visitor], daemon=True)
        flood.start()
        wait_until(lambda: "no credit of stream" in waits("stuck"), "so is a service that does not read")
        visitor.sock.shutdown(socket.SHUT_RDWR)
        flood.join(seconds(10))
    going_on.set()

    metrics = admin.metrics()
    same(metrics["mdm_tunnel_service_requests_total", labels(client="tim", service="web", status="5xx")], 1, "by status")
    check(metrics["mdm_tunnel_service_requests_total", labels(client="tim", service="web", status="2xx")] >= 2, "by status")
    bucket = metrics["mdm_tunnel_service_seconds_bucket", labels(client="tim", service="web", le="+Inf")]
    same(bucket, metrics["mdm_tunnel_service_seconds_count", labels(client="tim", service="web")], "the histogram is whole")
    check(metrics["mdm_tunnel_service_bytes_down_total", labels(client="tim", service="web")] >= 8000010, "bytes")
    check(metrics["mdm_tunnel_session_window_bytes", labels(client="tim")] >= 65536, "the window")
    check(metrics["mdm_tunnel_credit_stalls_total", ()] >= 1 or metrics["mdm_tunnel_window_stalls_total", ()] >= 1, "stalls")
    check(metrics["mdm_tunnel_worker_cpu_seconds_total", labels(worker="1")] > 0, "the workers")
    for name in ("streams", "sessions", "sessions_resumed_total", "envelopes_resent_total", "broker_dropped_total", "limits_hit_total", "clients",
                 "ready", "visitors"):
        check(("mdm_tunnel_" + name, ()) in metrics, f"{name} is there")
    for name in ("streams", "bytes_to_total", "in_flight_bytes", "round_trip_seconds", "resent_total", "away"):
        check((f"mdm_tunnel_session_{name}", labels(client="tim")) in metrics, f"{name} of the client is there")
    for i in range(5):
        tunnel.ask(f"made-up-{i}")
        tunnel.server.ask(host=f"x.nobody-{i}.example.com")
    check(not any("made-up" in str(k) or "nobody" in str(k) for k in admin.metrics()), "visitors make no labels")

    check("fingerprint" in admin.do("/api/clients/tim/allow?key=no", 400)["error"], "what is wrong with a key is said")
    admin.do("/api/clients/a%2Cb/deny", 400)
    same(admin.do("/api/clients/tim/disconnect"), {"sessions": 1}, "disconnect")
    wait_until(lambda: tunnel.ask("web").status == 200, "the next visitor begins another session")
    check(admin.get("/api/clients")["sessions"][0]["session"] != session["session"], "which is another one")
    admin.do("/api/clients/tim/deny")
    wait_until(lambda: admin.get("/api/clients")["sessions"] == [], "a denied client is gone")
    same([(l["client"], l["key"]) for l in admin.get("/api/clients")["lines"]], [("tim", "none")], "its line")
    admin.do("/api/clients/tim/disconnect", 404)
    admin.do(f"/api/clients/tim/allow?key={quote(session['key'])}&options=streams=7%20services=web")
    wait_until(lambda: tunnel.ask("web").status == 200, "an allowed one is back")
    same(admin.get("/api/clients")["lines"], [{"client": "tim", "key": session["key"], "options": "services=web streams=7"}], "its line")
    same(admin.curl("/api/nothing")[0], 404, "no such thing")
    check("none of none, error" in admin.do("/api/log-level?level=loud", 400)["error"] and "needed" in admin.do("/api/log-level", 400)["error"],
          "no level")
    same(admin.do("/api/log-level?level=debug"), {"done": 1}, "a level")
    tunnel.ask("web")
    tunnel.server.wait_log(" debug ")

    admin.do("/api/drain", 202)
    same(tunnel.server.wait_exit(), 0, "a drained server ends well")


@story("a forgotten key is another's to claim; /readyz says that the server is draining, which finishes what is in flight")
def _(t):
    arrived, going_on = threading.Event(), threading.Event()

    def slow(peer, origin):
        peer.read_request()
        arrived.set()
        going_on.wait(seconds(20))
        peer.send(response(200, b"slow"))

    tunnel = t.tunnel({"slow": t.origin(slow).port}, server=["--admin", "0", "--drain", "30"])
    admin = Admin(tunnel)

    def keys():
        return [(line["client"], line["key"]) for line in admin.get("/api/clients")["lines"]]

    wait_until(lambda: len(keys()) == 1, "the first use is in the file")
    before = keys()
    tunnel.client.stop()
    admin.do("/api/clients/tim/forget")
    same(keys(), [], "its line is gone")
    thief = Client(t.directory, "tim", tunnel.server.mqtt, {"slow": t.origin(slow).port}, label="other", state="other")
    tunnel.programs.append(thief)
    wait_until(lambda: len(keys()) == 1, "whoever comes first has the id")
    check(keys() != before, "with another key")
    wait_until(lambda: tunnel.server.knows("tim"), "it is there")
    with tunnel.visit() as visitor:
        visitor.send(tunnel.request("slow"))
        check(arrived.wait(seconds(20)), "a request is at its service")
        admin.do("/api/drain", 202)
        wait_until(lambda: admin.curl("/readyz", token=False)[::2] == (503, "not ready: draining\n"), "not ready while draining")
        same(admin.curl("/healthz", token=False)[0], 200, "and alive")
        same(admin.get("/api/status")["draining"], True, "the status")
        going_on.set()
        same(visitor.read_response().body, b"slow", "what was in flight is finished")
    same(tunnel.server.wait_exit(), 0, "the end")


@story("wrong addresses and tokens for the admin page are named", only="plain")
def _(t):
    short = t.directory / "token"
    short.write_text("short\n")
    short.chmod(0o600)
    for options, status, why in ((["--admin", "example.com:1"], 2, "admin: 'example.com:1' has no address"), (["--admin", "70000"], 2, "70000"),
                                 (["--admin-token", short], 2, "there is no admin"),
                                 (["--admin", "0", "--admin-token", short], 1, "not a token")):
        done = subprocess.run([Program.find("mdm-tunnel-server"), "--port", "0", "--client-port", "0", "--state-dir", t.directory / "state", *options],
                              capture_output=True, text=True, timeout=seconds(20))
        same(done.returncode, status, str(options))
        check(why in done.stderr, done.stderr)


main()
