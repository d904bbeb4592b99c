#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Names: paths that services share, domains of clients' own, what is said when nobody answers."""
from lib import main, response, same, story

DOMAIN = ["--domain", "example.com"]


def telling(name):
    """Answers with its name, and with what it was asked for."""

    def serve(request):
        prefix = request.get("X-Forwarded-Prefix") or "-"
        return response(200, f"{name} {request.target} {prefix}".encode(), ("Location", "/there"))

    return serve


def services(t, **keys):
    """A service of each name with these keys."""
    return {name.replace("_", "-"): {"target": t.origin(telling(name)).port, **more} for name, more in keys.items()}


def said(answer):
    same(answer.status, 200, answer.error)
    return answer.body.decode()


@story("several services behind the client's bare name: the longest prefix wins, stripped or not; each has its own name, too")
def _(t):
    tunnel = t.tunnel(services(t, api={"path": "/api"}, v2={"path": {"prefix": "/api/v2/", "strip": True}}, site={"path": "/"}),
                      server=DOMAIN)

    def at(target, **rest):
        return said(tunnel.server.ask(host="tim.example.com", target=target, **rest))

    same(at("/api/x?y"), "api /api/x?y -", "not stripped")
    same(at("/api/v2/x?y=/api/v2", fields=[("X-Forwarded-Prefix", "/mine")]), "v2 /x?y=/api/v2 /api/v2", "stripped")
    same((at("/api/v2"), at("/api/v2?q")), ("v2 / /api/v2", "v2 /?q /api/v2"), "nothing is left of the path")
    same((at("/apiary"), at("/")), ("site /apiary -", "site / -"), "a default service by another name")
    same(said(tunnel.ask("v2", target="/api/v2/x")), "v2 /api/v2/x -", "its own name")
    same(tunnel.server.ask(host="tim.example.com", target="/api/v2/x").get("Location"), "/there", "Location is left alone")


if __name__ == "__main__":
    main()
