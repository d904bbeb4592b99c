#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""mdm-tunnel-proxy in front of Debian's mosquitto: who may connect, publish and subscribe, over every kind of listener."""
import http.server
import json
import signal
import socket
import subprocess
import threading

from paho.mqtt.properties import Properties
from paho.mqtt.packettypes import PacketTypes

from lib import check, main, same, seconds, story, wait_until
from lib.mosquitto import Authority, Mosquitto
from lib.mqtt_proxy import Client, Proxy, build_hook, came, connack
from lib.program import Program


@story("every version and QoS, with wills and retained messages, passes as it is; hooks are not needed")
def _(t):
    broker = t.keep(Mosquitto(t.directory))
    proxy = Proxy(t, "-l", f"listen=mqtt://127.0.0.1:0 target=mqtt://127.0.0.1:{broker.port}")
    for version in (3, 4, 5):
        with Client(proxy.port, f"sub{version}", version) as sub, Client(broker.port, f"direct{version}", version) as direct:
            same(sub.subscribe("a/+", "will", qos=2), [2, 2], "granted")
            with Client(proxy.port, f"pub{version}", version, will=("will", "gone", 1)) as pub:
                for qos in (0, 1, 2):
                    pub.publish("a/b", f"{qos}" * (300 << 10 if qos == 2 else 3), qos)
                pub.publish("a/kept", f"kept by {version}", 1, retain=True)
                direct.publish("a/direct", "hello")
                wait_until(lambda: len(sub.messages) == 5, "five messages")
                same(sorted(m[0] for m in sub.messages), ["a/b"] * 3 + ["a/direct", "a/kept"], "topics")
                pub.client.socket().shutdown(2)  # no DISCONNECT: the will is published
                wait_until(lambda: ("will", "gone", False) in sub.messages, "the will")
        with Client(proxy.port, "late", version) as late:
            late.subscribe("a/kept")
            wait_until(lambda: late.messages, "the retained message")
            same(late.messages[0][2], True, "retained")
            late.publish("a/kept", "", 1, retain=True)


@story("a hook refuses, changes, rewrites and answers later; what is denied is said in the protocol")
def _(t):
    events = t.directory / "events"
    broker = t.keep(Mosquitto(t.directory))
    proxy = Proxy(t, "-l", f"listen=mqtt://127.0.0.1:0 target=mqtt://127.0.0.1:{broker.port}", "--hook",
                  f"{build_hook(t)}={events}")
    for version, refused in ((4, 4), (5, 0x86)):
        same(connack(proxy.port, "m", version, "mallory", "x"), refused, "CONNACK")
    for version in (4, 5):
        tim, ann = f"tim{version}", f"ann{version}"
        with Client(proxy.port, tim, version, "slow", "x") as sub, Client(broker.port, ann, version) as direct:
            denied = 0x87 if version == 5 else 0x80
            same(sub.subscribe("open/#", "secret/x", "later/#", "data/+", "shout"), [1, denied, 1, 1, 1], "granted")
            same(sub.subscribe("secret/all"), [denied], "granted")
            direct.subscribe("device/#", "$share/group/x")
            sub.publish("forbidden/a", "no", 0)
            sub.publish("forbidden/a", "no", 1)
            sub.publish("forbidden/a", "no", 2)
            sub.publish("later/b", "waits", 2)
            sub.publish("open/c", "after it", 1)
            sub.publish("shout", "quiet", 0)
            sub.publish("data/temperature", "20", 2)
            came(sub, ("later/b", "waits"), ("open/c", "after it"), ("shout", "LOUD"), ("data/temperature", "20"))
            came(direct, (f"device/{tim}/data/temperature", "20"))
            direct.publish(f"device/{tim}/data/set", "21")
            came(sub, *[m[:2] for m in sub.messages[:4]], ("data/set", "21"))
            sub.client.unsubscribe("data/+")
            wait_until(lambda: f"unsubscribe {tim} data/+" in events.read_text(), "the hook hears of UNSUBSCRIBE")
    said = events.read_text().splitlines()
    for tim in ("tim4", "tim5"):
        mine = [line for line in said if line.split()[1].rstrip(":") == tim]
        wait_until(lambda: f"disconnect {tim}: the client disconnected" in events.read_text(), "the hook hears of the end")
        same([line for line in events.read_text().splitlines() if line.startswith(f"disconnect {tim}")],
             [f"disconnect {tim}: the client disconnected"], "once")
        for line in (f"connect {tim}", f"subscribe {tim} data/+", f"publish {tim} data/temperature 20", f"publish {tim} shout LOUD"):
            check(line in mine, f"{line} in {mine}")
        check(not any("forbidden" in line or "secret" in line for line in mine), f"nothing denied in {mine}")
    with Client(proxy.port, "left", 5) as left:
        same((left.code, connack(proxy.port, "cut", 4), connack(proxy.port, "m", 4, "mallory", "x")), (0, 0, 4), "CONNACK")
        wait_until(lambda: "disconnect cut: the client closed the connection" in events.read_text(), "the hook hears of a cut")
        same(proxy.program.stop(), 0, "exit status")
    said = events.read_text().splitlines()
    for name, times in (("tim4", 1), ("tim5", 1), ("left", 1), ("cut", 1), ("m", 0)):
        same([sum(line.startswith(start) for line in said) for start in (f"connect {name}", f"disconnect {name}:")], [times] * 2,
             f"connect and disconnect of {name}")


RULES = """
user tim {tim}
certificate
for user tim
    allow publish data/#
    allow subscribe device/%c/#
    allow will bye/%c
    rewrite data/# device/%c/data/#
    rate 1000 3
for certificate *.example
    allow all machine/%{{cn}}/#
for all
    deny all public/secret/#
    allow subscribe public/#
"""


@story("a file of rules: passwords, topics, wills, rewriting, rates; an edit takes effect, a wrong one does not")
def _(t):
    broker = t.keep(Mosquitto(t.directory))
    hashed = subprocess.run(["openssl", "passwd", "-6", "-salt", "abcdefgh", "word"], check=True, capture_output=True, text=True).stdout.strip()
    rules = t.directory / "rules"
    rules.touch(0o600)
    rules.write_text(RULES.format(tim=hashed))
    proxy = Proxy(t, "-l", f"listen=mqtt://127.0.0.1:0 target=mqtt://127.0.0.1:{broker.port}", "--rules", rules)
    for version, wrong, nobody in ((4, 4, 5), (5, 0x86, 0x87)):
        for user, password, code in (("tim", "word", 0), ("tim", "wrong", wrong), ("tim", None, wrong), ("ann", "word", wrong),
                                     (None, None, nobody)):
            same(connack(proxy.port, "c1", version, user, password), code, f"CONNACK for {user}, {password}")
        for topic, code in (("bye/c1", 0), ("bye/c2", nobody)):
            same(connack(proxy.port, "c1", version, "tim", "word", topic), code, f"a will to {topic}")
    with Client(proxy.port, "c1", 5, "tim", "word") as tim, Client(broker.port, "direct", 5) as direct:
        no = 0x87
        same(tim.subscribe("device/c1/#", "device/c2/#", "device/#", "public/a", "public/#", "#", "public/secret/x", "$share/g/public/x/+"),
             [1, no, no, 1, no, no, no, 1], "granted")
        direct.subscribe("#")
        for number in range(5):  # three at once
            tim.publish("data/x", str(number))
        tim.publish("elsewhere", "no")
        wait_until(lambda: len(direct.messages) >= 3, "what is allowed")
        same([m[:2] for m in direct.messages][:3], [("device/c1/data/x", str(n)) for n in range(3)], "messages")
        direct.publish("device/c1/data/y", "down")
        wait_until(lambda: ("data/y", "down", False) in tim.messages, "the client's own name")
        check(not any(m[0] == "elsewhere" for m in direct.messages), "a denied topic")
    rules.write_text("for nobody\n")
    proxy.program.wait_log("rules: .*line 1: not .*stays")
    same(connack(proxy.port, "c1", 4, "tim", "word"), 0, "the old rules stay")
    rules.write_text("anonymous\nfor all\nallow all #\n")
    proxy.program.wait_log("rules: read again")
    same(connack(proxy.port, "c1", 4, "tim", "word"), 4, "tim is unknown")
    with Client(proxy.port, "c1", 4) as client:
        same((client.code, client.subscribe("x")), (0, [1]), "anybody")


@story("topic aliases of MQTT 5 end at the proxy where hooks look at topics")
def _(t):
    events = t.directory / "events"
    broker = t.keep(Mosquitto(t.directory))
    proxy = Proxy(t, "-l", f"listen=mqtt://127.0.0.1:0 target=mqtt://127.0.0.1:{broker.port}", "--hook",
                  f"{build_hook(t)}={events}")
    with Client(broker.port, "direct", 5) as direct, Client(proxy.port, "tim", 5) as pub:
        direct.subscribe("#")
        alias = Properties(PacketTypes.PUBLISH)
        alias.TopicAlias = 3
        pub.publish("data", "one", properties=alias)
        pub.publish("", "two", properties=alias)
        forbidden = Properties(PacketTypes.PUBLISH)
        forbidden.TopicAlias = 4
        pub.publish("forbidden", "no", properties=forbidden)
        pub.publish("", "no again", properties=forbidden)
        pub.publish("end", "three")
        came(direct, ("device/tim/data", "one"), ("device/tim/data", "two"), ("end", "three"))


def publish(topic, qos, number):
    """PUBLISH of MQTT 5 with nothing in it."""
    body = len(topic).to_bytes(2, "big") + topic.encode() + number.to_bytes(2, "big") + b"\0"
    return bytes([0x30 | qos << 1, len(body)]) + body


def packet(s):
    """The next packet, shorter than 128 bytes."""
    head = s.recv(2, socket.MSG_WAITALL)
    return head + s.recv(head[1], socket.MSG_WAITALL)


@story("what is denied is answered in its turn: after what the broker has not answered yet, before what follows")
def _(t):
    listener = t.keep(socket.create_server(("127.0.0.1", 0)))
    listener.settimeout(seconds(10))
    proxy = Proxy(t, "-l", f"listen=mqtt://127.0.0.1:0 target=mqtt://127.0.0.1:{listener.getsockname()[1]}", "--hook",
                  f"{build_hook(t)}={t.directory / 'events'}")
    for qos, answer in ((1, 0x40), (2, 0x50)):
        with socket.create_connection(("127.0.0.1", proxy.port), seconds(10)) as client:
            client.sendall(bytes.fromhex("101000044d5154540502003c0000036f6e65"))
            broker, _ = listener.accept()
            with broker:
                broker.settimeout(seconds(10))
                same(packet(broker)[:1], b"\x10", "CONNECT")
                broker.sendall(bytes.fromhex("2003000000"))
                same(packet(client)[0], 0x20, "CONNACK")
                for number, topic in enumerate(("open/a", "forbidden/b", "later/c", "forbidden/d", "open/e"), 1):
                    client.sendall(publish(topic, qos, number))
                client.sendall(bytes.fromhex("c000"))
                for number, topic in ((1, "open/a"), (3, "later/c"), (5, "open/e")):
                    same(packet(broker), publish(topic, qos, number), "what the broker gets")
                same(packet(broker), bytes.fromhex("c000"), "PINGREQ")
                broker.sendall(bytes.fromhex("d000"))
                same(packet(client), bytes.fromhex("d000"), "nothing is answered before the first")
                for number, after in ((1, [2]), (3, [4]), (5, [])):
                    broker.sendall(bytes([answer, 2, 0, number]))
                    same(packet(client), bytes([answer, 2, 0, number]), "the broker's answer")
                    for denied in after:
                        same(packet(client)[:5], bytes([answer, 3, 0, denied, 0x87]), "ours behind it")
                client.sendall(publish("forbidden/f", qos, 6))
                same(packet(client)[:5], bytes([answer, 3, 0, 6, 0x87]), "at once when nothing is under way")


@story("MQTT, TLS, client certificates, WebSocket and both; a target of each kind; facts for the hook")
def _(t):
    events = t.directory / "events"
    authority = Authority(t.directory)
    cert, key = authority.sign("proxy", "DNS:localhost")
    own, own_key = authority.sign("tim", "DNS:tim.example")
    broker = t.keep(Mosquitto(t.directory, "listener 0 127.0.0.1"))
    second = Proxy(t, "-l", f"listen=wss://127.0.0.1:0/mqtt target=mqtt://127.0.0.1:{broker.port} cert={cert} key={key}", "-l",
                   f"listen=mqtts://127.0.0.1:0 target=mqtt://127.0.0.1:{broker.port} cert={cert} key={key}", "-l",
                   f"listen=ws://127.0.0.1:0/mqtt target=mqtt://127.0.0.1:{broker.port}", count=3)
    wss, mqtts, ws = second.ports
    tls = f"cert={cert} key={key}"
    proxy = Proxy(t, "--hook", f"{build_hook(t)}={events}", "-l", f"listen=mqtts://:0 {tls} target=mqtt://127.0.0.1:{broker.port}",
                  "-l", f"listen=mqtts://:0 {tls} client-ca={authority.cert} target=mqtts://localhost:{mqtts} ca-cert={authority.cert}",
                  "-l", f"listen=ws://:0/mqtt target=ws://127.0.0.1:{ws}/mqtt",
                  "-l", f"listen=wss://:0/mqtt {tls} target=wss://localhost:{wss}/mqtt ca-cert={authority.cert}", count=4)
    trust = {"ca_certs": str(authority.cert)}
    shown = {**trust, "certfile": str(own), "keyfile": str(own_key)}
    ways = [("tcp", trust, "headers=0 certificate=-"), ("tcp", shown, "headers=0 certificate=tim"), ("websockets", None, "headers="),
            ("websockets", trust, "headers=")]
    for number, ((transport, tls, fact), port) in enumerate(zip(ways, proxy.ports)):
        for version in (4, 5):
            name = f"way{number}v{version}"
            with Client(port, name, version, transport=transport, tls=tls) as client:
                same(client.code, 0, f"{name} is accepted")
                client.subscribe("x/#", qos=2)
                client.publish(f"x/{name}", "y" * 100000, 2)
                came(client, (f"x/{name}", "y" * 100000))
            check(f"auth_connect {name} user=- {fact}" in events.read_text(), f"{fact} of {name} in {events.read_text()}")
    check("headers=0 certificate=- way2" not in events.read_text(), "a WebSocket has headers")


class Files(http.server.ThreadingHTTPServer):
    """What is in a directory, over HTTP."""

    def __init__(self, directory):
        class Handler(http.server.SimpleHTTPRequestHandler):
            def __init__(self, *rest):
                super().__init__(*rest, directory=directory)

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.port = self.server_port
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


@story("who was revoked is refused, by a responder (OCSP), a list (a file, HTTP), and when nobody can say; a broker, too")
def _(t):
    authority = Authority(t.directory)
    cert, key = authority.sign("proxy", "DNS:localhost")
    shown = {name: dict(zip(("certfile", "keyfile"), map(str, authority.sign(name, "DNS:localhost")))) for name in ("tim", "eve", "nob")}
    index = ""
    for name, state, since in (("tim", "V", ""), ("eve", "R", "250101120000Z,keyCompromise")):
        text = subprocess.run(["openssl", "x509", "-in", shown[name]["certfile"], "-noout", "-serial"], check=True,
                              capture_output=True, text=True).stdout
        index += f"{state}\t401231000000Z\t{since}\t{text.strip().partition('=')[2]}\tunknown\t/CN={name}\n"
    (t.directory / "index").write_text(index)
    (t.directory / "number").write_text("01\n")
    (t.directory / "ca.cnf").write_text("[ca]\ndefault_ca=d\n[d]\ndatabase=index\ncrlnumber=number\ndefault_md=sha256\n")
    subprocess.run(["openssl", "ca", "-config", "ca.cnf", "-gencrl", "-cert", authority.cert, "-keyfile", authority.key, "-crldays",
                    "7", "-out", "list.pem"], cwd=t.directory, check=True, capture_output=True)
    subprocess.run(["openssl", "crl", "-in", "list.pem", "-outform", "DER", "-out", "list.der"], cwd=t.directory, check=True)
    lists = f"http://127.0.0.1:{t.keep(Files(t.directory)).port}"
    responder = subprocess.Popen(["openssl", "ocsp", "-port", "0", "-index", "index", "-CA", authority.cert, "-rsigner",
                                  authority.cert, "-rkey", authority.key, "-ndays", "1"], cwd=t.directory, text=True,
                                 stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{responder.stdout.readline().split()[1].rpartition(':')[2]}/"
        broker = t.keep(Mosquitto(t.directory))
        prefix = "MPROXY_MQTT_WITH_MTLS_"
        environment = {f"{prefix}{name}": str(value) for name, value in {
            "ADDRESS": "127.0.0.1:0", "TARGET": f"127.0.0.1:{broker.port}", "CERT_FILE": cert, "KEY_FILE": key,
            "CLIENT_CA_FILE": authority.cert, "CLIENT_CERT_VALIDATION_METHODS": "OCSP", "OCSP_RESPONDER_URL": url}.items()}
        listen = f"listen=mqtts://127.0.0.1:0 target=mqtt://127.0.0.1:{broker.port} cert={cert} key={key} client-ca={authority.cert}"
        ways = [f"revocation=crl crl-file={t.directory / 'list.pem'}", "revocation=ocsp", "revocation=ocsp revocation-soft=true",
                *(f"revocation=crl crl-urls={lists}/{name}" for name in ("list.der", "list.pem", "none"))]
        fronts = [f"listen=mqtts://127.0.0.1:0 target=mqtt://127.0.0.1:{broker.port} cert={own['certfile']} key={own['keyfile']}"
                  for own in (shown["tim"], shown["eve"])]
        listeners = [f"{listen} {way}" for way in ways] + fronts
        proxy = Proxy(t, *(word for one in listeners for word in ("-l", one)), environment=environment, count=len(listeners) + 1)
        by_list, strict, soft, der, pem, no_list, good, bad, by_responder = proxy.ports
        for port, name, taken in ((by_list, "tim", True), (by_list, "eve", False), (by_responder, "tim", True),
                                  (by_responder, "eve", False), (by_responder, "nob", False), (strict, "tim", False),
                                  (soft, "tim", True), (der, "tim", True), (der, "eve", False), (pem, "tim", True),
                                  (pem, "eve", False), (no_list, "tim", False)):
            with Client(port, name, 4, tls={"ca_certs": str(authority.cert), **shown[name]}) as client:
                same(client.code, 0 if taken else None, f"CONNACK for {name} at {proxy.ports.index(port)}")
        for word in ("CN=eve: revoked on 2025-01-01 12:00:00 UTC (keyCompromise), says " + url, "list.pem",
                     "CN=nob: ", f"{lists}/list.der", "CN=tim: it names no OCSP responder, and none is set"):
            check(word in proxy.program.log, f"{word!r} in {proxy.program.log}")
        targets = [(good, f"crl target-crl-file={t.directory / 'list.pem'}", 0), (bad, f"crl target-crl-file={t.directory / 'list.pem'}", 3),
                   (good, "ocsp", 3)]
        second = Proxy(t, *(word for port, how, _ in targets for word in (
            "-l", f"listen=mqtt://127.0.0.1:0 target=mqtts://localhost:{port} ca-cert={authority.cert} target-revocation={how}")), count=3)
        for number, (port, (_, how, code)) in enumerate(zip(second.ports, targets)):
            same(connack(port, f"visitor{number}", 4), code, f"CONNACK of target {number}, {how}")
        for word in ("CN=eve: revoked on 2025-01-01 12:00:00 UTC (keyCompromise)", "CN=tim: it names no OCSP responder"):
            check(word in second.program.log, f"{word!r} in {second.program.log}")
        proxy.program.wait_log("visitor0: connected")
        check("visitor1" not in proxy.program.log and "visitor2" not in proxy.program.log, "nothing goes to who may be revoked")
    finally:
        responder.terminate()
        responder.wait()
        responder.stdout.close()


@story("a broker that is away is said in CONNACK; at the end clients of MQTT 5 are told, and get what was on its way")
def _(t):
    broker = t.keep(Mosquitto(t.directory))
    proxy = Proxy(t, "-l", f"listen=mqtt://127.0.0.1:0 target=mqtt://127.0.0.1:{broker.port}")
    with Client(proxy.port, "tim", 5) as five, Client(proxy.port, "ann", 4) as four:
        same((five.code, four.code), (0, 0), "both are accepted")
        broker.stop()
        check(five.gone.wait(seconds(5)) and four.gone.wait(seconds(5)), "both hear of the broker's end")
    for version, code in ((4, 3), (5, 0x88)):
        same(connack(proxy.port, "tim", version), code, "CONNACK without a broker")
    broker.start()
    with Client(proxy.port, "tim", 5) as five:
        same(five.code, 0, "accepted again")
        proxy.program.signal(signal.SIGTERM)
        check(five.gone.wait(seconds(5)), "the client is told of the end")
        same(five.reason, 0x8B, "the reason")
        same(proxy.program.process.wait(seconds(10)), 0, "exit status")
        proxy.program.ended_by_story = True


@story("listeners from the environment, from a file, and what is wrong with them")
def _(t):
    broker = t.keep(Mosquitto(t.directory))
    environment = {"MPROXY_MQTT_WITHOUT_TLS_ADDRESS": "127.0.0.1:0", "MPROXY_MQTT_WITHOUT_TLS_TARGET": f"127.0.0.1:{broker.port}",
                   "MGATE_MQTT_WS_WITHOUT_TLS_PORT": "0", "MGATE_MQTT_WS_WITHOUT_TLS_PATH_PREFIX": "mqtt",
                   "MGATE_MQTT_WS_WITHOUT_TLS_TARGET": f"mqtt://127.0.0.1:{broker.port}"}
    proxy = Proxy(t, environment=environment, count=2)
    for port, transport in zip(proxy.ports, ("tcp", "websockets")):
        with Client(port, "tim", 4, transport=transport) as client:
            same(client.code, 0, "accepted")
    config = t.directory / "proxy.json"

    def refused(text, *words):
        config.write_text(text)
        run = subprocess.run([Program.find("mdm-tunnel-proxy"), "-c", config], capture_output=True, text=True, timeout=seconds(10))
        check(run.returncode in (1, 2) and run.stdout == "", f"{run}")
        for word in words:
            check(word in run.stderr, f"{word!r} in {run.stderr!r}")

    refused('{"listeners": [{"listen": "mqtt://:0"}, {"lisen": "x"}]}', "proxy.json: listeners[1].lisen: unknown key")
    refused('{"listeners": [{"listen": "mqtts://:0"}]}', "listeners[0].cert: is missing")
    refused('{"listeners": [{"listen": "mqtt://:70000"}]}', "listeners[0].listen: ")
    refused('{"listeners": [{"listen": "mqtt://:0", "target": "gopher://x"}]}', "listeners[0].target: ")
    authority = Authority(t.directory)
    cert, key = authority.sign("proxy", "DNS:localhost")
    tls = f'"listen": "mqtts://127.0.0.1:0", "cert": "{cert}", "key": "{key}", "client-ca": "{authority.cert}"'
    for more, why in (('"revocation": "ocps"', "revocation: neither ocsp nor crl"),
                      ('"ocsp-url": "http://x/"', "ocsp-url: revocation does not say ocsp"),
                      ('"revocation": "ocsp", "ocsp-url": "ldap://x/"', '"ldap://x/" is no http or https URL'),
                      ('"revocation": "crl", "crl-file": "/nowhere"', "/nowhere: No such file or directory"),
                      ('"revocation": "crl", "crl-file-issuer": "/nowhere"', "crl-file-issuer: there is no crl-file"),
                      ('"target-revocation": "crl"', "certificates for a target without TLS")):
        refused(f'{{"listeners": [{{{tls}, {more}}}]}}', "listeners[0].", why)
    refused('{"hook": "/nowhere.so"}', "hook: /nowhere.so: ")
    refused('{"denied": "shout"}', "denied: ")


@story("back-pressure: a subscriber that does not read makes nothing grow", only="plain")
def _(t):
    broker = t.keep(Mosquitto(t.directory))
    proxy = Proxy(t, "-l", f"listen=mqtt://127.0.0.1:0 target=mqtt://127.0.0.1:{broker.port}")
    with Client(broker.port, "pub", 4) as pub:
        slow = socket.create_connection(("127.0.0.1", proxy.port))
        slow.sendall(bytes.fromhex("100d00044d51545404020000000173") + bytes.fromhex("820800010003622f2300"))
        same(slow.recv(4, socket.MSG_WAITALL), bytes.fromhex("20020000"), "CONNACK")
        same(slow.recv(5, socket.MSG_WAITALL)[:2], bytes.fromhex("9003"), "SUBACK")
        before = proxy.program.rss()
        for _ in range(64):
            pub.publish("b/x", bytes(1 << 20 >> 1), 1)
        check(proxy.program.rss() - before < 8 << 20, f"{proxy.program.rss() - before} more bytes")
        slow.close()


if __name__ == "__main__":
    main()
