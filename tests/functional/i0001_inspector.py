#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The inspector: what passes is seen, kept within bounds, shown to nobody else, and sent again."""
import gzip
import json
import re
import shutil
import subprocess

from lib import check, main, response, same, seconds, skip, story, wait_until
from lib.peer import connect
from lib.websocket import HANDSHAKE


def inspected(t, services, *options):
    """A tunnel whose client is looked at, and the port of the page."""
    tunnel = t.tunnel(services, client=["--inspect", "0", *options])
    found = wait_until(lambda: re.search(r"requests are shown at http://127\.0\.0\.1:(\d+)/\n", tunnel.client.log), "the page's port")
    return tunnel, int(found[1])


class Api:
    """curl on the interface: status and body."""

    def __init__(self, port):
        self.url = f"http://127.0.0.1:{port}"

    def call(self, path, *arguments):
        if not shutil.which("curl"):
            skip("curl is missing")
        run = subprocess.run(
            ["curl", "-sS", "--globoff", "-w", "\n%{http_code}", self.url + path, *arguments],
            capture_output=True, timeout=seconds(20), check=True)
        body, _, status = run.stdout.rpartition(b"\n")
        return int(status), body

    def get(self, path):
        status, body = self.call(path)
        same(status, 200, f"GET {path}: {body[:300]!r}")
        return json.loads(body)

    def requests(self, query=""):
        return self.get(f"/api/requests{query}")["requests"]

    def done(self, count):
        """The list when so many have their answers."""
        def settled():
            found = self.requests()
            return len(found) == count and all(r["state"] != "open" for r in found) and found
        return wait_until(settled, f"{count} requests are done")

    def record(self, number, query=""):
        return self.get(f"/api/requests/{number}{query}")

    def replay(self, number, edit=None):
        text = json.dumps(edit or {})
        status, body = self.call(f"/api/requests/{number}/replay", "-H", "Content-Type: application/json", "--data-raw", text)
        return status, json.loads(body)


ZIPPED = gzip.compress(b'{"many": [1, 2, 3]}')


def service(request):
    if request.target == "/zipped":
        return response(200, ZIPPED, ("Content-Type", "application/json"), ("Content-Encoding", "gzip"))
    if request.target == "/pieces":
        return response(200, b"4\r\nfour\r\n0\r\n\r\n", ("Transfer-Encoding", "chunked"), length=False)
    if request.target == "/missing":
        return response(404, b"no", reason="Not Found")
    said = f"{request.method} {request.target} {request.get('Cookie')} ".encode() + request.body
    return response(200, said, ("Content-Type", "text/plain"), ("Set-Cookie", "session=very-secret"))


@story("curl: what passes is listed, shown, filtered, exported and cleared; secrets are hidden until they are asked for")
def _(t):
    tunnel, port = inspected(t, {"hello": t.origin(service), "gone": 1})
    api = Api(port)
    same(api.get("/api/about")["client"], "tim", "whose page it is")
    tunnel.ask(method="POST", target="/a?b=c", body=b"the body", fields=[("Cookie", "id=very-secret")])
    tunnel.ask(target="/zipped")
    tunnel.ask(target="/pieces")
    tunnel.ask(method="HEAD", target="/missing")
    same(tunnel.ask("gone").status, 502, "a service that is not there")
    first, zipped, pieces, missing, gone = sorted(api.done(5), key=lambda r: r["number"])
    same([r["status"] for r in (first, zipped, pieces, missing, gone)], [200, 200, 200, 404, 0], "statuses")
    check("refused" in gone["why"] and gone["service"] == "gone", f"why there is no answer: {gone}")

    one = api.record(first["number"])
    same((one["method"], one["path"], one["request"]["text"]), ("POST", "/a?b=c", "the body"), "the request")
    same(one["response"]["text"], "POST /a?b=c id=very-secret the body", "the answer")
    same(one["url"], f"http://{tunnel.host('hello')}/a?b=c", "what the visitor asked for")
    check(0 <= one["sent_ms"] <= one["first_byte_ms"] <= one["duration_ms"], f"its times: {one}")
    same((one["request_bytes"], one["response_bytes"]), (8, 35), "its sizes")
    check(re.fullmatch(r"\d{4}-\d\d-\d\dT\S+Z", one["time"]), "when it was")
    check(["Cookie", "(hidden)"] in one["request"]["headers"], "the cookie is hidden")
    check(["Set-Cookie", "(hidden)"] in one["response"]["headers"], "the new one, too")
    check(["Cookie", "id=very-secret"] in api.record(first["number"], "?reveal=1")["request"]["headers"], "until it is asked for")
    same(api.call(f"/api/requests/{zipped['number']}/response/body"), (200, ZIPPED), "a body as it came")
    same(api.record(pieces["number"])["response"]["text"], "four", "without chunks")

    same([r["path"] for r in api.requests("?status=4xx")], ["/missing"], "by status")
    same([r["path"] for r in api.requests("?method=POST&q=A%3FB")], ["/a?b=c"], "by method and path")
    same(len(api.requests("?service=gone")), 1, "by service")
    revision = api.get("/api/requests")["revision"]
    same(api.requests(f"?after={revision}"), [], "nothing new")
    same(api.call("/api/requests?status=bad")[0], 400, "a filter that is none")

    har = api.get("/api/export.har")["log"]
    same((har["version"], len(har["entries"])), ("1.2", 5), "the archive")
    same(har["entries"][0]["response"]["content"]["mimeType"], "text/plain", "a content in it")
    check("very-secret" not in json.dumps([e["request"]["headers"] for e in har["entries"]]), "no secrets in it")
    same(len(api.get("/api/export.json?reveal=1")["requests"]), 5, "JSON")
    status, curl = api.call(f"/api/requests/{first['number']}/curl?reveal=1")
    again = curl.decode().replace(f"http://{tunnel.host('hello')}", f"http://127.0.0.1:{tunnel.server.http}")
    again = again.replace("curl ", f"curl -sS -H 'Host: {tunnel.host('hello')}' ", 1)
    run = subprocess.run(["sh", "-c", again], capture_output=True, timeout=seconds(20), check=True)
    same(run.stdout, b"POST /a?b=c id=very-secret the body", "the command line")

    same(api.call("/api/requests", "-X", "DELETE")[0], 204, "clear")
    same(api.requests(), [], "nothing is left")
    same(api.call(f"/api/requests/{first['number']}")[0], 404, "a request that is gone")


@story("a request is sent again as it was, with its secrets, and edited; what was not kept is not")
def _(t):
    origin = t.origin(service)
    tunnel, port = inspected(t, {"hello": origin})
    api = Api(port)
    tunnel.ask(method="POST", target="/a", body=b"one", fields=[("Cookie", "id=very-secret")])
    tunnel.ask(method="POST", target="/big", body=b"x" * 70000)
    number = min(r["number"] for r in api.done(2))
    status, answer = api.replay(number)
    same(status, 202, "sent again")
    again = wait_until(lambda: (r := api.record(answer["number"]))["state"] != "open" and r, "the answer")
    same((again["status"], again["replay_of"], again["response"]["text"]), (200, number, "POST /a id=very-secret one"), "again")
    edit = {"method": "PUT", "path": "/b", "body": "two", "headers": [["Host", "h.example"], ["Cookie", "(hidden)"]]}
    status, answer = api.replay(number, edit)
    again = wait_until(lambda: (r := api.record(answer["number"]))["state"] != "open" and r, "the answer")
    same(again["response"]["text"], "PUT /b id=very-secret two", "edited")
    same(origin.requests[-1].get("Host"), "h.example", "its Host")
    big = [r["number"] for r in api.requests() if r["path"] == "/big"][0]
    same(api.record(big)["request"]["kept"], 65536, "what is kept of a large body")
    same(api.replay(big), (409, {"error": "its body was not kept as a whole"}), "a large body")
    same(api.replay(number, {"path": "no"})[0], 409, "a path that is none")
    same(api.replay(9999)[0], 404, "a request that is not there")
    tunnel.client.write_services({})
    wait_until(lambda: tunnel.ask().status == 404, "the service is gone")
    status, answer = api.replay(number)
    again = wait_until(lambda: (r := api.record(answer["number"]))["state"] == "cut" and r, "an end")
    check("service" in again["why"], f"why: {again['why']}")


@story("other sites, rebound names and other machines get nothing from it")
def _(t):
    tunnel, port = inspected(t, {"hello": t.origin(service)})
    api = Api(port)
    tunnel.ask()
    number = api.done(1)[0]["number"]
    same(api.call("/api/requests", "-H", "Host: evil.example")[0], 421, "a name that was rebound")
    same(api.call("/", "-H", f"Host: evil.example:{port}")[0], 421, "the page by it")
    same(api.call("/", "-H", f"Host: localhost:{port}")[0], 200, "by its own name")
    replay = (f"/api/requests/{number}/replay", "-X", "POST")
    same(api.call(*replay, "-H", "Origin: http://evil.example", "-H", "Content-Type: application/json", "-d", "{}")[0], 403,
         "a POST of another site")
    same(api.call(*replay, "-H", "Sec-Fetch-Site: cross-site")[0], 403, "and without a body")
    same(api.call(*replay, "-d", "{}")[0], 415, "a form, as any site may send")
    same(api.call("/api/requests", "-X", "DELETE", "-H", "Origin: null")[0], 403, "a DELETE of nobody's")
    same(len(api.requests()), 1, "it is all as it was")
    with connect(port) as peer:
        page = peer.ask(host=f"127.0.0.1:{port}")
    same(page.status, 200, "the page")
    check("default-src 'self'" in page.get("Content-Security-Policy"), "what the page may load")
    check(b"http://" not in page.body and b"https://" not in page.body, "nothing from elsewhere")


@story("a WebSocket's frames are seen while it is open, and a stream that is no HTTP goes on unseen")
def _(t):
    def websocket(peer, origin):
        request = peer.read_request()
        if request.target == "/strange":
            peer.send(b"HTTP/1.1 101 Yes\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\xff\xff no frame")
        else:
            peer.send(b"HTTP/1.1 101 Yes\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x05hello")
        peer.send(peer.read_exact(9)[::-1])
        peer.read_rest()

    tunnel, port = inspected(t, {"hello": t.origin(websocket)})
    api = Api(port)
    with tunnel.visit() as peer, tunnel.visit() as strange:
        peer.send(tunnel.request(target="/ws", fields=HANDSHAKE))
        peer.read_head()
        peer.send(b"\x81\x83abcd\x09\x0b\x06")
        same(peer.read_exact(16), b"\x81\x05hello\x06\x0b\x09dcba\x83\x81", "what is echoed")
        strange.send(tunnel.request(target="/strange", fields=HANDSHAKE))
        strange.read_head()
        strange.send(b"123456789")
        same(strange.read_exact(20), b"\xff\xff no frame987654321", "the strange one")
        both = wait_until(lambda: len(r := api.requests()) == 2 and r, "both are seen")
        found = {r["path"]: r for r in both}
        same(found["/strange"]["state"], "cut", "no frame")
        one = wait_until(lambda: len((r := api.record(found["/ws"]["number"]))["frames"]) >= 2 and r, "frames")
        same(one["websocket"], True, "a WebSocket")
        same([(f["from"], f["opcode"], f.get("text")) for f in one["frames"][:2]],
             [("service", 1, "hello"), ("visitor", 1, "hie")], "its frames")


main()
