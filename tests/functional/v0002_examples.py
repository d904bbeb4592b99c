#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The settings in examples/, with ports and paths put in: proxies in front, brokers behind, certificates; the container's packages."""
import base64
import hashlib
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess

from lib import check, main, same, skip, story, wait_until
from lib.brokers import accepts, free_port
from lib.mosquitto import Authority
from lib.program import BUILD, Program
from lib.rabbitmq import RabbitMQ, RabbitNode
from lib.secure import NAMES, Certificate, context, secure
from lib.tunnel import Client

TOP = pathlib.Path(__file__).resolve().parents[2]
EXAMPLES = TOP / "examples"
PROGRAMS = ("mdm-tunnel-server", "mdm-tunnel-client", "mdm-tunnel-connect", "mdm-tunnel-proxy")
HOST = "hello.tim.example.com"


class Debian(Program):
    """A program of the system."""

    @staticmethod
    def find(name):
        return shutil.which(name, path="/usr/sbin:/usr/bin") or skip(f"{name} is not installed")


def start(t, port, name, *arguments):
    program = Debian(name, arguments, t.directory, environment={"HOME": str(t.directory), "XDG_DATA_HOME": str(t.directory)})
    t.programs.append(program)
    program.exit_matters = False

    def listens():
        if not program.running:
            raise AssertionError(f"{name} ended: {program.log}")
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    wait_until(listens, f"{name} listens")


def written(t, path, *changes):
    """A copy with other ports and paths; each of them has to be there."""
    text = (EXAMPLES / path).read_text()
    for old, new in changes:
        check(old in text, f"{path} says {old}")
        text = text.replace(old, str(new))
    copy = t.directory / pathlib.Path(path).name
    copy.write_text(text)
    return copy


def passes(t, origin, certificate, port):
    """A request arrives with the visitor's own scheme, address and host."""
    with secure(port, HOST, context(certificate), source="127.0.0.5") as visitor:
        same(visitor.ask(host=HOST).body, b"hello\n", "answer")
    same(origin.requests[-1].get("X-Forwarded-Proto"), "https", "scheme")
    same(origin.requests[-1].get("X-Forwarded-For"), "127.0.0.5, 127.0.0.1", "visitor and proxy")
    same(origin.requests[-1].get("Host"), HOST, "host")


def front(t, path, program, port, more):
    Debian.find(program)
    certificate = Certificate(t.directory, names=[*NAMES, "example.com"])
    origin = t.origin()
    tunnel = t.tunnel({"hello": origin}, server=["--domain", "example.com", "--trusted-proxies", "127.0.0.1"])
    config = written(t, path, ("127.0.0.1:8000", f"127.0.0.1:{tunnel.server.http}"),
                     ("/etc/ssl/example.com/fullchain.pem", certificate.cert),
                     ("/etc/ssl/example.com/privkey.pem", certificate.key), *more)
    return origin, certificate, config


@story("nginx in front, with its example", only="plain")
def _(t):
    port = free_port()
    origin, certificate, site = front(t, "front/nginx.conf", "nginx", port, [("listen 443 ", f"listen 127.0.0.1:{port} ")])
    whole = t.directory / "whole.conf"
    paths = "".join(f"{kind}_temp_path {t.directory};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    whole.write_text(f"user root; pid {t.directory}/pid; error_log stderr; events {{}}\n"
                     f"http {{ access_log off; {paths} include {site}; }}\n")
    start(t, port, "nginx", "-e", "stderr", "-c", whole, "-g", "daemon off;")
    passes(t, origin, certificate, port)


@story("Caddy in front, with its example", only="plain")
def _(t):
    port = free_port()
    origin, certificate, config = front(t, "front/Caddyfile", "caddy", port,
                                        [(".com:443", f".com:{port}"), ("admin off", "admin off\n\tauto_https off")])
    start(t, port, "caddy", "run", "--config", config, "--adapter", "caddyfile")
    passes(t, origin, certificate, port)


def secret(t):
    file = t.directory / "secret"
    file.write_text("secret\n")
    file.chmod(0o600)
    return file


def serves(t, authority, port):
    """Server and client meet at the broker, each with a user of its own."""
    way = ["--broker", f"mqtts://127.0.0.1:{port}", "--ca-cert", authority.cert, "--password-file", secret(t)]
    tunnel = t.tunnel({"hello": t.origin()}, server=[*way, "--username", "server"], client=[*way, "--username", "tim"])
    same(tunnel.ask().body, b"hello\n", "answer")
    wrong = Client(t.directory, "eve", 1, {"hello": 9}, [*way, "--username", "eve", "--max-attempts", "1"], label="wrong")
    tunnel.programs.append(wrong)
    same(wrong.wait_exit(30), 1, "exit status of a user that the broker does not know")


@story("mosquitto behind, with its example: TLS, passwords, the ACL", only="plain")
def _(t):
    port = free_port()
    authority = Authority(t.directory)
    cert, key = authority.sign("broker", "IP:127.0.0.1")
    passwords = t.directory / "passwords"
    for flags, name in ((["-c"], "server"), ([], "tim")):
        subprocess.run(["mosquitto_passwd", *flags, "-b", passwords, name, "secret"], check=True, capture_output=True)
    config = written(t, "brokers/mosquitto.conf", ("listener 8883", f"user root\nlistener {port} 127.0.0.1"),
                     ("/etc/mosquitto/certs/fullchain.pem", cert), ("/etc/mosquitto/certs/privkey.pem", key),
                     ("/etc/mosquitto/passwords", passwords), ("/etc/mosquitto/mdm-tunnel.acl", EXAMPLES / "connect" / "mosquitto.acl"))
    start(t, port, "mosquitto", "-c", config)
    serves(t, authority, port)


@story("NATS behind, with its example: TLS, users", only="plain")
def _(t):
    port = free_port()
    authority = Authority(t.directory)
    cert, key = authority.sign("broker", "IP:127.0.0.1")
    config = written(t, "brokers/nats.conf", ("/etc/nats/fullchain.pem", cert), ("/etc/nats/privkey.pem", key),
                     ("/var/lib/nats", t.directory / "data"), ("127.0.0.1:4222", f"127.0.0.1:{free_port()}"),
                     ("0.0.0.0:8883", f"127.0.0.1:{port}"), ('"change this, too"', "secret"), ('"change this"', "secret"))
    start(t, port, "nats-server", "-c", config)
    serves(t, authority, port)


def user(name, salt=b"salt"):
    """As rabbitmqctl add_user keeps it."""
    kept = base64.b64encode(salt + hashlib.sha256(salt + b"secret").digest()).decode()
    return {"name": name, "password_hash": kept, "hashing_algorithm": "rabbit_password_hashing_sha256", "tags": []}


@story("RabbitMQ behind, with its example: TLS, users and what they may", only="plain", slow=True)
def _(t):
    authority = Authority(t.directory)
    cert, key = authority.sign("broker", "IP:127.0.0.1")

    class ExampleNode(RabbitNode):
        def write_config(self, nodes):
            text = (EXAMPLES / "brokers" / "rabbitmq.conf").read_text()
            may = re.search(r"rabbitmqctl set_permissions tim '(.*?)' '(.*?)' '(.*?)'", text).groups()
            definitions = self.directory / "definitions.json"
            definitions.write_text(json.dumps({
                "vhosts": [{"name": "/"}], "users": [user("server"), user("tim")],
                "permissions": [{"user": name, "vhost": "/", **dict(zip(("configure", "write", "read"), may))}
                                for name in ("server", "tim")]}))
            config = written(t, "brokers/rabbitmq.conf", ("ssl.default = 8883", f"ssl.1 = 127.0.0.1:{self.port}"),
                             ("/etc/rabbitmq/chain.pem", authority.cert), ("/etc/rabbitmq/fullchain.pem", cert),
                             ("/etc/rabbitmq/privkey.pem", key))
            self.config.write_text(config.read_text() + f"load_definitions = {definitions}\nlisteners.tcp = none\n"
                                   "log.console = true\nlog.console.level = warning\nlog.file = false\n"
                                   "disk_free_limit.absolute = 50MB\n")

        def wait_ready(self, limit=240):
            def ready():
                if self.process.poll() is not None:
                    raise AssertionError(f"{self.name} ended: {self.log[-3000:]}")
                return accepts(self.port)

            wait_until(ready, "RabbitMQ listens", limit)

    class Example(RabbitMQ):
        node_type = ExampleNode

    serves(t, authority, t.keep(Example(t.directory)).port)


@story("EMQX's rules are those of mosquitto's ACL; Erlang reads them", only="plain")
def _(t):
    word = {"subscribe": "read", "publish": "write", "all": "readwrite"}
    rules = (EXAMPLES / "brokers" / "emqx-acl.conf").read_text()
    ours = [(word[action], topic.replace("${clientid}", "%c"))
            for action, topic in re.findall(r'^\{allow, all, (\w+), \["(\S+)"\]\}\.$', rules, re.M)]
    theirs = re.findall(r"^pattern (\w+) (\S+)$", (EXAMPLES / "connect" / "mosquitto.acl").read_text(), re.M)
    check(ours and rules.endswith("{deny, all}.\n"), "there are rules, and nothing else is allowed")
    same(ours, theirs, "rules")
    settings = (EXAMPLES / "brokers" / "emqx.conf").read_text()
    check("/emqx-acl.conf" in settings and all(settings.count(a) == settings.count(b) for a, b in ("{}", "[]")), "the settings are whole")
    erl = shutil.which("erl") or skip("Erlang is not installed")
    done = subprocess.run([erl, "-noshell", "-eval", "{ok, Rules} = file:consult(hd(init:get_plain_arguments())), "
                           "io:format(\"~b\", [length(Rules)]), halt().", "-extra", EXAMPLES / "brokers" / "emqx-acl.conf"],
                          capture_output=True, text=True, check=False, env={**os.environ, "HOME": str(t.directory)})
    same((done.returncode, done.stdout), (0, str(len(ours) + 1)), f"what Erlang reads: {done.stderr}")


@story("uacme's hook: a challenge is answered by the server, and gone afterwards")
def _(t):
    root = t.directory / "acme"
    root.mkdir()
    tunnel = t.tunnel(server=["--acme-webroot", root])

    def hook(*words):
        return subprocess.run([EXAMPLES / "certificates" / "uacme-hook.sh", *words], capture_output=True, check=False,
                              env={"ACME_WEBROOT": str(root), "PATH": "/usr/bin:/bin"}).returncode

    target = "/.well-known/acme-challenge/token-1"
    same(hook("begin", "http-01", HOST, "token-1", "token-1.proof"), 0, "begin")
    same(tunnel.server.ask(target=target, host=HOST).body, b"token-1.proof", "what the authority reads")
    same(hook("done", "http-01", HOST, "token-1", "token-1.proof"), 0, "done")
    check(tunnel.server.ask(target=target, host=HOST).status != 200, "it is gone")
    same(hook("begin", "tls-alpn-01", HOST, "token-1", "proof"), 1, "another type")
    check(hook("begin", "http-01", HOST, "../escape", "proof") != 0, "a token stays in its folder")


@story("the Containerfile names packages that there are, and all that the programs need", only="plain")
def _(t):
    stages = (TOP / "Containerfile").read_text().split("\nFROM ")[1:]
    lists = [re.search(r"--no-install-recommends \\\n(.*?)(?:\n[A-Z]|\\\n    &&)", s, re.S)[1].replace("\\", " ").split() for s in stages]
    if not list(pathlib.Path("/var/lib/apt/lists").glob("*Packages*")):
        skip("apt has no lists")
    known = subprocess.run(["apt-cache", "policy", *lists[0], *lists[1]], capture_output=True, text=True, check=True).stdout
    there = re.findall(r"^(\S+):\n  Installed: .*\n  Candidate: [^(\n]+$", known, re.M)
    same(set(lists[0] + lists[1]) - set(there), set(), "packages that Debian does not have")
    needed = subprocess.run(["readelf", "-d", *(BUILD / program for program in PROGRAMS)], capture_output=True, text=True, check=True)
    script = (TOP / "packages").read_text()
    same(set(lists[0]), set(re.search(r'^build="(.*?)"', script, re.M | re.S)[1].split()), "what ./packages installs to build")
    names = {f"*/{name}" for name in re.findall(r"\(NEEDED\).*\[(.*)\]", needed.stdout)}
    owners = subprocess.run(["dpkg", "-S", *names], capture_output=True, text=True, check=True).stdout
    same(set(re.findall(r"^([^:\n]+):(?!.*/lib32/)", owners, re.M)) - {*lists[1], "libc6"}, set(), "packages of libraries that are left out")


main()
