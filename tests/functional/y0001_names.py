#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Names: paths that services share, domains of clients' own, what is said when nobody answers."""
import json
import re
import signal
import subprocess

from lib import check, main, response, same, seconds, story, wait_until
from lib.program import Program
from lib.secure import Certificate, SecurePeer, context, secure

DOMAIN = ["--domain", "example.com"]


def telling(name):
    """Answers with its name, and with what it was asked for."""

    def serve(request):
        prefix = request.get("X-Forwarded-Prefix") or "-"
        return response(200, f"{name} {request.target} {prefix}".encode(), ("Location", "/there"))

    return serve


def services(t, **keys):
    """A service of each name with these keys."""
    return {name.replace("_", "-"): {"target": t.origin(telling(name)).port, **more} for name, more in keys.items()}


def said(answer):
    same(answer.status, 200, answer.error)
    return answer.body.decode()


@story("several services behind the client's bare name: the longest prefix wins, stripped or not; each has its own name, too")
def _(t):
    tunnel = t.tunnel(services(t, api={"path": "/api"}, v2={"path": {"prefix": "/api/v2/", "strip": True}}, site={"path": "/"}),
                      server=DOMAIN)

    def at(target, **rest):
        return said(tunnel.server.ask(host="tim.example.com", target=target, **rest))

    same(at("/api/x?y"), "api /api/x?y -", "not stripped")
    same(at("/api/v2/x?y=/api/v2", fields=[("X-Forwarded-Prefix", "/mine")]), "v2 /x?y=/api/v2 /api/v2", "stripped")
    same((at("/api/v2"), at("/api/v2?q")), ("v2 / /api/v2", "v2 /?q /api/v2"), "nothing is left of the path")
    same((at("/apiary"), at("/")), ("site /apiary -", "site / -"), "a default service by another name")
    same(said(tunnel.ask("v2", target="/api/v2/x")), "v2 /api/v2/x -", "its own name")
    same(tunnel.server.ask(host="tim.example.com", target="/api/v2/x").get("Location"), "/there", "Location is left alone")


@story("domains of clients' own: by the server's list, for a service or for the client, wildcards, paths, two clients by weight, HTTPS")
def _(t):
    certificate = Certificate(t.directory, names=("www.tim.org", "*.tim.org"))
    home = Certificate(t.directory, "home", names=("vault.tim.org",))
    tls = home.server_context()

    def vault(peer, origin):
        with tls.wrap_socket(peer.sock, server_side=True) as sock:
            inner = SecurePeer(sock, 30)
            inner.read_request()
            inner.send(response(200, b"vault"))

    tunnel = t.tunnel(
        {**services(t, shop={"domains": ["Shop.tim.org", "*.any.org"]}, api={"path": "/api"}, default={}, shared={"domains": "both.org"},
                    stolen={"domains": "www.ann.org"}),
         "vault": {"target": t.origin(vault).port, "kind": "tls", "domains": "vault.tim.org"},
         "domains": ["www.tim.org", "*.tim.org"]},
        server=[*DOMAIN, *certificate.options, "--hold", "0", "--domains",
                "www.tim.org=tim,*.tim.org=tim,*.any.org=tim,both.org=tim:2,both.org=ann,www.ann.org=ann,gone.org=ann"])

    def at(host, target="/", **rest):
        return said(tunnel.server.ask(host=host, target=target, **rest))

    same((at("WWW.tim.org"), at("www.tim.org:80", "/api/x")), ("default / -", "api /api/x -"), "the client's domain, by path")
    same((at("shop.tim.org"), at("api.tim.org", "/api"), at("x.any.org")), ("shop / -", "api /api -", "shop / -"), "wildcards")
    for host, status, error in (("tim.org", 404, "unknown-client"), ("x.y.any.org", 404, "unknown-client"), ("no.tim.org", 404, "unknown-service"),
                                ("www.ann.org", 404, "unknown-client")):
        answer = tunnel.server.ask(host=host)
        same((answer.status, answer.error), (status, error), host)
    tunnel.client.wait_log("session")
    tunnel.server.wait_log("stolen has the domain www.ann.org, which the server's list of domains does not give")
    with secure(tunnel.server.https, "www.tim.org", context(certificate)) as visitor:
        same(said(visitor.ask(host="www.tim.org", target="/api")), "api /api -", "HTTPS by the domain's certificate")
    with secure(tunnel.server.https, "vault.tim.org", context(home)) as visitor:
        same(visitor.ask(host="vault.tim.org").body, b"vault", "TLS passes through by the domain")
    ann = tunnel.add_client("ann", services(t, other={"domains": "both.org"}))
    wait_until(lambda: tunnel.server.knows("ann"), "ann is known")
    names = [at("both.org").split()[0] for _ in range(24)]
    check(names.count("shared") >= 14 and names.count("other") >= 6, f"turns by weight: {names}")
    same(tunnel.server.ask(host="gone.org").error, "unknown-service", "a domain that no service of ann has")
    ann.stop()
    wait_until(lambda: tunnel.server.misses("ann"), "ann is gone")
    same({at("both.org").split()[0] for _ in range(6)}, {"shared"}, "the one that is there")
    answer = tunnel.server.ask(host="www.ann.org")
    same((answer.status, answer.error), (503, "client-offline"), "whose it is remains known")


@story("reserved names: no client and no service has them, and both sides say why")
def _(t):
    tunnel = t.tunnel(services(t, hello={}, admin={}), server=[*DOMAIN, "--reserved", "www,Admin"])
    same((said(tunnel.ask("hello")), tunnel.ask("admin").error), ("hello / -", "unknown-service"), "a service")
    tunnel.server.wait_log("offers admin, a name that is reserved")
    www = tunnel.add_client("www", services(t, hello={}), wait=False)
    wait_until(lambda: "the server keeps this client id for itself (name-reserved). Another id is needed" in www.log, "the reason is printed")
    same(tunnel.server.ask(host="hello.www.example.com").error, "unknown-client", "the client")


@story("pages: who is away was last there then, also after a restart; works on one service, and on all; pages of one's own")
def _(t):
    pages = t.directory / "pages"
    pages.mkdir()
    tunnel = t.tunnel(services(t, hello={}, works={"maintenance": "Back <at> noon"}),
                      server=[*DOMAIN, "--hold", "0", "--pages", pages])
    html = [("Accept", "text/html")]

    def fails(service, error, **rest):
        answer = tunnel.ask(service, fields=html, **rest)
        same((answer.status, answer.error), (503, error), service)
        return answer.body.decode()

    check("Back &lt;at&gt; noon" in fails("works", "maintenance"), "what visitors are told")
    same(tunnel.ask("works").get("Retry-After"), "60", "Retry-After")
    same(said(tunnel.ask("hello")), "hello / -", "another service")

    def command(*words):
        made = subprocess.run([Program.find("mdm-tunnel-server"), "--state-dir", t.directory / "server.state", *words],
                              capture_output=True, text=True, timeout=seconds(10))
        same((made.returncode, made.stderr), (0, ""), " ".join(words))

    command("maintenance", "on", "All of it")
    wait_until(lambda: all(tunnel.ask("hello").error == "maintenance" for _ in range(20)), "all services are off")
    check("All of it" in fails("hello", "maintenance"), "what the administrator says")
    (pages / "maintenance.html").write_text("<h1>{{service}} of {{client}}: {{status}} {{error}}</h1>{{reason}} {{host}} {{request_id}}")
    own = "<h1>hello of tim: 503 maintenance</h1>All of it hello.tim.example.com "
    wait_until(lambda: all(fails("hello", "maintenance").startswith(own) for _ in range(20)), "our own page, on all workers")
    answer = tunnel.ask("hello", fields=html)
    check(answer.get("X-Request-Id") in answer.body.decode() and f"request {answer.get('X-Request-Id')}" in tunnel.server.log, "the number")
    same(json.loads(tunnel.ask("hello", fields=[("Accept", "application/json")]).body)["detail"], "All of it", "JSON stays")
    command("maintenance", "off")
    wait_until(lambda: all(tunnel.ask("hello").status == 200 for _ in range(20)), "it is over")
    tunnel.client.stop()
    wait_until(lambda: tunnel.server.misses("tim"), "tim is gone")
    stamp = re.compile(r"was last there on \d{4}-\d\d-\d\d at \d\d:\d\d:\d\d UTC")
    check(stamp.search(fails("hello", "client-offline")), "when it was last there")
    tunnel.server.stop()
    tunnel.restart_server()
    check(stamp.search(fails("hello", "client-offline")), "the same after a restart")
    (pages / "offline.html").write_text("{{client}}, {{last_seen}}")
    wait_until(lambda: re.fullmatch(r"tim, \d{4}-.* UTC", fails("hello", "client-offline")), "our own page")


@story("SIGHUP: domains, reserved names, pages and what clients may use change with the settings file, and nothing ends")
def _(t):
    settings, pages = t.directory / "settings.json", t.directory / "pages"
    pages.mkdir()
    (pages / "404.html").write_text("our own: {{reason}}")
    settings.write_text(json.dumps({"domains": "www.tim.org=tim"}))
    tunnel = t.tunnel(services(t, hello={"domains": ["www.tim.org", "www.ann.org"]}, admin={}), server=[*DOMAIN, "--hold", "0", "--config", settings])
    html = [("Accept", "text/html")]

    def at(host):
        answer = tunnel.server.ask(host=host, fields=html)
        return answer.status, answer.body.decode()

    def on_all(what, host, wanted):
        wait_until(lambda: all(wanted(at(host)) for _ in range(20)), what)

    same((at("www.tim.org"), at("admin.tim.example.com")[0]), ((200, "hello / -"), 200), "before")
    check("our own" not in at("nobody.tim.example.com")[1], "the built-in page")
    with tunnel.visit() as visitor:
        visitor.ask(host="www.tim.org")
        settings.write_text(json.dumps({"domains": "www.ann.org=tim:7", "reserved": "Admin", "pages": str(pages), "client_rate": 1}))
        tunnel.server.signal(signal.SIGHUP)
        tunnel.server.wait_log("settings are read again$")
        on_all("the other domain", "www.ann.org", lambda a: a == (200, "hello / -") or a[0] == 429)
        on_all("the first one is nobody's", "www.tim.org", lambda a: a[0] == 404)
        on_all("a reserved service", "admin.tim.example.com", lambda a: a[0] == 404)
        on_all("our own page", "nobody.tim.example.com", lambda a: a[1].startswith("our own: "))
        wait_until(lambda: at("www.ann.org")[0] == 429, "the rate that clients' services get")
        same(visitor.ask(host="no.tim.example.com").status, 404, "a connection from before")
    tunnel.server.wait_log("offers admin, a name that is reserved")
    tunnel.client.wait_log("the domain www.ann.org leads here")
    tunnel.client.wait_log("the domain www.tim.org does not lead here: .*domain-not-given")
    settings.write_text(json.dumps({"reserved": "tim"}))
    tunnel.server.signal(signal.SIGHUP)
    tunnel.client.wait_log(r"the server keeps this client id for itself \(name-reserved\)")
    on_all("the client itself", "hello.tim.example.com", lambda a: a[0] != 200)
    settings.write_text("{}")
    tunnel.server.signal(signal.SIGHUP)
    wait_until(lambda: at("admin.tim.example.com")[0] == 200, "and back")
    on_all("the built-in page again", "nobody.tim.example.com", lambda a: "our own" not in a[1])


if __name__ == "__main__":
    main()
