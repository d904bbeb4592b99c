#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Host decides who serves, per request."""
import json
import re

from lib import check, main, response, same, story, wait_until


def named(name):
    return response(200, name.encode())


@story("SERVICE.CLIENT and SERVICE--CLIENT, in any case, with a port, with a final dot, under any suffix")
def _(t):
    origin = t.origin(named("hello"))
    tunnel = t.tunnel({"hello": origin, "hello-world": t.origin(named("world"))})
    for host in (
        "hello.tim.example.com",
        "hello--tim.example.com",
        "HELLO.Tim.EXAMPLE.com",
        "hello.tim.example.com:8000",
        "hello.tim.example.com.",
        "hello.tim.localhost",
        "hello--tim.localhost",
        "Hello--TIM.a.b.c.d.example.org:80",
    ):
        same(tunnel.server.ask(host=host).body, b"hello", host)
        same(origin.requests[-1].get("Host"), host, "the Host that the service sees")
    same(tunnel.server.ask(host="hello-world.tim.example.com").body, b"world", "a name with a hyphen")
    same(tunnel.server.ask(host="hello-world--tim.example.com").body, b"world", "a name with a hyphen, one label")


@story("the client's bare name goes to its service `default`")
def _(t):
    tunnel = t.tunnel(
        {"default": t.origin(named("default")), "hello": t.origin()}, server=["--domain", "example.com"]
    )
    same(tunnel.server.ask(host="tim.example.com", target="/x").body, b"default", "tim.example.com")
    same(tunnel.server.ask(host="hello.tim.example.com").body, b"hello\n", "hello.tim.example.com")


@story("without `default` the client's bare name lists its services, in HTML or JSON by Accept")
def _(t):
    tunnel = t.tunnel({"hello": t.origin(), "two": t.origin()}, server=["--domain", "example.com"])
    page = tunnel.server.ask(host="tim.example.com", fields=[("Accept", "text/html,*/*;q=0.8")])
    same(page.status, 200, "status of the page")
    check("text/html" in page.get("Content-Type"), f"type {page.get('Content-Type')}")
    check(b"hello.tim.example.com" in page.body and b"two.tim.example.com" in page.body, f"page: {page.body!r}")
    data = tunnel.server.ask(host="tim.example.com", fields=[("Accept", "application/json")])
    check("application/json" in data.get("Content-Type"), f"type {data.get('Content-Type')}")
    text = json.dumps(json.loads(data.body))
    check('"hello"' in text and '"two"' in text, f"JSON: {text}")
    same(tunnel.server.ask(host="nobody.example.com").error, "unknown-client", "nobody's listing")


@story("--no-listing: 404 instead of a list")
def _(t):
    tunnel = t.tunnel({"hello": t.origin()}, server=["--domain", "example.com", "--no-listing"])
    answer = tunnel.server.ask(host="tim.example.com")
    same((answer.status, answer.error), (404, "unknown-service"), "the list")
    check(b"hello" not in answer.body, "no name leaks")


@story("the bare domain is the server's status, in HTML or JSON by Accept")
def _(t):
    tunnel = t.tunnel({"hello": t.origin()}, server=["--domain", "example.com", "--access-log", "-"])
    data = tunnel.server.ask(host="example.com", fields=[("Accept", "application/json")])
    same(data.status, 200, "status")
    check(isinstance(json.loads(data.body), dict), "JSON object")
    page = tunnel.server.ask(host="example.com", fields=[("Accept", "text/html")])
    same(page.status, 200, "status of the page")
    check("text/html" in page.get("Content-Type"), f"type {page.get('Content-Type')}")
    same(tunnel.ask(target="/x", fields=[("User-Agent", "a b")]).status, 200, "a service")
    line = r'^127\.0\.0\.1 - - \[[^]]+\] "GET /x HTTP/1\.1" 200 6 "-" "a b" "tim/hello" \d+\.\d{6} -$'
    wait_until(lambda: re.search(line, tunnel.server.stdout, re.M), "the access log on standard output, Combined")


@story("without --domain `localhost` is the status and `tim.localhost` the list")
def _(t):
    tunnel = t.tunnel({"hello": t.origin()})
    same(tunnel.server.ask(host=f"localhost:{tunnel.server.http}").status, 200, "status")
    check(b"hello" in tunnel.server.ask(host="tim.localhost", fields=[("Accept", "text/html")]).body, "list")


@story("--domain: other hosts find nothing, and neither does a suffix that only looks alike")
def _(t):
    origin = t.origin()
    tunnel = t.tunnel({"hello": origin}, server=["--domain", "example.com"])
    same(tunnel.ask().body, b"hello\n", "the domain's own")
    for host in (
        "hello.tim.example.org",
        "hello.tim.badexample.com",
        "hello.tim.example.com.evil.org",
        "hello.tim",
        "a.hello.tim.example.com",
    ):
        answer = tunnel.server.ask(host=host)
        check(answer.status == 404, f"{host}: {answer.status} {answer.error}")
    same(len(origin.requests), 1, "requests at the service")


@story("two requests on one keep-alive connection go to two clients")
def _(t):
    tunnel = t.tunnel({"hello": t.origin(named("tim"))})
    tunnel.add_client("ann", {"hello": t.origin(named("ann"))})
    with tunnel.visit() as visitor:
        for _ in range(5):
            for client in ("tim", "ann"):
                same(visitor.ask(host=tunnel.host("hello", client)).body, client.encode(), "who answered")


@story("a host made of an address or of odd labels finds nothing and hurts nobody")
def _(t):
    tunnel = t.tunnel({"hello": t.origin()})
    for host in (
        "127.0.0.1",
        "[::1]",
        "[::1]:8000",
        "a.constructor.x.y",
        "__proto__.tim.example.com",
        ".",
        "..",
        "tim",
        "hello..tim.example.com",
        ".hello.tim.example.com",
        "--tim.example.com",
        "hello--.example.com",
        "hello--tim--x.example.com",
        "xn--hello.tim.example.com",
        "x" * 64 + ".tim.example.com",
        ".".join(["a"] * 120),
        "hello.tim.example.com:",
        "hello.tim.example.com:99999",
        "%00.tim.example.com",
    ):
        answer = tunnel.server.ask(host=host)
        check(answer.status in (200, 400, 404), f"{host}: {answer.status} {answer.error}")
    same(tunnel.ask().body, b"hello\n", "afterwards")


main()
