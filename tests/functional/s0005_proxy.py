#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The way to the server or the broker leads through an HTTP proxy."""
from lib import check, main, same, story, wait_until
from lib.mosquitto import Authority, Mosquitto
from lib.proxy import ConnectProxy
from lib.tunnel import Client


def client(t, tunnel, label, *options, environment=None):
    port = tunnel.server.mqtt if "--broker" not in options else 1
    program = Client(t.directory, label, port, {"hello": t.origin()}, options, label=label, environment=environment)
    t.programs.append(program)
    return program


@story("to the server: --proxy, with a password and without; the environment's is for other machines")
def _(t):
    tunnel = t.tunnel()
    free, closed = t.keep(ConnectProxy()), t.keep(ConnectProxy("me:s@cret"))
    through = [f"127.0.0.1:{tunnel.server.mqtt}"]
    one = client(t, tunnel, "one", "--proxy", f"http://127.0.0.1:{free.port}")
    tunnel.wait_connected("one", one)
    same(free.targets, through, "what the first proxy was asked for")
    two = client(t, tunnel, "two", "--proxy", f"http://me:s%40cret@127.0.0.1:{closed.port}")
    tunnel.wait_connected("two", two)
    same(closed.targets, through, "what the second one was asked for")
    body = tunnel.ask(method="POST", host=tunnel.host("hello", "two"), body=b"x" * 100000).body
    same(body, b"hello\n", "answer")
    check("s%40cret" not in two.log and "s@cret" not in two.log, "no password in the log")
    environment = {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    local = client(t, tunnel, "local", environment=environment)
    tunnel.wait_connected("local", local)
    wrong = client(t, tunnel, "wrong", "--proxy", f"me:wrong@127.0.0.1:{closed.port}", "--max-attempts", "1")
    same(wrong.wait_exit(40), 1, "exit status with a wrong password")
    check(closed.refused > 0, "the proxy said no")
    check("the proxy answers 407 Proxy Authentication Required" in wrong.log and "wrong@" not in wrong.log, wrong.log)
    bad = client(t, tunnel, "bad", "--proxy", "socks5://127.0.0.1:1")
    same(bad.wait_exit(), 2, "exit status with what is no HTTP proxy")


@story("to a broker with TLS: https_proxy, unless no_proxy names the broker")
def _(t):
    authority = Authority(t.directory)
    cert, key = authority.sign("broker", "DNS:broker.test,IP:127.0.0.1")
    broker = t.keep(Mosquitto(t.directory, f"certfile {cert}", f"keyfile {key}"))
    proxy = t.keep(ConnectProxy(names={"broker.test": "127.0.0.1"}))
    trust = ["--ca-cert", str(authority.cert)]
    tunnel = t.tunnel(server=["--broker", f"mqtts://127.0.0.1:{broker.port}", *trust, "--proxy", f"127.0.0.1:{proxy.port}"])
    wait_until(lambda: proxy.targets, "the server asks the proxy")
    same(proxy.targets, [f"127.0.0.1:{broker.port}"], "what the proxy was asked for: --proxy is for this machine, too")
    # Only the proxy knows where that is.
    named = ["--broker", f"mqtts://broker.test:{broker.port}", *trust]
    environment = {"https_proxy": f"http://127.0.0.1:{proxy.port}"}
    far = client(t, tunnel, "tim", *named, environment=environment)
    tunnel.wait_connected("tim", far)
    same(tunnel.ask().body, b"hello\n", "answer")
    same(proxy.targets[1:], [f"broker.test:{broker.port}"], "what the proxy was asked for by https_proxy")
    alone = client(t, tunnel, "alone", *named, "--max-attempts", "1", environment={**environment, "no_proxy": "broker.test"})
    same(alone.wait_exit(40), 1, "exit status of a client that may not ask the proxy")
    same((len(proxy.targets), proxy.refused), (2, 0), "the proxy was not asked")


main()
