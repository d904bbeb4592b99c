#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""mdm-tunnel-proxy in front of an HTTP server, asked with curl and with raw requests."""
import http.server
import signal
import socket
import ssl
import subprocess
import threading

from lib import check, main, same, seconds, story
from lib.mosquitto import Authority
from lib.mqtt_proxy import Proxy, build_hook


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.seen.append((self.command, self.path, dict(self.headers), body))
        path = self.path.partition("?")[0]
        self.send_response(204 if path.endswith("/empty") else 200)
        if path.endswith("/chunked"):
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n")
        elif path.endswith("/close"):
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(b"to the end")
            self.close_connection = True
        elif path.endswith("/large"):
            self.send_header("Content-Length", str(64 << 20))
            self.end_headers()
            try:
                for _ in range(64):
                    self.wfile.write(bytes(1 << 20))
            except OSError:
                self.close_connection = True
        elif path.endswith("/gone"):
            self.close_connection = True
            self.wfile._sock.shutdown(2)
        else:
            self.send_header("X-Hop", "x")
            self.send_header("Connection", "X-Hop")
            if not path.endswith("/empty"):
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

    do_POST = do_PUT = do_HEAD = do_GET

    def log_message(self, *_):
        pass


class Target:
    def __init__(self, context=None):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.seen = []
        if context is not None:
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def seen(self):
        return self.server.seen

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def curl(*arguments, data=None):
    """Status and body."""
    run = subprocess.run(["curl", "-s", "--max-time", str(seconds(10)), "-w", "\n%{http_code}", *map(str, arguments)], input=data,
                         capture_output=True)
    body, _, status = run.stdout.rpartition(b"\n")
    return int(status), body


def raw(port, request):
    with socket.create_connection(("127.0.0.1", port), seconds(10)) as s:
        s.sendall(request)
        answer = b""
        while more := s.recv(65536):
            answer += more
        return answer


@story("requests and answers of every framing pass, prefix for prefix; what two servers could read differently does not")
def _(t):
    with Target() as target:
        proxy = Proxy(t, "-l", f"listen=http://127.0.0.1:0/messages target=http://127.0.0.1:{target.port}/base")
        at = f"http://127.0.0.1:{proxy.port}"
        body = bytes(range(256)) * 2048
        same(curl("-H", "X-Forwarded-For: 1.2.3.4", f"{at}/messages/x?y=%20", f"{at}/messages")[0], 200, "two on one connection")
        command, path, headers, _ = target.seen[0]
        same((command, path, headers["X-Forwarded-For"]), ("GET", "/base/x?y=%20", "127.0.0.1"), "the request")
        same(target.seen[1][1], "/base/", "the prefix alone")
        same(curl("--data-binary", "@-", f"{at}/messages/echo", data=body), (200, body), "an upload with a length")
        same(curl("-T", "-", f"{at}/messages/echo", data=body), (200, body), "a chunked upload, after 100 (Continue)")
        check("Expect" not in target.seen[-1][2], "who expects 100 has got it from the proxy")
        same(curl(f"{at}/messages/chunked"), (200, b"abcde"), "a chunked answer")
        same(curl("--http1.0", f"{at}/messages/chunked"), (200, b"abcde"), "the same for HTTP/1.0")
        same(curl(f"{at}/messages/close"), (200, b"to the end"), "an answer up to the end")
        same(curl("-I", f"{at}/messages/echo")[0], 200, "HEAD")
        same(curl(f"{at}/messages/empty"), (204, b""), "204")
        same(curl(f"{at}/messages/gone")[0], 502, "a target that hangs up")
        same(curl(f"{at}/messagesx")[0], 404, "another path")
        head = raw(proxy.port, b"GET /messages/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        check(b"X-Hop" not in head and b"\r\nConnection: close\r\n" in head, head)
        count = len(target.seen)
        for lines in (b"Content-Length: 4\r\nTransfer-Encoding: chunked", b"Content-Length: 4\r\nContent-Length: 5",
                      b"Transfer-Encoding : chunked", b"Transfer-Encoding: xchunked", b"Host: y", b"Content-Length: +4",
                      b"X: a\nY: b", b"X: a\r\n folded", b"A" * 40000 + b": b"):
            answer = raw(proxy.port, b"POST /messages/x HTTP/1.1\r\nHost: x\r\n" + lines + b"\r\n\r\n0\r\n\r\nGET /messages/s HTTP/1.1\r\n\r\n")
            check(answer[9:12] in (b"400", b"431", b"501") and answer.count(b"HTTP/1.1 ") == 1, f"{lines[:60]}: {answer}")
        same(len(target.seen), count, "requests at the target")
        pipelined = raw(proxy.port, b"GET /messages/1 HTTP/1.1\r\nHost: x\r\n\r\nGET /messages/2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        same(pipelined.count(b"HTTP/1.1 200"), 2, "answers to two at once")
        bad = raw(proxy.port, b"POST /messages/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
        check(b"HTTP/1.1 400" in bad, bad)
    same(curl(f"{at}/messages/x")[0], 502, "no target")


@story("hooks: 401, 403 and a status of their own; who asks; later answers; other bodies; paths that are not asked about")
def _(t):
    events = t.directory / "events"
    with Target() as target:
        proxy = Proxy(t, "--hook", f"{build_hook(t)}={events}", "--max-packet", "65536", "-l",
                      f"listen=http://127.0.0.1:0 target=http://127.0.0.1:{target.port} bypass=/health,/forbidden/not")
        at = f"http://127.0.0.1:{proxy.port}"
        same(curl("-u", "mallory:x", "-d", "x", f"{at}/x"), (401, b"nobody knows mallory\n"), "mallory")
        check(b"\r\nWWW-Authenticate: Basic " in raw(proxy.port, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                                                    b"Authorization: Basic bWFsbG9yeTp4\r\n\r\n"), "how to ask again")
        same(curl("-d", "x", f"{at}/forbidden/x", f"{at}/forbidden/x")[0], 403, "forbidden, and again on the same connection")
        same(curl(f"{at}/teapot"), (418, b"short and stout\n"), "a status of its own")
        same(target.seen, [], "requests at the target")
        same(curl("-u", "slow:x", "-d", "body", f"{at}/later/x"), (200, b"body"), "answered later, twice")
        same(curl("-T", "-", f"{at}/shout", data=b"quiet"), (200, b"LOUD"), "another body")
        same(curl("--data-binary", "@-", f"{at}/x", data=bytes(65537))[0], 413, "a body that is too large")
        same(curl("-T", "-", f"{at}/x", data=bytes(65537))[0], 413, "the same, chunked")
        same(curl("-H", "Authorization: thing secret", f"{at}/x")[0], 200, "an Authorization of another kind")
        same(curl(f"{at}/x?a=b&authorization=a%20key")[0], 200, "the query")
        said = events.read_text()
        for line in ("auth_connect  user=slow headers=", "publish  /later/x body\n", "publish  /shout LOUD\n", "password=thing secret\n",
                     "password=a key\n"):
            check(line in said, f"{line!r} in {said}")
        same([curl(f"{at}/health")[0], curl("-u", "mallory:x", f"{at}/forbidden/not")[0]], [200, 200], "bypassed")
        same(curl("-u", "mallory:x", "--path-as-is", f"{at}/health/../x")[0], 401, "a path that only begins like one")


@story("TLS and client certificates on both sides, from the environment too")
def _(t):
    events = t.directory / "events"
    authority = Authority(t.directory)
    cert, key = authority.sign("proxy", "DNS:localhost")
    own, own_key = authority.sign("tim", "DNS:tim.example")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    context.load_verify_locations(authority.cert)
    context.verify_mode = ssl.CERT_REQUIRED
    with Target() as plain, Target(context) as safe:
        both = {"ADDRESS": "127.0.0.1:0", "TARGET": f"127.0.0.1:{plain.port}"}
        shown = {**both, "CERT_FILE": cert, "KEY_FILE": key}
        environment = {f"MPROXY_HTTP_{way}_{name}": str(value) for way, values in (
            ("WITHOUT_TLS", both), ("WITH_TLS", shown), ("WITH_MTLS", {**shown, "CLIENT_CA_FILE": authority.cert}))
            for name, value in values.items()}
        proxy = Proxy(t, "--hook", f"{build_hook(t)}={events}", "-l",
                      f"listen=https://127.0.0.1:0 target=https://localhost:{safe.port} cert={cert} key={key} ca-cert={authority.cert} "
                      f"client-cert={own} private-key={own_key}", environment=environment, count=4)
        trust = ["--cacert", authority.cert]
        same(curl(*trust, "-d", "both", f"https://localhost:{proxy.ports[0]}/x"), (200, b"both"), "TLS on both sides")
        same(safe.seen[-1][2]["X-Forwarded-Proto"], "https", "the scheme")
        same(curl("-d", "plain", f"http://localhost:{proxy.ports[1]}/messages/p"), (200, b"plain"), "no TLS, from the environment")
        same(curl(*trust, "-d", "safe", f"https://localhost:{proxy.ports[2]}/messages/s"), (200, b"safe"), "TLS, from the environment")
        same([seen[1] for seen in plain.seen], ["/p", "/s"], "paths below the published prefix")
        mutual = f"https://localhost:{proxy.ports[3]}/messages/x"
        same(curl(*trust, mutual)[0], 0, "no certificate")
        same(curl(*trust, "--cert", own, "--key", own_key, "-d", "m", mutual), (200, b"m"), "a certificate")
        same(plain.seen[-1][1], "/x", "the published prefix")
        check("certificate=tim" in events.read_text(), events.read_text())


@story("a client that does not read makes nothing grow; at the end the answer under way still leaves", only="plain")
def _(t):
    with Target() as target:
        proxy = Proxy(t, "-l", f"listen=http://127.0.0.1:0 target=http://127.0.0.1:{target.port}")
        curl(f"http://127.0.0.1:{proxy.port}/x")
        before = proxy.program.rss()
        with socket.create_connection(("127.0.0.1", proxy.port), seconds(20)) as s:
            s.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
            got = len(s.recv(65536))
            proxy.program.signal(signal.SIGTERM)
            while more := len(s.recv(1 << 20)):
                got += more
                if got < 8 << 20:
                    check(proxy.program.rss() - before < 4 << 20, f"{proxy.program.rss() - before} more bytes")
        check(got > 64 << 20, f"{got} bytes came")
        same(proxy.program.process.wait(seconds(10)), 0, "exit status")
        proxy.program.ended_by_story = True


class Scripted:
    """A target that answers each request of its one connection with the next of these, or lets the story do it."""

    def __init__(self, *answers):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(seconds(60))
        self.port = self.listener.getsockname()[1]
        self.heads = []
        self.thread = threading.Thread(target=self.serve, args=(answers,), daemon=True)
        self.thread.start()

    def serve(self, answers):
        with self.listener.accept()[0] as s:
            s.settimeout(seconds(20))
            for answer in answers:
                head = b""
                while not head.endswith(b"\r\n\r\n"):
                    more = s.recv(1)
                    if not more:
                        return
                    head += more
                self.heads.append(head)
                s.sendall(answer)
            s.recv(1)  # until the proxy goes

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()
        self.thread.join(seconds(10))


@story("answers without a body have none, whatever they say; 103 passes, 100 stays; then the connection still fits")
def _(t):
    def get(path, method=b"GET", more=b""):
        return method + b" /" + path + b" HTTP/1.1\r\nHost: x\r\n" + more + b"\r\n"

    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    last = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlast"
    answers = [b"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\nETag: x\r\n\r\n",
               b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
               b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
               b"HTTP/1.1 204 No Content\r\n\r\n",
               b"HTTP/1.1 100 Continue\r\n\r\n" + hints + last,
               hints + last]
    requests = [get(b"304"), get(b"head", b"HEAD"), get(b"chunked", b"HEAD"), get(b"204"), get(b"hints")]
    with Scripted(*answers) as target:
        proxy = Proxy(t, "-l", f"listen=http://127.0.0.1:0 target=http://127.0.0.1:{target.port}")
        old = b"GET /old HTTP/1.0\r\nHost: x\r\n\r\n"
        said = raw(proxy.port, b"".join(requests) + old)
        heads = [part for part in said.split(b"HTTP/1.1 ")[1:]]
        same([head[:3] for head in heads], [b"304", b"200", b"200", b"204", b"103", b"200", b"200"], f"answers: {said}")
        check(heads[0].endswith(b"ETag: x\r\nContent-Length: 7\r\n\r\n"), heads[0])
        check(heads[1].endswith(b"Content-Length: 9\r\n\r\n"), heads[1])
        check(heads[2].endswith(b"\r\n\r\n") and b"Content-Length" not in heads[2], heads[2])
        check(heads[3].endswith(b"\r\n\r\n") and b"Content-Length" not in heads[3], heads[3])
        same(heads[4], b"103 Early Hints\r\nLink: </a>\r\n\r\n", "the hints")
        check(heads[5].endswith(b"\r\n\r\nlast") and heads[6].endswith(b"\r\n\r\nlast"), said)
        same(len(target.heads), 6, "requests of one connection to the target")


@story("who waits for a 100 gets it before the body; time is up for a slow head, a slow body and a silent target")
def _(t):
    with Scripted(b"") as silent, Target() as target:
        hook = f"{build_hook(t)}={t.directory / 'events'}"
        proxy = Proxy(t, "--connect-timeout", "1", "--answer-timeout", "1", "--hook", hook,
                      "-l", f"listen=http://127.0.0.1:0 target=http://127.0.0.1:{silent.port}",
                      "-l", f"listen=http://127.0.0.1:0 target=http://127.0.0.1:{target.port}", count=2)
        same(raw(proxy.ports[0], b"GET /x HTTP/1.1\r\nHost: x\r\n\r\nGET /y")[:12], b"HTTP/1.1 504", "a silent target")
        same(raw(proxy.ports[1], b"GET /x HTTP/1.1\r\nHo")[:12], b"HTTP/1.1 408", "half a head")
        same(raw(proxy.ports[1], b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab")[:12], b"HTTP/1.1 408", "half a body")
        same(raw(proxy.ports[1], b""), b"", "nothing")
    with Target() as target:
        proxy = Proxy(t, "-l", f"listen=http://127.0.0.1:0 target=http://127.0.0.1:{target.port}")
        with socket.create_connection(("127.0.0.1", proxy.port), seconds(20)) as s:
            s.sendall(b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n")
            same(s.recv(100), b"HTTP/1.1 100 Continue\r\n\r\n", "the first answer")
            s.sendall(b"body")
            answer = b""
            while more := s.recv(1000):
                answer += more
        check(answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(b"\r\n\r\nbody"), answer)


@story("a target that does not read makes nothing grow", only="plain")
def _(t):
    size, block = 40 << 20, bytes(1 << 20)
    with socket.create_server(("127.0.0.1", 0)) as target, Target() as warm:
        proxy = Proxy(t, "-l", f"listen=http://127.0.0.1:0 target=http://127.0.0.1:{target.getsockname()[1]}",
                      "-l", f"listen=http://127.0.0.1:0 target=http://127.0.0.1:{warm.port}", count=2)
        curl(f"http://127.0.0.1:{proxy.ports[1]}/x")
        before = proxy.program.rss()
        target.settimeout(seconds(20))
        head = b"PUT /x HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size
        with socket.create_connection(("127.0.0.1", proxy.port), seconds(20)) as s:
            s.sendall(head)
            sender = threading.Thread(target=lambda: [s.sendall(block) for _ in range(size >> 20)], daemon=True)
            sender.start()
            at, _ = target.accept()
            with at:
                at.settimeout(seconds(20))
                got = b""
                while b"\r\n\r\n" not in got:
                    got += at.recv(1000)
                left = size - len(got.partition(b"\r\n\r\n")[2])
                while left > 0:
                    part = at.recv(min(left, 1 << 20))
                    check(part, f"{left} bytes are missing")
                    left -= len(part)
                    check(proxy.program.rss() - before < 4 << 20, f"{proxy.program.rss() - before} more bytes")
                at.sendall(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
            sender.join(seconds(20))
            check(s.recv(100).startswith(b"HTTP/1.1 204 "), "the answer")


if __name__ == "__main__":
    main()
