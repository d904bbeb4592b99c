#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Other ways in: TLS passed through by name, front proxies, challenges of authorities, the way to HTTPS."""
import os
import re
import socket
import ssl
import struct
import threading
import time

from lib import Peer, check, connect, main, request_bytes, response, same, seconds, story, wait_until
from lib.secure import Certificate, SecurePeer, context, secure

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
HOST = "hello.tim.example.com"
PROXY = "127.0.0.2"


def binary(source, port, command=0x21):
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    here = "::1" if family == socket.AF_INET6 else "127.0.0.1"
    body = socket.inet_pton(family, source) + socket.inet_pton(family, here) + struct.pack("!HH", port, 80)
    code = 0x21 if family == socket.AF_INET6 else 0x11
    return SIGNATURE + struct.pack("!BBH", command, code, len(body)) + body


def proxied(port):
    return Peer(socket.create_connection(("127.0.0.1", port), seconds(10), source_address=(PROXY, 0)))


def redirecting(t, origin, options):
    """Its plain port does not tell who is connected."""
    tunnel = t.tunnel(server=options)
    tunnel.client = tunnel.add_client("tim", {"hello": origin}, wait=False)
    tunnel.server.wait_log("client is there")
    return tunnel


@story("a service of kind tls: its own certificate, bytes as they are, half-close; the first message in small pieces")
def _(t):
    home = Certificate(t.directory, "home", ["vault.tim.example.com"])
    ours = Certificate(t.directory, "ours")
    block, got, gone = os.urandom(1 << 20), [], threading.Event()
    tls = home.server_context()

    def serve(peer, origin):
        with tls.wrap_socket(peer.sock, server_side=True, suppress_ragged_eofs=False) as sock:
            inner = SecurePeer(sock, 30)
            while (request := inner.read_request()) is not None:
                got.append(request.body)
                if request.target == "/wait":
                    gone.set() if inner.is_closed(10) else None
                    return
                inner.send(response(200, block))

    services = {"vault": {"target": t.origin(serve).port, "kind": "tls"}, "hello": t.origin()}
    lines = t.directory / "access.log"
    tunnel = t.tunnel(services, server=[*ours.options, "--hold", "0", "--access-log", lines])
    port = tunnel.server.https
    for name in ("vault.tim.example.com", "VAULT--tim.example.com"):
        made = context(home) if name[0] == "v" else context()
        with secure(port, name, made) as visitor:
            same(visitor.sock.getpeercert(True), home.der, f"{name}: whose certificate")
            same(visitor.ask(host=name).body, block, "download")
            same(visitor.ask("POST", host=name, body=block).status, 200, "upload")
    same(got[-1], block, "what was uploaded")
    with secure(port, HOST, context(ours)) as visitor:
        same(visitor.ask(host=HOST).body, b"hello\n", "TLS for others ends here")
        same(visitor.ask(host="vault.tim.example.com").error, "unknown-service", "and leads to none of kind tls")

    raw, incoming, outgoing = connect(port), ssl.MemoryBIO(), ssl.MemoryBIO()
    half = context(home).wrap_bio(incoming, outgoing, server_hostname="vault.tim.example.com")
    try:
        half.do_handshake()
    except ssl.SSLWantReadError:
        hello = outgoing.read()
    payload = hello[5:]
    pieces = [b"\x16\x03\x01" + struct.pack("!H", len(part)) + part
              for part in (payload[at : at + 100] for at in range(0, len(payload), 100))]
    for piece in pieces:
        for part in (piece[:3], piece[3:]):
            raw.send(part)
            time.sleep(0.005)
    check(raw.read_exact(1) == b"\x16", "a handshake record comes back")
    raw.close()

    with secure(port, "vault.tim.example.com") as visitor:
        visitor.send(request_bytes(host="vault.tim.example.com", target="/wait"))
        wait_until(lambda: got[-1] == b"", "the request is there")
        visitor.reset()
    check(gone.wait(seconds(2)), "a cut reaches the service")
    check("GET /" not in tunnel.server.log.split("passes through")[1].split("\n")[0], "unread")
    tunnel.client.stop()
    wait_until(lambda: tunnel.server.misses("tim"), "offline")
    for _ in range(6):  # whichever worker takes it
        try:
            secure(port, "vault.tim.example.com").close()
            check(False, "its TLS does not end here while its client is away")
        except (ssl.SSLError, ConnectionError):
            pass
    head = r'^127\.0\.0\.1 - - \[[^]]+\] "tls" - (\d+|-) "-" "-" "tim/vault" \d+\.\d{6} (\S+)$'
    logged = wait_until(lambda: found if len(found := re.findall(head, lines.read_text(), re.M)) == 10 else None,
                        "a line of the access log for each connection")
    same([error for size, error in logged if size != "-" and int(size) > len(block)], ["-", "-"], "those that went well, with their bytes")
    errors = [error for _, error in logged]
    check("visitor-gone" in errors and errors.count("client-offline") == 6, f"the one that was cut, and those that were turned away: {errors}")


@story("services that ask for a PROXY head get the visitor's address first, in both versions")
def _(t):
    home = Certificate(t.directory, "home", ["*.tim.example.com"])
    tls = home.server_context()
    heads = []

    def plain(peer, origin):
        heads.append(peer.read_until(b"\r\n"))
        while peer.read_request() is not None:
            peer.send(response(200, b"plain"))

    def vault(peer, origin):
        heads.append(peer.sock.recv(28, socket.MSG_WAITALL))
        with tls.wrap_socket(peer.sock, server_side=True) as sock:
            inner = SecurePeer(sock, 30)
            inner.read_request()
            inner.send(response(200, b"vault"))

    to_plain, to_vault = t.origin(plain), t.origin(vault)
    services = {
        "hello": {"target": to_plain.port, "proxy_protocol": 1},
        "vault": {"target": to_vault.port, "proxy_protocol": 2, "kind": "tls"},
    }
    tunnel = t.tunnel(services, server=["--tls-port", 0, "--proxy-protocol-from", PROXY])
    with secure(tunnel.server.https, "vault.tim.example.com", context(home), before=binary("192.0.2.9", 5), source=PROXY) as v:
        same(v.ask(host="vault.tim.example.com").body, b"vault", "answer")
    address = socket.inet_aton("192.0.2.9") + socket.inet_aton("127.0.0.1") + struct.pack("!HH", 5, to_vault.port)
    same(heads.pop(), SIGNATURE + b"\x21\x11\x00\x0c" + address, "version 2")
    for number in range(3):
        source = f"192.0.2.{number + 1}"
        with proxied(tunnel.server.http) as visitor:
            visitor.send(f"PROXY TCP4 {source} 198.51.100.1 {4711 + number} 80\r\n".encode())
            same(visitor.ask(host=HOST).body, b"plain", "answer")
            same(visitor.ask(host=HOST).body, b"plain", "again")
        check(all(f"PROXY TCP4 {source} 127.0.0.1 {4711 + number} {to_plain.port}\r\n".encode() == head for head in heads),
              f"nobody else's connection: {heads}")
        check(heads, "a head")
        heads.clear()


@story("without certificates: names that nobody has, or none, get the alert unrecognized_name")
def _(t):
    home = Certificate(t.directory, "home", ["vault.tim.example.com"])
    tls = home.server_context()

    def serve(peer, origin):
        with tls.wrap_socket(peer.sock, server_side=True) as sock:
            inner = SecurePeer(sock, 30)
            inner.read_request()
            inner.send(response(200, b"from the vault"))

    services = {"vault": {"target": t.origin(serve).port, "kind": "tls"}, "hello": t.origin()}
    tunnel = t.tunnel(services, server=["--tls-port", 0])
    port = tunnel.server.https
    with secure(port, "vault.tim.example.com", context(home)) as visitor:
        same(visitor.ask(host="vault.tim.example.com").body, b"from the vault", "passed through")
    for name in ("nobody.tim.example.com", "hello.tim.example.com", "vault.tom.example.com", "example.com", None):
        try:
            secure(port, name)
            check(False, f"{name} is refused")
        except ssl.SSLError as error:
            check("UNRECOGNIZED_NAME" in str(error), f"{name}: {error}")


@story("front proxies: heads of both versions, whole and in pieces; none, a wrong one, and one from elsewhere")
def _(t):
    certificate = Certificate(t.directory)
    origin = t.origin()
    options = [*certificate.options, "--proxy-protocol-from", f"{PROXY}/32,10.0.0.0/8"]
    tunnel = t.tunnel({"hello": origin}, server=options)
    plain, tls = tunnel.server.http, tunnel.server.https
    heads = {
        b"PROXY TCP4 192.0.2.1 198.51.100.1 4711 80\r\n": "192.0.2.1",
        b"PROXY TCP6 2001:db8::7 ::1 4711 80\r\n": "2001:db8::7",
        binary("192.0.2.9", 5): "192.0.2.9",
        binary("2001:db8::9", 5): "2001:db8::9",
        binary("::ffff:192.0.2.8", 5): "192.0.2.8",
        b"PROXY UNKNOWN\r\n": PROXY,
        SIGNATURE + b"\x20\x00\x00\x00": PROXY,
    }
    asked = request_bytes(host=HOST)
    for head, address in heads.items():
        with proxied(plain) as visitor:
            visitor.send(head + asked)
            same(visitor.read_response().status, 200, "status")
            same(origin.requests[-1].get("X-Forwarded-For"), address, f"plain {head}")
            same(visitor.ask(host=HOST).status, 200, "keep-alive")
        with secure(tls, HOST, context(certificate), before=head, source=PROXY) as visitor:
            same(visitor.ask(host=HOST).status, 200, "status")
            same(origin.requests[-1].get("X-Forwarded-For"), address, f"TLS {head}")
            same(origin.requests[-1].get("X-Forwarded-Proto"), "https", "proto")
    for head in (b"PROXY TCP4 192.0.2.1 198.51.100.1 4711 80\r\n", binary("192.0.2.9", 5)):
        with proxied(plain) as visitor:
            for at in range(len(head)):
                visitor.send(head[at : at + 1])
                time.sleep(0.001)
            visitor.send(asked)
            same(visitor.read_response().status, 200, f"in pieces {head}")
    tunnel.server.wait_log(r"hello#\d+: GET / -> 200")
    bad = [asked, b"PROXY TCP4 192.0.2.1\r\n", b"PROXY TCP4 1.2.3.4 1.2.3.4 1 99999\r\n", b"PROXY " + b"x" * 200,
           SIGNATURE + b"\x11\x11\x00\x0c" + bytes(12), SIGNATURE + b"\x21\x11\x00\x02zz", SIGNATURE + b"\x21\x11\xff\xff"]
    for head in bad:
        for port in (plain, tls):
            with proxied(port) as visitor:
                visitor.send(head)
                check(visitor.is_closed(), f"refused: {head}")
    before = len(origin.requests)
    with connect(plain) as visitor:
        same(visitor.ask(host=HOST).status, 200, "somebody else speaks HTTP at once")
        same(origin.requests[-1].get("X-Forwarded-For"), "127.0.0.1", "and is who it is")
    with connect(plain) as visitor:
        visitor.send(b"PROXY TCP4 192.0.2.1 198.51.100.1 4711 80\r\n" + asked)
        check(visitor.read_response().status == 400, "and is not believed")
    same(len(origin.requests), before + 1, "requests")


@story("challenges are files of the webroot, whoever's the name is; nothing else of the disk is")
def _(t):
    root = t.directory / "webroot"
    folder = root / ".well-known" / "acme-challenge"
    folder.mkdir(parents=True)
    (folder / "tok_EN-1").write_text("tok_EN-1.thumbprint")
    (folder / "large").write_text("x" * 5000)
    (folder / "dir").mkdir()
    (root / "secret").write_text("secret")
    os.symlink(root / "secret", folder / "link")
    os.mkfifo(folder / "pipe")
    certificate = Certificate(t.directory)
    origin = t.origin(lambda request: response(200, b"the service's own"))
    options = [*certificate.options, "--acme-webroot", root, "--redirect-https", "--hsts", 60]
    tunnel = redirecting(t, origin, options)
    path = "/.well-known/acme-challenge/"
    for host in (HOST, "nobody.example.com", "example.com", "127.0.0.1"):
        answer = tunnel.server.ask(target=path + "tok_EN-1", host=host)
        same((answer.status, answer.body), (200, b"tok_EN-1.thumbprint"), host)
    same(tunnel.server.ask("HEAD", target=path + "tok_EN-1", host=HOST).get("Content-Length"), "19", "HEAD")
    with secure(tunnel.server.https, HOST, context(certificate)) as visitor:
        same(visitor.ask(host=HOST, target=path + "tok_EN-1").body, b"tok_EN-1.thumbprint", "by HTTPS")
    for token in ("none", "large", "dir", "link", "pipe"):
        same(tunnel.ask(target=path + token).body, b"the service's own", f"{token} is the service's")
    same(tunnel.server.ask("POST", target=path + "tok_EN-1", host=HOST, body=b"x").body, b"the service's own", "POST")
    for token in ("../../secret", "..%2f..%2fsecret", "tok_EN-1/../../../secret", "tok_EN-1%00", "", ".", "a" * 300):
        answer = tunnel.ask(target=path + token)
        check(answer.status == 308 and b"secret" not in answer.body, f"{token}: {answer.status}")

    answer = tunnel.ask(target="/a%20b?c=d//e")
    same((answer.status, answer.get("Location")), (308, f"https://{HOST}:{tunnel.server.https}/a%20b?c=d//e"), "redirect")
    same(tunnel.server.ask("POST", host=f"{HOST}:80", body=b"x").get("Location"),
         f"https://{HOST}:{tunnel.server.https}/", "redirect of a POST")
    check(answer.get("Strict-Transport-Security") is None, "no HSTS by HTTP")
    with secure(tunnel.server.https, HOST, context(certificate)) as visitor:
        page = visitor.ask(host="nobody.example.com")
        same((page.status, page.get("Strict-Transport-Security")), (404, "max-age=60"), "HSTS on pages")


@story("a proxy that is trusted and says https is not sent there again")
def _(t):
    certificate = Certificate(t.directory)
    options = [*certificate.options, "--redirect-https", "--hsts", 60, "--trusted-proxies", "127.0.0.1"]
    tunnel = redirecting(t, t.origin(), [*options, "--https-port", 443])
    answer = tunnel.ask(fields=[("X-Forwarded-Proto", "https")])
    same((answer.status, answer.get("Strict-Transport-Security")), (200, "max-age=60"), "https")
    answer = tunnel.ask(fields=[("X-Forwarded-Proto", "http")])
    same((answer.status, answer.get("Location")), (308, f"https://{HOST}/"), "http, to the port that is said and not the one here")
    for words in (["--tls-cert", "x"], ["--redirect-https"], ["--tls-port", "0", "--tls-cert", "/nowhere"]):
        check_start_fails(t, words)


def check_start_fails(t, words):
    from lib.program import Program

    program = Program("mdm-tunnel-server", ["-p", 0, "-c", 0, "--state-dir", t.directory / "other", *words], t.directory, "bad")
    check(program.wait_exit() in (1, 2), f"{words}: exit status")
    check(program.log.count("\n") == 1 and ("tls-port" in program.log or "/nowhere" in program.log), program.log)


main()
