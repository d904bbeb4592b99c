#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""WebSockets through the HTTP listeners of mdm-tunnel-proxy: python3-websockets, and frames byte for byte."""
import base64
import hashlib
import json
import re
import signal
import socket
import ssl
import threading

from lib import check, main, same, seconds, story, wait_until
from lib.mosquitto import Authority
from lib.mqtt_proxy import Proxy, build_hook
from lib.websocket import GUID, KEY, Echo, run

ASKS = (b"GET %s HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: " + KEY.encode() + b"\r\n%s\r\n")
MASK = b"\xa1\x00\xff\x37"


def frame(first, payload, mask=MASK):
    """As a client sends it, or a server (no mask)."""
    size = len(payload)
    length = bytes([size]) if size < 126 else b"\x7e" + size.to_bytes(2, "big") if size < 65536 else b"\x7f" + size.to_bytes(8, "big")
    if mask is None:
        return bytes([first]) + length + payload
    masked = payload if mask == bytes(4) else bytes(b ^ mask[i & 3] for i, b in enumerate(payload))
    return bytes([first, length[0] | 0x80]) + length[1:] + mask + masked


def head_of(s):
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        more = s.recv(1)
        check(more, f"only {head} came")
        head += more
    return head


def exactly(s, count):
    data = b""
    while len(data) < count:
        more = s.recv(count - len(data))
        check(more, f"only {data[:100]} came, not {count} bytes")
        data += more
    return data


def rest_of(s):
    data = b""
    try:
        while more := s.recv(65536):
            data += more
    except ConnectionResetError:
        pass
    return data


class Raw:
    """A target whose sockets are the story's, one after the other."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(seconds(20))
        self.port = self.listener.getsockname()[1]

    def accept(self, fields=b"", status=b"101 Switching Protocols"):
        s, _ = self.listener.accept()
        s.settimeout(seconds(20))
        head = head_of(s)
        key = re.search(rb"(?i)\r\nsec-websocket-key: *(\S+)", head)[1]
        accept = base64.b64encode(hashlib.sha1(key + GUID).digest())
        s.sendall(b"HTTP/1.1 " + status + b"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: " + accept +
                  b"\r\n" + fields + b"\r\n")
        return s, head

    def asked(self):
        """Whether somebody has come."""
        self.listener.settimeout(0)
        try:
            self.listener.accept()[0].close()
            return True
        except BlockingIOError:
            return False
        finally:
            self.listener.settimeout(seconds(20))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()


def client(port, path=b"/", fields=b""):
    s = socket.create_connection(("127.0.0.1", port), seconds(20))
    s.sendall(ASKS % (path, fields))
    return s


def answered(s):
    """Status and body of a refusal."""
    head = head_of(s)
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    return int(head[9:12]), exactly(s, int(length[1])) if length else b""


def connect(port, path="/", **options):
    import websockets

    options = {"max_size": None, "compression": None, "open_timeout": seconds(20), "close_timeout": seconds(20), "ping_interval": None,
               **options}
    return websockets.connect(f"ws://127.0.0.1:{port}{path}", **options)


async def talk(socket, text):
    await socket.send(text)
    return await socket.recv()


@story("messages, fragments, ping and close pass both ways, where hooks read them and where nobody does")
def _(t):
    events = t.directory / "events"
    echo = t.keep(Echo(subprotocols=["chat"]))
    target = f"target=http://127.0.0.1:{echo.port}/base"
    hooked = Proxy(t, "--hook", f"{build_hook(t)}={events}", "-l", f"listen=http://127.0.0.1:0/ws {target} bypass=/ws/free")
    plain = Proxy(t, "-l", f"listen=http://127.0.0.1:0/ws {target}")

    async def visit(port, path):
        async with connect(port, f"{path}?a=b", subprotocols=["other", "chat"]) as s:
            same(s.subprotocol, "chat", "subprotocol")
            for message in ("hi", "", "\u00e4\u20ac" * 1000, b"", bytes(range(256)) * 300, "x" * 300000):
                same(await talk(s, message), message, "what comes back")
            same(await talk(s, ["one", "two", "", "three"]), "onetwothree", "fragments")
            await (await s.ping(b"are you there"))
            await s.close(4001, "bye")

    async def closed(port):
        async with connect(port, "/ws/x") as s:
            await s.send("close 4002")
            await s.wait_closed()
            return s.close_code, s.close_reason

    for proxy, path in ((hooked, "/ws/x"), (hooked, "/ws/free"), (plain, "/ws/x")):
        run(visit(proxy.port, path), seconds(20))
        same(run(closed(proxy.port), seconds(20)), (4002, "as you say"), "the target closes")
    wait_until(lambda: len(echo.closed) == 6, f"all ends: {echo.closed}")
    same(echo.paths[0:6:2], ["/base/x?a=b", "/base/free?a=b", "/base/x?a=b"], "paths at the target")
    same(echo.closed.count((4001, "bye")), 3, "clients' codes and reasons")
    wait_until(lambda: events.read_text().count("disconnect") == 3, "the ends were told")
    said = events.read_text()
    same((said.count("auth_connect"), said.count("\nconnect"), said.count("\nsubscribe  /ws/x")), (3, 3, 3), said)
    check("publish  /ws/x onetwothree\n" in said and "/ws/free" not in said, said)


@story("hooks: 401 and 403 before the target is asked, 1008 for a message, other messages, late answers in their order")
def _(t):
    events = t.directory / "events"
    with Raw() as raw:
        echo = t.keep(Echo())
        proxy = Proxy(t, "--hook", f"{build_hook(t)}={events}", "--max-packet", "65536",
                      "-l", f"listen=http://127.0.0.1:0 target=http://127.0.0.1:{echo.port}",
                      "-l", f"listen=http://127.0.0.1:0 target=http://127.0.0.1:{raw.port}", count=2)
        for path, fields, answer in ((b"/x", b"Authorization: Basic bWFsbG9yeTp4\r\n", (401, b"nobody knows mallory\n")),
                                     (b"/secret/x", b"", (403, b"not allowed\n"))):
            with client(proxy.ports[1], path, fields) as s:
                same(answered(s), answer, "refused")
                s.sendall(ASKS % (b"/secret/again", b""))
                same(answered(s)[0], 403, "the connection goes on")
        check(not raw.asked(), "the target was not asked")

    async def message(path, text, **options):
        """What comes back, or how it was closed."""
        import websockets

        async with connect(proxy.ports[0], path, **options) as s:
            try:
                return await talk(s, text)
            except websockets.ConnectionClosed:
                return s.close_code, s.close_reason

    same(run(message("/forbidden", "x"), seconds(20)), (1008, "not allowed"), "a message that is denied")
    same(run(message("/teapot", "x"), seconds(20)), (1008, "short and stout"), "with the hook's words")
    same(run(message("/shout", "quiet"), seconds(20)), "LOUD", "another message")
    same(run(message("/x", "x" * 65536), seconds(20)), "x" * 65536, "the largest message")
    same(run(message("/x", "x" * 65537), seconds(20))[0], 1009, "one that is too large")
    same(run(message("/x", ["x" * 40000, "x" * 40000]), seconds(20))[0], 1009, "the same, in fragments")
    wait_until(lambda: len(echo.closed) == 6, f"all ends: {echo.closed}")
    same([code for code, _ in echo.closed].count(1001), 4, f"what the target hears of who is refused: {echo.closed}")

    async def later():
        async with connect(proxy.ports[0], "/later?authorization=key", extra_headers={"Cookie": "who=me"}) as s:
            for number in range(20):
                await s.send(f"{number}")
            return [await s.recv() for _ in range(20)]

    same(run(later(), seconds(20)), [f"{n}" for n in range(20)], "answers that come late, in their order")
    check("password=key\n" in events.read_text(), events.read_text())
    wait_until(lambda: events.read_text().count("\nconnect") == events.read_text().count("\ndisconnect"), "each end is told once")


@story("rules: who may listen to a path, who may speak there, and how often")
def _(t):
    import websockets

    rules = t.directory / "rules"
    rules.touch(0o600)
    rules.write_text("anonymous\nfor all\nallow subscribe /listen\nallow all /talk/#\nrate 1 3\n")
    echo = t.keep(Echo())
    proxy = Proxy(t, "--rules", rules, "-l", f"listen=http://127.0.0.1:0 target=http://127.0.0.1:{echo.port}")

    async def visit(path, count):
        """Messages that come back, and how it was closed."""
        heard = 0
        async with connect(proxy.port, path) as s:
            try:
                for number in range(count):
                    same(await talk(s, f"{number}"), f"{number}", "echo")
                    heard += 1
            except websockets.ConnectionClosed:
                return heard, s.close_code
            return heard, None

    with client(proxy.port, b"/closed") as s:
        same(answered(s)[0], 403, "a path that is not allowed")
    same(run(visit("/listen", 1), seconds(20)), (0, 1008), "who may only listen")
    heard, code = run(visit("/talk/x", 1000), seconds(60))
    check(3 <= heard < 1000 and code == 1008, f"too many messages: {heard} came back, then {code}")


@story("bytes that no hook changes stay what they are; extensions only where nobody reads; what no target may answer")
def _(t):
    offered = b"Sec-WebSocket-Extensions: permessage-deflate\r\nSec-WebSocket-Protocol: chat\r\n"
    with Raw() as raw:
        hook = f"{build_hook(t)}={t.directory / 'events'}"
        target = f"listen=http://127.0.0.1:0 target=http://127.0.0.1:{raw.port}"
        log = t.directory / "access.log"
        hooked, plain = Proxy(t, "--hook", hook, "-l", target, "--access-log", log, "--access-format", "json"), Proxy(t, "-l", target)
        up = frame(0x81, b"text") + frame(0x82, bytes(70000)) + frame(0x89, b"ping", b"\0\0\0\0")
        down = frame(0x01, b"one", None) + frame(0x8A, b"", None) + frame(0x80, b"two", None) + frame(0x82, bytes(70000), None)
        with client(hooked.port, b"/x", offered) as s:
            at, head = raw.accept(b"Sec-WebSocket-Protocol: chat\r\n")
            check(b"\r\nSec-WebSocket-Extensions" not in head and b"\r\nSec-WebSocket-Protocol: chat\r\n" in head, head)
            check(b"\r\nConnection: Upgrade\r\n" in head and b"\r\nX-Forwarded-For: 127.0.0.1\r\n" in head, head)
            with at:
                head = head_of(s)
                check(head.startswith(b"HTTP/1.1 101 ") and b"\r\nSec-WebSocket-Protocol: chat\r\n" in head, head)
                s.sendall(up)
                same(exactly(at, len(up) - 10), up[:-10], "up")
                same(exactly(at, 10)[:2], up[-10:-8], "a ping, with a mask of the proxy's")
                at.sendall(down)
                same(exactly(s, len(down)), down, "down")
                same(log.read_text(), "", "a line comes at the end")
                cut = frame(0x01, b"cut")
                s.sendall(cut)
                s.shutdown(socket.SHUT_WR)
                same(rest_of(at), b"", "a message that does not end")
        wait_until(lambda: log.read_text().endswith("\n"), "its line")
        line = json.loads(log.read_text())
        wanted = {"kind": "http", "version": "HTTP/1.1", "method": "GET", "host": "x", "target": "/x", "status": 101,
                  "bytes_up": len(up + cut), "bytes_down": len(down), "end": "the client closed the connection"}
        same({name: line.get(name) for name in wanted}, wanted, "the access log")
        check(line["total"] > 0, f"{line}")
        compressed = frame(0xC1, b"not to be read")
        with client(plain.port, b"/x", offered) as s:
            at, head = raw.accept(b"Sec-WebSocket-Extensions: permessage-deflate\r\n")
            check(b"\r\nSec-WebSocket-Extensions: permessage-deflate\r\n" in head, head)
            with at:
                check(b"\r\nSec-WebSocket-Extensions: permessage-deflate\r\n" in head_of(s), "the extension")
                s.sendall(compressed)
                same(exactly(at, len(compressed)), compressed, "up")
                s.sendall(frame(0x81, b"x", None))
                same(exactly(s, 4), b"\x88" + bytes([2 + len("a frame without a mask")]) + b"\x03\xea", "a frame without a mask")
        for fields in (b"Sec-WebSocket-Extensions: permessage-deflate\r\n", b"Sec-WebSocket-Accept: x\r\n"):
            with client(hooked.port) as s:
                raw.accept(fields)[0].close()
                same(answered(s)[0], 502, f"a 101 with {fields}")
        for status in (b"401 No", b"426 No", b"302 No"):
            with client(hooked.port) as s:
                at, _ = raw.accept(b"Content-Length: 4\r\n", status)
                with at:
                    at.sendall(b"body")
                    same(answered(s), (int(status[:3]), b"body"), "the target's refusal")
        for wrong, status in ((b"Sec-WebSocket-Version: 13\r\n", 426), (b"Sec-WebSocket-Key: a\r\n", 400)):
            with socket.create_connection(("127.0.0.1", plain.port), seconds(20)) as s:
                s.sendall((ASKS % (b"/", b"")).replace(wrong.partition(b":")[0], b"X"))
                same(answered(s)[0], status, f"without {wrong}")
        check(not raw.asked(), "the target was not asked")


@story("origins: pages of others are refused, by HTTP and MQTT listeners")
def _(t):
    origins = "origins=https://a.example,http://b.example:8080"
    with Raw() as raw:
        proxy = Proxy(t, "-l", f"listen=http://127.0.0.1:0 target=http://127.0.0.1:{raw.port} {origins}",
                      "-l", f"listen=ws://127.0.0.1:0/mqtt target=mqtt://127.0.0.1:{raw.port} {origins}", count=2)
        http, mqtt = proxy.ports
        for origin, good in ((b"https://a.example", True), (b"HTTP://B.example:8080", True), (b"http://a.example", False),
                             (b"http://b.example", False), (b"null", False), (b"https://a.example\r\nOrigin: https://a.example", False)):
            with client(http, b"/", b"Origin: " + origin + b"\r\n") as s:
                if good:
                    raw.accept()[0].close()
                same(head_of(s)[9:12], b"101" if good else b"403", f"{origin} by HTTP")
            with client(mqtt, b"/mqtt", b"Sec-WebSocket-Protocol: mqtt\r\nOrigin: " + origin + b"\r\n") as s:
                same(head_of(s)[9:12], b"101" if good else b"403", f"{origin} by MQTT over WebSocket")
        with client(http) as s:
            raw.accept()[0].close()
            same(head_of(s)[9:12], b"101", "no browser")
        check(not raw.asked(), "the target was not asked")


@story("MQTT over WebSocket with mProxy's published settings: any path below its prefix /, and / at the target")
def _(t):
    authority = Authority(t.directory)
    cert, key = authority.sign("proxy", "DNS:localhost")
    trust = ssl.create_default_context(cafile=authority.cert)
    connect = b"\x10\x0d\0\4MQTT\4\2\0\0\0\1x"
    with Raw() as raw:
        both = {"ADDRESS": "127.0.0.1:0", "TARGET": f"ws://127.0.0.1:{raw.port}/"}
        ways = {"WITHOUT_TLS": both, "WITH_TLS": {**both, "PREFIX_PATH": "/", "CERT_FILE": cert, "KEY_FILE": key}}
        proxy = Proxy(t, count=2, environment={f"MPROXY_MQTT_WS_{way}_{name}": str(value) for way, values in ways.items()
                                               for name, value in values.items()})
        for port, tls in zip(proxy.ports, (False, True)):
            for path in (b"/", b"/mqtt", b"/a?b"):
                s = socket.create_connection(("127.0.0.1", port), seconds(20))
                with trust.wrap_socket(s, server_hostname="localhost") if tls else s as s:
                    s.sendall(ASKS % (path, b"Sec-WebSocket-Protocol: mqtt\r\n"))
                    same(head_of(s)[9:12], b"101", f"{path}, TLS {tls}")
                    s.sendall(frame(0x82, connect))
                    at, head = raw.accept(b"Sec-WebSocket-Protocol: mqtt\r\n")
                    at.close()
                    check(head.startswith(b"GET / HTTP/1.1\r\n"), head)


@story("TLS on both sides; at the end both sides hear that the proxy goes")
def _(t):
    authority = Authority(t.directory)
    cert, key = authority.sign("proxy", "DNS:localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    trust = ssl.create_default_context(cafile=authority.cert)
    echo = t.keep(Echo(ssl=context))
    proxy = Proxy(t, "-l", f"listen=https://127.0.0.1:0 target=https://localhost:{echo.port} cert={cert} key={key} ca-cert={authority.cert}")

    async def visit():
        import websockets

        async with websockets.connect(f"wss://localhost:{proxy.port}/", ssl=trust, open_timeout=seconds(20)) as s:
            same(await talk(s, "x" * 200000), "x" * 200000, "what comes back")
            proxy.program.signal(signal.SIGTERM)
            await s.wait_closed()
            return s.close_code, s.close_reason

    same(run(visit(), seconds(20)), (1001, "the proxy ends"), "the client's end")
    same(proxy.program.wait_exit(20), 0, "exit status")
    wait_until(lambda: echo.closed, "the target's end")
    same(echo.closed[0][0], 1001, "the target's end")


@story("who does not read makes nothing grow, in either direction", only="plain")
def _(t):
    events = t.directory / "events"
    message, count = bytes(1 << 20), 32
    with Raw() as raw:
        target = f"target=http://127.0.0.1:{raw.port}"
        proxy = Proxy(t, "--hook", f"{build_hook(t)}={events}", "-l", f"listen=http://127.0.0.1:0 {target} bypass=/free")
        with client(proxy.port) as s:
            raw.accept()[0].close()
            rest_of(s)
        before = proxy.program.rss()
        for path, up in ((b"/read", True), (b"/free", True), (b"/read", False)):
            with client(proxy.port, path) as s:
                at, _ = raw.accept()
                head_of(s)
                one = frame(0x82, message, b"\0\0\0\0" if up else None)
                source, sink = (s, at) if up else (at, s)
                sender = threading.Thread(target=lambda to=source, data=one: [to.sendall(data) for _ in range(count)], daemon=True)
                sender.start()
                for number in range(count):
                    check(exactly(sink, len(one)) == one, f"frame {number} came, up {up}")
                    grown = proxy.program.rss() - before
                    check(grown < 8 << 20, f"{grown} more bytes, up {up}")
                sender.join(seconds(20))
                at.close()


if __name__ == "__main__":
    main()
