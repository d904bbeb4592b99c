#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Pre-shared keys and certificates of an authority instead of keys that are known; secrets that stay where they belong."""
import os
import pathlib
import subprocess

from lib import check, main, response, same, seconds, story, wait_until
from lib.mosquitto import Authority
from lib.program import Program
from lib.tunnel import Client

ONE, TWO = "0f" * 16, "1e" * 32


def write(path, text, mode=0o600):
    path.write_text(text)
    path.chmod(mode)
    return path


def usage_error(*words, environment=None):
    done = subprocess.run([Program.find(words[0]), *map(str, words[1:])], capture_output=True, text=True, timeout=seconds(10),
                          env={**os.environ, **(environment or {})})
    check(done.returncode in (1, 2), f"{words}: exit status {done.returncode}")
    check(ONE not in done.stderr and TWO not in done.stderr, f"the key is in {done.stderr!r}")
    return done.stderr


def client(t, tunnel, name, options, body=b"hello\n", environment=None, state=None):
    program = Client(t.directory, name, tunnel.server.mqtt, {"hello": t.origin(response(200, body))}, options,
                     label=f"client-{name}-{len(tunnel.programs)}", environment=environment, state=state)
    tunnel.programs.append(program)
    return program


def clients_command(t, *words):
    subprocess.run([Program.find("mdm-tunnel-server"), "--state-dir", t.directory / "server.state", "clients", *words],
                   check=True, timeout=seconds(10))


def wait_there(tunnel, name, program):
    tunnel.wait_connected(name, program)
    same(tunnel.ask(host=tunnel.host("hello", name)).status, 200, f"status of {name}")


@story("pre-shared keys: one of a client, one of a fleet, from a file and from the environment")
def _(t):
    keys = write(t.directory / "psk", f"# ours\ntim {ONE}\nfleet {TWO} cam-*\n")
    tunnel = t.tunnel(server=["--psk-file", keys, "--auth", "listed"])
    tim = client(t, tunnel, "tim", ["--psk-file", write(t.directory / "psk-tim", f"tim {ONE}\n")])
    camera = client(t, tunnel, "cam-7", [], environment={"MDM_TUNNEL_PSK": f"fleet {TWO}"})
    wait_there(tunnel, "tim", tim)
    wait_there(tunnel, "cam-7", camera)
    tunnel.server.wait_log("cam-7: pre-shared key fleet is admitted")
    camera.wait_log("the server has the pre-shared key fleet")
    check(TWO.encode() not in pathlib.Path(f"/proc/{camera.pid}/environ").read_bytes(), "the key is wiped from the environment")
    # What is not for the id does not do: another id of the fleet's key, another key for the id, none at all.
    wrong = write(t.directory / "psk-wrong", f"tim {'2d' * 16}\n")
    for name, options, environment in (("tim", ["--psk-file", wrong], None), ("tim", [], {"MDM_TUNNEL_PSK": f"fleet {TWO}"}),
                                       ("cam-8", [], None)):
        program = client(t, tunnel, name, [*options, "--max-attempts", "3"], b"impostor", environment, state="impostor")
        same(program.wait_exit(20), 1, f"exit status of {name} {options}")
        check(any("pre-shared key" in l for l in program.log.splitlines() if l.startswith("mdm-tunnel-client: ")), program.log)
    same(tunnel.ask().body, b"hello\n", "who serves")
    # What lines say holds for them, too, and who is denied is denied.
    clients_command(t, "allow", "cam-*", "any", "services=other")
    wait_until(lambda: tunnel.ask(host=tunnel.host("hello", "cam-7")).error == "unknown-service", "the fleet's options", 3)
    same(tunnel.ask().status, 200, "are the fleet's")
    clients_command(t, "deny", "cam-7")
    tunnel.server.wait_log("cam-7: session has ended: the client's key is not allowed", limit=1)
    same(tunnel.ask().status, 200, "the other goes on")


@story("a pre-shared key and a key of one's own do not meet: the client does not believe the server either")
def _(t):
    tunnel = t.tunnel()
    program = client(t, tunnel, "tim", ["--psk-file", write(t.directory / "psk", f"tim {ONE}\n"), "--max-attempts", "3"])
    same(program.wait_exit(20), 1, "exit status")
    check("does not use our pre-shared key" in program.log, program.log)


@story("certificates of an authority: the id and the server's name are in them")
def _(t):
    ca, other = Authority(t.directory), Authority(t.directory, "other-ca")
    cert, key = ca.sign("server", "DNS:tunnel.example.com")
    tunnel = t.tunnel(server=["--ca", ca.cert, "--identity", cert, "--identity-key", key])

    def options(name, signer=ca, expects="tunnel.example.com", alternative=None):
        cert, key = signer.sign(f"{signer.name}-{name}", alternative or f"DNS:{name}")
        return ["--ca", ca.cert, "--identity", cert, "--identity-key", key, "--server-name", expects]

    tim = client(t, tunnel, "tim", options("tim"))
    wait_there(tunnel, "tim", tim)
    tunnel.server.wait_log("tim: certificate with key SHA256:.* is admitted")
    for name, given in (("tim", options("tom")), ("tim", options("tim", signer=other)),
                        ("eva", options("eva", expects="other.example.com")), ("tim", [])):
        program = client(t, tunnel, name, [*given, "--max-attempts", "3"], b"impostor", state="impostor")
        same(program.wait_exit(20), 1, f"exit status of {name} {given}")
        check("certificate" in program.log, program.log)
    same(tunnel.ask().body, b"hello\n", "who serves")


@story("the server shows a certificate, clients have keys of their own")
def _(t):
    ca = Authority(t.directory)
    cert, key = ca.sign("server", "IP:127.0.0.1")
    tunnel = t.tunnel(server=["--identity", cert, "--identity-key", key])
    tim = client(t, tunnel, "tim", ["--ca", ca.cert])
    wait_there(tunnel, "tim", tim)
    check(not (t.directory / "client-tim.state" / "known_servers").exists(), "nothing is kept")
    impostor = client(t, tunnel, "tim", ["--ca", ca.cert], b"impostor", state="impostor")
    wait_until(lambda: "name-taken" in impostor.log, "the reason is printed")


@story("what is wrong with keys and certificates is said, and secrets are not")
def _(t):
    keys = t.directory / "psk"
    for text, what in ((f"tim {ONE} x y", "line 1: not NAME KEY"), (f"\ntim {ONE}0", "line 2: the key is not"), ("", "not a text"),
                       (f"tim {ONE}\ntim {TWO}\n", "given twice"), (f"t_m {ONE}", "line 1: the name"), ("# none\n", "no key")):
        check(what in usage_error("mdm-tunnel-server", "-p", 0, "-c", 0, "--state-dir", t.directory / "s", "--psk-file",
                                  write(keys, text)), what)
    write(keys, f"tim {ONE}\n", 0o644)
    check("chmod" in usage_error("mdm-tunnel-client", "-i", "tim", "--state-dir", t.directory / "c", "--psk-file", keys, "a=1"),
          "everybody can read it")
    keys.chmod(0o600)
    for words, what in ((["--psk-file", keys, "--no-encryption"], "no-encryption"), (["--identity-key", keys], "identity-key"),
                        (["--ca", keys], "authority"), (["--identity", keys], "not a private key"),
                        (["--ca", t.directory / "missing"], "No such file")):
        for program in ("mdm-tunnel-server", "mdm-tunnel-client"):
            ports = ["-p", 0, "-c", 0] if program.endswith("server") else ["-i", "tim", "a=1"]
            said = usage_error(program, "--state-dir", t.directory / program, *words, *ports)
            check(what in said, f"{what!r} is in {said!r}")


@story("a password on the command line is wiped there, and in no log")
def _(t):
    secret = "correct-horse"
    base = ["mdm-tunnel-client", "-i", "tim", "--broker", "mqtt://127.0.0.1:9", "--username", "u"]
    for number, (options, environment) in enumerate((
            (["--password", secret], {}), ([f"--password={secret}"], {}), ([], {"MDM_TUNNEL_BROKER_PASSWORD": secret}),
            (["--password-file", write(t.directory / "password", secret + "\n")], {}))):
        program = Program(base[0], [*base[1:], "--state-dir", t.directory / "c", "-v", *options, "a=1"], t.directory,
                          f"secret-{number}", environment)
        t.programs.append(program)
        program.wait_log("no connection|cannot connect|trying again")
        for name in ("cmdline", "environ"):
            check(secret.encode() not in pathlib.Path(f"/proc/{program.pid}/{name}").read_bytes(), f"{name} with {options}")
        check(secret not in program.log, "the log")
        program.kill()


main()
