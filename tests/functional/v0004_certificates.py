#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The certificates of examples/certificates, from an authority (Pebble) that looks for its challenges, and a name server (Knot)."""
import json
import os
import pathlib
import shutil
import ssl
import subprocess
import urllib.request

from lib import main, same, seconds, skip, story, wait_until
from lib.brokers import accepts, free_port
from lib.mosquitto import Authority
from lib.program import Program
from lib.secure import context, secure

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples" / "certificates"
SECRET = "YJ1hRFuGJPIkmYkrg7lHQvyBaHUWssBzPQbXKDRQcik="
SYSTEM = "/etc/ssl/certs/ca-certificates.crt"


class Debian(Program):
    @staticmethod
    def find(name):
        return shutil.which(name, path="/usr/sbin:/usr/bin") or skip(f"{name} is not installed")


def start(t, port, name, arguments, environment=None):
    program = Debian(name, arguments, t.directory, environment=environment)
    program.exit_matters = False
    t.programs.append(program)
    wait_until(lambda: accepts(port) or not program.running, f"{name} listens")
    return program


def name_server(t):
    """example.com and all below it are this machine; whoever has the key may change records."""
    port = free_port()
    (t.directory / "example.com.zone").write_text(
        "$ORIGIN example.com.\n$TTL 60\n@ SOA ns admin 1 60 60 60 60\n@ NS ns\n@ A 127.0.0.1\nns A 127.0.0.1\n* A 127.0.0.1\n"
        "tim A 127.0.0.1\n*.tim A 127.0.0.1\n")
    (t.directory / "knot.conf").write_text(
        f"server:\n    listen: 127.0.0.1@{port}\n    rundir: {t.directory}\nlog:\n  - target: stderr\n    any: warning\n"
        f"database:\n    storage: {t.directory}\nkey:\n  - id: update\n    algorithm: hmac-sha256\n    secret: {SECRET}\n"
        "acl:\n  - id: update\n    key: update\n    action: update\n"
        f"zone:\n  - domain: example.com\n    storage: {t.directory}\n    file: example.com.zone\n    acl: update\n")
    start(t, port, "knotd", ["-c", t.directory / "knot.conf"])
    return port


class Acme:
    """Pebble: asks for HTTP-01 at `http`, for DNS-01 at the name server. Who trusts `trust` trusts what it signs, and itself."""

    def __init__(self, t, names, http):
        authority = Authority(t.directory)
        cert, key = authority.sign("pebble", "IP:127.0.0.1")
        port, management = free_port(), free_port()
        (t.directory / "pebble.json").write_text(json.dumps({"pebble": {
            "listenAddress": f"127.0.0.1:{port}", "managementListenAddress": f"127.0.0.1:{management}", "certificate": str(cert),
            "privateKey": str(key), "httpPort": http, "tlsPort": free_port(), "ocspResponderURL": ""}}))
        start(t, port, "pebble", ["-config", t.directory / "pebble.json", "-dnsserver", f"127.0.0.1:{names}"],
              {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0"})
        self.url = f"https://127.0.0.1:{port}/dir"
        self.trust = self.cert = t.directory / "trust.pem"
        made = ssl.create_default_context(cafile=authority.cert)
        with urllib.request.urlopen(f"https://127.0.0.1:{management}/roots/0", context=made, timeout=seconds(10)) as root:
            self.trust.write_text(authority.cert.read_text() + root.read().decode())


def run(t, command, **environment):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=seconds(120), check=False,
                          cwd=t.directory, env={**os.environ, "HOME": str(t.directory),
                                                **{name: str(value) for name, value in environment.items()}})
    same(done.returncode, 0, f"{command[0]}: {done.stdout}{done.stderr}")


def trusted(t, acme, cert, key, names):
    """A server has them, and visitors who know the authority believe it."""
    served = t.tunnel({"hello": t.origin()}, server=["--domain", "example.com", "--tls-port", 0, "--tls-cert", cert, "--tls-key", key])
    for name in names:
        with secure(served.server.https, name, context(acme)) as visitor:
            visitor.ask(host=name)


@story("uacme with the hook: HTTP-01 through the server for a name, DNS-01 for a wildcard; the server has what it got", only="plain")
def _(t):
    names = name_server(t)
    (t.directory / "webroot").mkdir()
    server = t.tunnel(server=["--acme-webroot", t.directory / "webroot"]).server
    acme = Acme(t, names, server.http)
    # uacme trusts the system's authorities only, so it has a system of its own.
    own = ["unshare", "-m" if os.getuid() == 0 else "-rm", "sh", "-ec", 'mount --bind "$0" ' + SYSTEM + '; exec "$@"', acme.trust]
    if subprocess.run([*own, "true"], capture_output=True, check=False).returncode != 0:
        skip("no mount namespaces here")
    (t.directory / "update.key").write_text(f'key "update" {{ algorithm hmac-sha256; secret "{SECRET}"; }};\n')
    folder = t.directory / "bin"
    folder.mkdir()
    # The hook's nsupdate asks DNS which server it is; here it is told.
    (folder / "nsupdate").write_text(f'#!/bin/sh\n(echo "server 127.0.0.1 {names}"; cat) | {Debian.find("nsupdate")} "$@"\n')
    (folder / "nsupdate").chmod(0o755)
    uacme = [*own, Debian.find("uacme"), "-a", acme.url, "-c", t.directory / "uacme", "-t", "EC"]
    rest = {"ACME_WEBROOT": t.directory / "webroot", "PATH": f"{folder}:/usr/bin:/bin"}
    run(t, [*uacme, "-y", "new", "you@example.com"], **rest)
    run(t, [*uacme, "-h", EXAMPLES / "uacme-hook.sh", "issue", "tim.example.com"], **rest)
    run(t, [*uacme, "-h", EXAMPLES / "uacme-hook.sh", "issue", "example.com", "*.example.com"], NSUPDATE_KEY=t.directory / "update.key",
        **rest)
    for name, visited in (("tim.example.com", ["tim.example.com"]), ("example.com", ["example.com", "hello--tim.example.com"])):
        trusted(t, acme, t.directory / "uacme" / name / "cert.pem", t.directory / "uacme" / "private" / name / "key.pem", visited)


@story("lego with its example: DNS-01 for the wildcards, by dynamic updates; the server has what it got", only="plain")
def _(t):
    names = name_server(t)
    acme = Acme(t, names, free_port())
    text = (EXAMPLES / "lego.sh").read_text()
    for old, new in (("exec lego", f"exec {Debian.find('lego')} --server {acme.url} --dns.resolvers 127.0.0.1:{names} --dns.disable-cp"),
                     ("=127.0.0.1}", f"=127.0.0.1:{names}}}")):
        same(text.count(old), 1, f"lego.sh says {old}")
        text = text.replace(old, new)
    (t.directory / "lego.sh").write_text(text)
    run(t, ["sh", t.directory / "lego.sh"], LEGO_PATH=t.directory / "lego", LEGO_CA_CERTIFICATES=acme.trust, RFC2136_TSIG_KEY="update.",
        RFC2136_SEQUENCE_INTERVAL=1, RFC2136_TSIG_SECRET=SECRET, RFC2136_TSIG_ALGORITHM="hmac-sha256.")
    got = t.directory / "lego" / "certificates" / "example.com"
    trusted(t, acme, got.with_name("example.com.crt"), got.with_name("example.com.key"),
            ["example.com", "hello--tim.example.com", "hello.tim.example.com"])


main()
