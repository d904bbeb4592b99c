#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Settings that other tools' users have already."""
import json
import pathlib
import re
import subprocess
import threading

from lib import check, main, same, seconds, story
from lib.cloud import ALPN, PAYLOAD_MAX, Cloud
from lib.mosquitto import Authority, Mosquitto
from lib.program import Program
from lib.rabbitmq import RabbitMQ
from lib.workstation import CONNECT, Site, dial, echo, fingerprint


@story("mqtunnel's config.json as it is, at a broker with TLS and client certificates: a port that the workstation names")
def _(t):
    authority = Authority(t.directory)
    cert, key = authority.sign("broker", "DNS:localhost")
    own_cert, own_key = authority.sign("device", "DNS:device")
    broker = t.keep(Mosquitto(t.directory, f"certfile {cert}", f"keyfile {key}", f"cafile {authority.cert}",
                              "require_certificate true"))
    config = t.directory / "config.json"
    config.write_text(json.dumps({"host": "localhost", "port": broker.port, "clientId": "any", "caCert": str(authority.cert),
                                  "clientCert": str(own_cert), "privateKey": str(own_key), "control": "device/oven-1/control"}))
    target = t.origin(echo)
    state = t.directory / "device.state"
    state.mkdir(mode=0o700)
    (state / "authorized_peers").write_text(f"oli {fingerprint(t.directory)}\n")
    device = Program("mdm-tunnel-client", ["-v", "--settings", config, "--state-dir", state, "--server-key", "none",
                                           "--allow-ports", target.port, "--drain", "1", "web=9"], t.directory)
    t.programs.append(device)
    device.wait_log("identified as oven-1")
    arguments = ["--settings", config, "--state-dir", t.directory / "oli.workstation", "-l", "0", "-r", target.port]
    program = Program(CONNECT, arguments, t.directory)
    t.programs.append(program)
    port = int(program.wait_log(r" is at .*:\d+$").rsplit(":", 1)[1])
    check(f"oven-1/localhost:{target.port} is at" in program.log, program.log)
    with dial(port) as peer:
        peer.send(b"x" * 100000)
        same(peer.read_exact(100000), b"x" * 100000, "echo")
    wrong = Program(CONNECT, [*arguments, "--broker", f"mqtts://localhost:{broker.port}", "--ca-cert", own_cert], t.directory, "wrong")
    t.programs.append(wrong)
    same(wrong.wait_exit(), 1, "another authority: exit status")
    check("cannot connect to" in wrong.log, wrong.log)
    named = Program(CONNECT, [*arguments, "nobody", "--timeout", "1"], t.directory, "named",
                    environment={"MDM_TUNNEL_BROKER": "mqtt://127.0.0.1:1"})
    t.programs.append(named)
    same(named.wait_exit(), 1, "the environment comes before the file: exit status")
    check("cannot connect to mqtt://127.0.0.1:1" in named.log, named.log)


EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples"


@story("mosquitto with the ACL of the examples and a password; a wrong password is said, and ends it")
def _(t):
    passwords = t.directory / "passwords"
    passwords.write_text("oli:secret\n")
    subprocess.run(["mosquitto_passwd", "-U", passwords], check=True)
    broker = t.keep(Mosquitto(t.directory, f"password_file {passwords}", f"acl_file {EXAMPLES}/connect/mosquitto.acl",
                              "log_type all", anonymous=False))
    settings = t.directory / "settings.json"
    settings.write_text(json.dumps({"username": "oli", "password": "secret"}))
    s = Site(t, broker, {"ssh": t.origin(echo)}, options=["--settings", settings])
    _program, port = s.way("--settings", settings, "gateway")
    with dial(port) as peer:
        peer.send(b"x")
        same(peer.read_exact(1), b"x", "echo")
    log = (t.directory / "mosquitto.log").read_text()
    check("PUBLISH" in log and "'mdm/who'" in log and "enied" not in log, "the ACL forbids nothing that the programs do")
    wrong = s.workstation("--username", "oli", "gateway", environment={"MDM_TUNNEL_BROKER_PASSWORD": "guess"}, label="wrong")
    same(wrong.wait_exit(), 1, "exit status")
    check("cannot connect to" in wrong.log and "guess" not in wrong.log, wrong.log)
    script = (f"source {EXAMPLES.parent}/system/completion/bash/mdm-tunnel-connect; COMP_WORDS=({Program.find(CONNECT)} --state-dir "
              f"{t.directory}/oli.workstation gate); COMP_CWORD=3; _mdm_tunnel_connect; echo ${{COMPREPLY[@]}}; "
              f"COMP_WORDS[3]=--forw; _mdm_tunnel_connect; echo ${{COMPREPLY[@]}}")
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    same(done.stdout, "gateway\n--forward\n", "what the shell completes")


@story("as at AWS IoT Core: ALPN, client certificates by gotthard's names, its CRYPT_KEY; within the example's policy and the bounds",
       only="plain")
def _(t):
    authority = Authority(t.directory)
    cloud = t.keep(Cloud(t.directory, authority.sign("broker", "DNS:localhost"), authority.cert,
                         EXAMPLES / "connect" / "aws-iot-policy.json"))
    certs = t.directory / "certs"
    certs.mkdir()
    for path, name in zip((*authority.sign("device", "DNS:device"), authority.cert), ("cert.pem", "private.key", "ca.crt")):
        (certs / name).write_bytes(path.read_bytes())
    environment = {"CRYPT_KEY": "0123456789abcdefghijklmnopqrstuv", "CRYPT_IV": "00ff" * 8, "MDM_TUNNEL_BROKER_CERTS": str(certs)}
    settings = t.directory / "settings.json"
    settings.write_text(json.dumps({"broker": f"mqtts://localhost:{cloud.port}", "alpn": ALPN, "max_payload": PAYLOAD_MAX,
                                    "prefix": "mdm", "psk_file": "/not/here"}))

    def start(name, label, *arguments, **variables):
        program = Program(name, ["-v", "--settings", settings, "--state-dir", t.directory / f"{label}.state", *arguments], t.directory,
                          label, environment={**environment, **variables})
        t.programs.append(program)
        return program

    device = start("mdm-tunnel-client", "device", "-i", "gateway", "--server-key", "none", "--drain", "1", f"ssh={t.origin(echo).port}")
    device.wait_log("identified as gateway")
    program = start(CONNECT, "oli", "gateway")
    port = int(program.wait_log(r"gateway/ssh is at .*:\d+$").rsplit(":", 1)[1])
    for each in (device, program):
        check("CRYPT_KEY: of the environment is the pre-shared key crypt-key; CRYPT_IV is not used" in each.log, each.log)
        left = pathlib.Path(f"/proc/{each.process.pid}/environ").read_bytes()
        check(b"0123456789abc" not in left and b"00ff00ff" not in left and b"0123456789abc" not in each.log.encode(), "it is wiped")
    with dial(port, 20) as peer:
        data = bytes(range(256)) * 16384
        threading.Thread(target=peer.send, args=(data,)).start()
        same(peer.read_exact(len(data)), data, "echo")
    check(any(size > 100 << 10 for *_, size in cloud.deeds()), "messages are as large as they may be")
    same(cloud.check(),
         {"iot:Subscribe", "iot:Receive", "iot:Publish", "iot:RetainPublish"}, "what was done")
    for label, arguments, variables, word in (
            ("other-key", (), {"CRYPT_KEY": "another key of sixteen bytes, too"}, "pre-shared"),
            ("no-key", (), {"CRYPT_KEY": "short"}, "CRYPT_KEY: has not 16 to 64 bytes"),
            ("other-alpn", ("--alpn", "mqtt"), {}, "cannot connect to")):
        wrong = start(CONNECT, label, "--timeout", "1", *arguments, "gateway", **variables)
        same(wrong.wait_exit(), 1, f"{label}: exit status")
        check(word in wrong.log, wrong.log)


@story("who is there: at any broker all devices with their services, at a server's those that are known or named")
def _(t):
    s = Site(t, t.keep(Mosquitto(t.directory)), {"ssh": t.origin(echo), "web": 9})
    other = Program("mdm-tunnel-client", ["--id", "other", "--broker", f"mqtt://127.0.0.1:{s.place.port}", "--state-dir",
                                          t.directory / "other.state", "-v", "--drain", "1", "x=9"], t.directory)
    t.programs.append(other)
    other.wait_log("connected to")

    def listing(site, *arguments):
        done = subprocess.run(site.command("--list", *arguments), capture_output=True, text=True, timeout=seconds(20), check=False)
        lines = [re.fullmatch(r"(\S+) +(?:-|\S+ \S+) +(?:-|[\d.]+ ms)  (.*)", line) for line in done.stdout.splitlines()]
        return done.returncode, [list(line.groups()) for line in lines]

    refused = "(the device does not let this workstation in)"
    same(listing(s), (0, [["gateway", "ssh web"], ["other", refused]]), "at mosquitto")
    same(listing(s, "gateway"), (0, [["gateway", "ssh web"]]), "one by its name")
    s.device.stop()
    server = Site(t, t.tunnel().server, {"ssh": 9})
    same(listing(server)[0], 1, "nobody is known at the server: exit status")
    same(listing(server, "gateway"), (0, [["gateway", "ssh"]]), "one by its name at the server")
    same(listing(server), (0, [["gateway", "ssh"]]), "it is known now")


@story("at RabbitMQ, which tells no wildcard what it remembers: who is there is asked, and a device is found", only="plain", slow=True)
def _(t):
    s = Site(t, t.keep(RabbitMQ(t.directory)), {"ssh": t.origin(echo)})
    _, port = s.way()
    with dial(port) as peer:
        peer.send(b"x")
        same(peer.read_exact(1), b"x", "echo")
    done = subprocess.run(s.command("--list"), capture_output=True, text=True, timeout=seconds(20), check=False)
    check(done.stdout.startswith("gateway ") and done.stdout.rstrip().endswith(" ssh"), done.stdout + done.stderr)


main()
