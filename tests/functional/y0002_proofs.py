#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Domains that clients prove by TXT records."""
import json
import re
import signal
import subprocess

from lib import check, main, response, same, seconds, story, wait_until
from lib.dns import NameServer
from lib.program import Program
from lib.tunnel import Client

DOMAIN = ["--domain", "example.com", "--hold", "0"]


def services(t, *domains, answer=b"hello"):
    return {"hello": {"target": t.origin(lambda request: response(200, answer)).port, "domains": list(domains)}}


def proving(t, *options, interval="0.2"):
    """The name server, and the options of a server that asks it."""
    dns = t.keep(NameServer())
    return dns, [*DOMAIN, "--domain-proof", interval, "--resolver", dns.address, *options]


def wanted(client, domain):
    """The record that the client says."""
    line = client.wait_log(rf"the domain {re.escape(domain)} does not lead here: .*domain-unproven.*")
    name, text = re.search(r'Set this record: (\S+)\. TXT "([^"]*)"', line).groups()
    return name, text


def leads(server, host, status=200, error=None):
    def is_so():
        answers = [server.ask(host=host) for _ in range(20)]
        return all((a.status, a.error if error else None) == (status, error) for a in answers)

    wait_until(is_so, f"{host} answers {status}", 20)


@story("the record that the client is told proves its domain, a wildcard, too; it ends with the record, and not with the resolver")
def _(t):
    dns, options = proving(t)
    tunnel = t.tunnel(services(t, "www.tim.org", "*.any.org", "x.example.com"), server=options)
    name, text = wanted(tunnel.client, "www.tim.org")
    key = re.search("SHA256:[A-Za-z0-9+/]{43}", text)[0]
    same((name, text), ("_mdm-tunnel.www.tim.org", f"example.com {key}"), "the record")
    same(wanted(tunnel.client, "*.any.org"), ("_mdm-tunnel.any.org", text), "of a wildcard")
    tunnel.client.wait_log("x.example.com does not lead here: .*domain-not-given.*--domains")

    def status(*options):
        done = subprocess.run([Program.find("mdm-tunnel-client"), "--state-dir", t.directory / "client-tim.state", *options, "status"],
                              capture_output=True, text=True, check=True, timeout=seconds(20))
        return done.stdout

    check(f'REFUSED: the domain www.tim.org does not lead here: ' in status() and f'TXT "{text}"' in status(), "status says so, too")
    of = lambda: {p["domain"]: p["error"] for p in json.loads(status("--json"))["public"]}  # noqa: E731
    same(of(), {"www.tim.org": "domain-unproven", "*.any.org": "domain-unproven", "x.example.com": "domain-not-given"}, "as JSON")
    same(tunnel.server.ask(host="www.tim.org").status, 404, "not proven")
    other = key[:-1] + ("A" if key[-1] != "A" else "B")
    dns.records[name] = ["", "example.com", key, f"example.org {key}", f"example.com {other}", f"example.com {key.lower()}", f"{text} ",
                         f"xexample.com {key}", "x" * 2000]
    before = dns.asked[name]
    wait_until(lambda: dns.asked[name] >= before + 4, "none of those is the record", 20)  # over TCP, as they are long
    same(tunnel.server.ask(host="www.tim.org").status, 404, "not proven")
    dns.records[name] = ["something else", text.replace("example", "Example")]
    dns.records["_mdm-tunnel.any.org"] = [text]
    dns.records["_mdm-tunnel.x.example.com"] = [text]
    leads(tunnel.server, "WWW.tim.org")
    leads(tunnel.server, "a.any.org")
    tunnel.client.wait_log(r"the domain www\.tim\.org leads here")
    wait_until(lambda: "domain www.tim.org: leads here\n" in status() and of()["*.any.org"] == "", "status")
    same(tunnel.server.ask(host="x.example.com").status, 404, "a name of the server's own")
    check("_mdm-tunnel.x.example.com" not in dns.asked, "is not asked for")
    dns.broken = True
    before = dns.asked[name]
    wait_until(lambda: dns.asked[name] >= before + 3, "the resolver says that it cannot", 20)
    same(tunnel.server.ask(host="www.tim.org").status, 200, "what was proven holds meanwhile")
    dns.broken = False
    del dns.records[name]
    leads(tunnel.server, "www.tim.org", 404)
    leads(tunnel.server, "a.any.org")
    tunnel.client.write_services(services(t, "www.tim.org"))
    leads(tunnel.server, "a.any.org", 404)
    same(of(), {"www.tim.org": "domain-unproven"}, "what no service wants any more")


@story("another client, and the same id with another key, have nothing of a proof; a forgotten key loses it at once")
def _(t):
    dns, options = proving(t)
    tunnel = t.tunnel(services(t, "www.tim.org"), server=options)
    name, text = wanted(tunnel.client, "www.tim.org")
    dns.records[name] = [text]
    leads(tunnel.server, "www.tim.org")
    ann = tunnel.add_client("ann", services(t, "www.tim.org", answer=b"stolen"))
    check(wanted(ann, "www.tim.org")[1] != text, "ann's record would be another")
    same({tunnel.server.ask(host="www.tim.org").body for _ in range(20)}, {b"hello"}, "whose it is")
    tunnel.client.stop()
    wait_until(lambda: tunnel.server.misses("tim"), "tim is gone")
    leads(tunnel.server, "www.tim.org", 503, "client-offline")
    subprocess.run([Program.find("mdm-tunnel-server"), "--state-dir", t.directory / "server.state", "clients", "forget", "tim"], check=True,
                   timeout=seconds(10))
    leads(tunnel.server, "www.tim.org", 404)
    thief = Client(t.directory, "tim", tunnel.server.mqtt, services(t, "www.tim.org", answer=b"stolen"), label="thief", state="thief")
    tunnel.programs.append(thief)
    check(wanted(thief, "www.tim.org")[1] != text, "the next owner of the id has to prove it, too")
    same(tunnel.server.ask(host="www.tim.org").status, 404, "the domain")


@story("answers that are none, and no answers, prove nothing; the number of questions is bounded; off by default, and SIGHUP turns it on")
def _(t):
    settings = t.directory / "settings.json"
    settings.write_text("{}")
    dns = t.keep(NameServer())
    many = {name: {"target": t.origin(lambda request: response(200, b"")).port, "domains": [f"d{first + i}.tim.org" for i in range(10)]}
            for name, first in (("a", 0), ("b", 10), ("c", 20))}
    tunnel = t.tunnel(many, server=[*DOMAIN, "--resolver", dns.address, "--config", settings])
    tunnel.client.wait_log("the domain d0.tim.org does not lead here: .*domain-not-given.*--domains")
    same((dns.asked, tunnel.server.ask(host="d0.tim.org").status), ({}, 404), "nobody is asked")
    for i, raw in enumerate((b"", b"\x81", b"\x81\x80\0\1\xff\xff\0\0\0\0", b"\x81\x80\0\1\0\1\0\0\0\0" + b"\xc0\x0c" * 40,
                             b"\x81\x80\0\0\0\1\0\0\0\0\0\0\x10\0\1\0\0\0\1\xff\xff\xff")):
        dns.raw[f"_mdm-tunnel.d{i}.tim.org"] = raw
    settings.write_text(json.dumps({"domain_proof": 300}))
    tunnel.server.signal(signal.SIGHUP)
    tunnel.client.wait_log("the domain d15.tim.org does not lead here: .*domain-unproven")
    tunnel.client.wait_log(r"more domains than one may have", 20)
    text = wanted(tunnel.client, "d15.tim.org")[1]
    same(len(dns.asked), 16, f"as many as one client may have: {dns.asked}")
    check(max(dns.asked.values()) <= 6, f"and each a few times: {dns.asked}")
    same(tunnel.ask("a").status, 200, "all else goes on")
    settings.write_text(json.dumps({"domain_proof": 0.2}))
    dns.records["_mdm-tunnel.d15.tim.org"] = [text]
    tunnel.server.signal(signal.SIGHUP)
    leads(tunnel.server, "d15.tim.org")
    settings.write_text("{}")
    tunnel.server.signal(signal.SIGHUP)
    leads(tunnel.server, "d15.tim.org", 404)


@story("settings that do not fit together for proofs are named", only="plain")
def _(t):
    for options, status, why in ((["--domain-proof", "60"], 2, "domain-proof: domain is missing"),
                                 (["--domain-proof", "60", *DOMAIN, "--auth", "open"], 2, "domain-proof: with auth open"),
                                 (["--domain-proof", "60", *DOMAIN, "--no-encryption"], 2, "domain-proof: without encryption"),
                                 (["--resolver", "a resolver"], 1, "resolver: ")):
        done = subprocess.run([Program.find("mdm-tunnel-server"), "--port", "0", "--client-port", "0", "--state-dir", t.directory / "state",
                               *options], capture_output=True, text=True, timeout=seconds(20))
        same(done.returncode, status, str(options))
        check(why in done.stderr, done.stderr)


if __name__ == "__main__":
    main()
