#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What passes unchanged, what is removed, what is added."""
from lib import check, main, response, same, story

ADDED = {
    "host",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-forwarded-port",
    "forwarded",
    "via",
    "connection",
}


@story("path and query arrive byte for byte")
def _(t):
    origin = t.origin()
    tunnel = t.tunnel({"hello": origin})
    targets = [
        "/a%2Fb",
        "/a%2fb",
        "//",
        "//double//slashes//",
        "/..;/x",
        "/a/../b/./c",
        "/%2e%2e/",
        "/\xc3\xa4\xe2\x82\xac",
        "/?a=%00%ff",
        "/?a=b&a=c&&=;",
        "/?",
        "/??",
        "/%",
        "/%zz",
        "/a+b%20c",
        '/?x={"y":[1]}',
        "/'\"<>`|\\^",
        "/;p=1",
        "/:80",
        "/@user",
        "/?http://other.example/",
        "/http://other.example/",
        "/" + "x" * 8000,
    ]
    with tunnel.visit() as visitor:
        for target in targets:
            answer = visitor.ask(target=target, host=tunnel.host("hello"))
            same(answer.status, 200, f"status of {target[:80]}")
            same(origin.requests[-1].start, f"GET {target} HTTP/1.1", "what the service was asked")


@story("OPTIONS * and absolute-form")
def _(t):
    origin = t.origin()
    tunnel = t.tunnel({"hello": origin})
    same(tunnel.ask(method="OPTIONS", target="*").status, 200, "OPTIONS *")
    same(origin.requests[-1].start, "OPTIONS * HTTP/1.1", "what the service was asked")
    same(tunnel.ask(target=f"http://{tunnel.host('hello')}/a%2Fb?c").status, 200, "absolute-form")
    same(
        (origin.requests[-1].start, origin.requests[-1].all("Host")),
        ("GET /a%2Fb?c HTTP/1.1", [tunnel.host("hello")]),
    )


@story("every method passes")
def _(t):
    origin = t.origin()
    tunnel = t.tunnel({"hello": origin})
    for method in (
        "GET",
        "POST",
        "PUT",
        "DELETE",
        "PATCH",
        "OPTIONS",
        "TRACE",
        "PROPFIND",
        "MKCOL",
        "LOCK",
        "REPORT",
        "QUERY",
        "M-SEARCH",
        "x",
        "get",
    ):
        same(tunnel.ask(method=method).status, 200, f"status of {method}")
        same(origin.requests[-1].method, method, "method")


@story("the request's fields keep order, case, duplicates and bytes")
def _(t):
    origin = t.origin()
    tunnel = t.tunnel({"hello": origin})
    fields = [
        ("X-B", "1"),
        ("accept", "*/*"),
        ("x-a", "2"),
        ("X-B", "3"),
        ("COOKIE", 'a=b; c="d"'),
        ("Cookie", "e=f"),
        ("X-Utf8", "\xc3\xa4"),
        ("X-Tab", "a\tb"),
        ("X-Empty", ""),
        ("X_Under", "1"),
        ("X-Colon", ":a:b:"),
        ("Authorization", "Basic Zm9v"),
        ("Via", "1.1 other"),
        ("X-Long", "y" * 8000),
        ("~!#$%&'*+-.^_`|", "token"),
        ("DNT", "1"),
        ("Referer", "http://x/?a,b"),
        ("X-Comma", "a,, b ,c"),
    ]
    same(tunnel.ask(fields=fields).status, 200, "status")
    got = [f for f in origin.requests[0].fields if f[0].lower() not in ADDED or f == ("Via", "1.1 other")]
    same(got, fields, "fields at the service")
    same(origin.requests[0].all("Host"), [tunnel.host("hello")], "Host")


@story("the response's fields keep order, case and duplicates")
def _(t):
    fields = [
        ("X-B", "1"),
        ("set-cookie", "a=1; Path=/"),
        ("x-a", "2"),
        ("Set-Cookie", "b=2; HttpOnly"),
        ("X-B", "3"),
        ("Set-Cookie", "c=3, d"),
        ("ETAG", 'W/"x"'),
        ("X-Utf8", "\xc3\xa4"),
        ("Server", "odd/1.0"),
        ("Date", "Sat, 01 Jan 2000 00:00:00 GMT"),
        ("Vary", "a, b"),
        ("X-Long", "z" * 8000),
        ("Location", "http://127.0.0.1:9000/x"),
        ("Content-Type", "text/plain"),
        ("X-Colon", ":a:"),
    ]
    tunnel = t.tunnel({"hello": t.origin(response(200, b"x", *fields))})
    answer = tunnel.ask()
    same(
        [f for f in answer.fields if f[0].lower() not in ("content-length", "connection")],
        fields,
        "fields at the visitor",
    )


@story("hop-by-hop fields of a request stay here")
def _(t):
    origin = t.origin()
    tunnel = t.tunnel({"hello": origin})
    fields = [
        ("Connection", "keep-alive, X-Hop"),
        ("X-Hop", "1"),
        ("Connection", "x-hop-two"),
        ("X-Hop-Two", "2"),
        ("Keep-Alive", "timeout=5"),
        ("Proxy-Connection", "keep-alive"),
        ("TE", "trailers, deflate"),
        ("X-End", "kept"),
    ]
    same(tunnel.ask(fields=fields).status, 200, "status")
    request = origin.requests[0]
    for name in ("X-Hop", "X-Hop-Two", "Keep-Alive", "Proxy-Connection"):
        same(request.all(name), [], name)
    check(not request.has_token("Connection", "x-hop"), f"Connection: {request.all('Connection')}")
    check(not request.has_token("TE", "deflate"), f"TE: {request.all('TE')}")
    same(request.get("X-End"), "kept", "an end-to-end field")


@story("hop-by-hop fields of a response stay here, and the connection lives on")
def _(t):
    fields = [
        ("Connection", "keep-alive, X-Hop"),
        ("X-Hop", "1"),
        ("Keep-Alive", "timeout=5"),
        ("Proxy-Connection", "keep-alive"),
        ("X-End", "kept"),
        ("Upgrade", "h2c"),
    ]
    tunnel = t.tunnel({"hello": t.origin(response(200, b"x", *fields))})
    with tunnel.visit() as visitor:
        for _ in range(2):
            answer = visitor.ask(host=tunnel.host("hello"))
            for name in ("X-Hop", "Keep-Alive", "Proxy-Connection", "Upgrade"):
                same(answer.all(name), [], name)
            same(answer.get("X-End"), "kept", "an end-to-end field")


@story("X-Forwarded-* and Forwarded tell of the visitor, and what strangers claim is dropped")
def _(t):
    origin = t.origin()
    tunnel = t.tunnel({"hello": origin})
    host = tunnel.host("hello") + ":8080"
    lies = [
        ("X-Forwarded-For", "6.6.6.6"),
        ("x-forwarded-proto", "https"),
        ("X-Forwarded-Host", "evil.example"),
        ("X-Forwarded-Port", "1"),
        ("Forwarded", "for=6.6.6.6"),
    ]
    for fields in ([], lies):
        tunnel.ask(host=host, fields=fields)
        request = origin.requests[-1]
        same(request.all("X-Forwarded-For"), ["127.0.0.1"], "X-Forwarded-For")
        same(request.all("X-Forwarded-Proto"), ["http"], "X-Forwarded-Proto")
        same(request.all("X-Forwarded-Host"), [host], "X-Forwarded-Host")
        same(len(request.all("X-Forwarded-Port")), 1, "X-Forwarded-Port fields")
        same(len(request.all("Forwarded")), 1, "Forwarded fields")
        forwarded = request.get("Forwarded").lower()
        for part in ("for=127.0.0.1", "proto=http", "host="):
            check(part in forwarded.replace('"', ""), f"{part} in {forwarded}")
        check("6.6.6.6" not in request.raw.decode("latin-1"), "no lie arrives")


@story("what a trusted proxy says is kept and added to")
def _(t):
    origin = t.origin()
    tunnel = t.tunnel({"hello": origin}, server=["--trusted-proxies", "10.0.0.0/8,127.0.0.0/8"])
    tunnel.ask(
        fields=[
            ("X-Forwarded-For", "192.0.2.7"),
            ("X-Forwarded-Proto", "https"),
            ("X-Forwarded-Host", "pub.example"),
            ("Forwarded", "for=192.0.2.7;proto=https"),
        ]
    )
    request = origin.requests[-1]
    same(",".join(request.all("X-Forwarded-For")).replace(" ", ""), "192.0.2.7,127.0.0.1", "X-Forwarded-For")
    same(request.all("X-Forwarded-Proto"), ["https"], "X-Forwarded-Proto")
    same(request.all("X-Forwarded-Host"), ["pub.example"], "X-Forwarded-Host")
    forwarded = ",".join(request.all("Forwarded"))
    check(
        "for=192.0.2.7;proto=https" in forwarded and "for=127.0.0.1" in forwarded.replace('"', ""),
        f"Forwarded: {forwarded}",
    )


main()
