#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Clients of other makers through mdm-tunnel-proxy: MQTT.js, mosquitto's, those of examples/; and many that are idle."""
import os
import pathlib
import re
import shutil
import subprocess

from lib import check, main, response, same, seconds, skip, story, wait_until
from lib.mosquitto import Authority, Mosquitto
from lib.mqtt_proxy import Proxy
from lib.program import BUILD
from lib.websocket import Echo

HERE = pathlib.Path(__file__).parent / "browser"
TOP = pathlib.Path(__file__).resolve().parents[2]
EXAMPLES = TOP / "examples" / "proxy"
RULES = "anonymous\nfor all\nallow all open/#\n"


def guarded(t, *doors):
    """A proxy with listeners of these schemes and paths, where only open/# is allowed."""
    broker = t.keep(Mosquitto(t.directory))
    rules = t.directory / "rules"
    rules.touch(0o600)
    rules.write_text(RULES)
    target = f"target=mqtt://127.0.0.1:{broker.port}"
    listeners = [word for scheme, path in doors for word in ("-l", f"listen={scheme}://127.0.0.1:0{path} {target}")]
    return broker, Proxy(t, "--rules", rules, *listeners, count=len(doors))


@story("MQTT.js with 3.1.1 and 5, over TCP and WebSocket: every QoS, wills, retained messages, properties, aliases, denials")
def _(t):
    if shutil.which("node") is None or not (HERE / "node_modules" / "mqtt").exists():
        skip("node or MQTT.js (npm install in tests/functional/browser) is missing")
    _, proxy = guarded(t, ("mqtt", ""), ("ws", "/mqtt"))
    tcp, ws = proxy.ports
    run = subprocess.run(["node", HERE / "mqtt.mjs", f"mqtt://127.0.0.1:{tcp}", f"ws://127.0.0.1:{ws}/mqtt"], capture_output=True,
                         text=True, timeout=seconds(60))
    same((run.returncode, run.stderr), (0, ""), "MQTT.js")


@story("paho's C client with 3.1.1 and 5: every QoS, retained messages, properties, denials")
def _(t):
    _, proxy = guarded(t, ("mqtt", ""))
    program = BUILD / "tests" / "functional" / "paho_client"
    clients = [subprocess.Popen([program, f"mqtt://127.0.0.1:{proxy.port}", version], stderr=subprocess.PIPE, text=True)
               for version in "45"]  # paho takes its time to end: both at once
    for client in clients:
        same((client.communicate(timeout=seconds(30))[1], client.returncode), ("", 0), "paho_client")


@story("mosquitto_sub and mosquitto_pub with every version and QoS; what is denied they say")
def _(t):
    _, proxy = guarded(t, ("mqtt", ""))

    def run(program, version, *arguments):
        return subprocess.run([program, "-h", "127.0.0.1", "-p", str(proxy.port), "-V", version, *arguments], capture_output=True,
                              text=True, timeout=seconds(10))

    for version, denied in (("mqttv31", ""), ("mqttv311", ""), ("mqttv5", "Warning: Publish 1 failed: Not authorized.\n")):
        for qos in "012":
            pub = run("mosquitto_pub", version, "-t", "open/a", "-q", qos, "-r", "-m", f"{version} {qos}")
            same((pub.returncode, pub.stderr), (0, ""), f"mosquitto_pub {version} {qos}")
            sub = run("mosquitto_sub", version, "-t", "open/#", "-q", qos, "-C", "1", "-F", "%t %q %r %p")
            same((sub.returncode, sub.stdout), (0, f"open/a {qos} 1 {version} {qos}\n"), f"mosquitto_sub {version} {qos}")
        pub = run("mosquitto_pub", version, "-t", "closed", "-q", "1", "-m", "no")
        same(pub.stderr, denied, f"mosquitto_pub {version} to a topic that is denied")
        sub = run("mosquitto_sub", version, "-t", "closed", "-C", "1")
        same("All subscription requests were denied" in sub.stderr + sub.stdout, True, f"mosquitto_sub {version}: {sub}")


@story("examples/proxy: a message with and without TLS and client certificates, by MQTT and HTTP, each over WebSocket, too")
def _(t):
    broker, echo = t.keep(Mosquitto(t.directory)), t.keep(Echo())
    origin = t.origin(lambda request: response(200, request.body + b"\n"))
    authority = Authority(t.directory)
    for name in ("server", "client"):
        authority.sign(name, "DNS:localhost")
    text = (EXAMPLES / "proxy.json").read_text().replace("certs/", f"{t.directory}/").replace(":1883", f":{broker.port}")
    text = text.replace(":8888", f":{origin.port}")
    text, count = re.subn(r"(\w)://localhost:(1884|8\d\d\d)", r"\1://127.0.0.1:0", text)
    same(count, 9, "listeners in proxy.json")
    config = t.directory / "proxy.json"
    config.write_text(text)
    ports = Proxy(t, "-c", config, count=9).ports
    config.write_text(text.replace(f":{origin.port}", f":{echo.port}"))
    ports += Proxy(t, "-c", config, count=9).ports[6:]
    ways = ("without-tls", "with-tls", "with-mtls")
    for number, port in enumerate(ports):
        script, way = ("mqtt.sh", "websocket.py", "http.sh", "http-websocket.py")[number // 3], ways[number % 3]
        run = subprocess.run([EXAMPLES / script, way], capture_output=True, text=True, timeout=seconds(10),
                             env={**os.environ, "PORT": str(port), "CERTS": str(t.directory)})
        same((run.returncode, run.stdout, run.stderr), (0, f"hello {way}\n", ""), f"{script} {way}")
    same(echo.paths, ["/example"] * 3, "paths of WebSockets at the target")
    same([(r.target, r.get("Authorization")) for r in origin.requests], [("/example", "thing key")] * 3, "requests at the target")


@story("idle clients: two thousand cost less than 12 KiB each", only="plain")
def _(t):
    count = 2000
    load = t.directory / "mqtt_load"
    subprocess.run(["cc", "-O1", "-D_GNU_SOURCE", "-o", load, TOP / "tests" / "bench" / "mqtt_load.c"], check=True)
    _, proxy = guarded(t, ("mqtt", ""))
    before = proxy.program.rss()
    command = [load, str(proxy.port), str(count), "idle"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as clients:
        same(clients.stdout.readline(), "connected\n", "mqtt_load")
        wait_until(lambda: proxy.program.log.count(": connected from") == count, "all are connected through the proxy")
        each = (proxy.program.rss() - before) / count
        check(0 < each < 12 << 10, f"{each:.0f} bytes each")
        clients.stdin.close()


if __name__ == "__main__":
    main()
