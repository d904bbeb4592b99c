# SPDX-License-Identifier: Apache-2.0
"""mdm-tunnel-proxy, and clients of MQTT."""
import json
import pathlib
import socket
import subprocess
import threading

import paho.mqtt.client as paho
from paho.mqtt.subscribeoptions import SubscribeOptions

from .clock import seconds, wait_until
from .program import Program
from .story import check, same

TOP = pathlib.Path(__file__).resolve().parents[3]
HOOK = TOP / "tests" / "functional" / "lib" / "hook.c"


class Proxy:
    def __init__(self, t, *arguments, environment=None, count=1):
        ports = t.directory / "proxy.ports"
        ports.unlink(missing_ok=True)
        self.program = Program("mdm-tunnel-proxy", ["-v", "--workers", "2", "--ports-file", ports, *arguments], t.directory,
                               environment=environment)
        t.programs.append(self.program)
        wait_until(lambda: ports.exists() or not self.program.running, "the proxy listens")
        check(self.program.running, self.program.log)
        said = json.loads(ports.read_text())
        self.ports, self.admin_port = said["ports"], said.get("admin_port")
        same(len(self.ports), count, "listeners")

    @property
    def port(self):
        return self.ports[0]


def build_hook(t, source=HOOK):
    made = t.directory / f"{source.stem}.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-D_GNU_SOURCE", f"-I{TOP / 'include'}", "-o", made, source], check=True)
    return made


class Client:
    def __init__(self, port, client_id="", version=4, user=None, password=None, transport="tcp", tls=None, path="/mqtt", will=None,
                 clean=True):
        options = {} if version == 5 else {"clean_session": clean}
        self.client = paho.Client(client_id, protocol=version, transport=transport, **options)
        self.messages, self.granted, self.code = [], {}, None
        self.acks, self.gone, self.reason = {}, threading.Event(), None
        self.client.on_connect = lambda _c, _u, _f, code, *_: setattr(self, "code", int(getattr(code, "value", code)))
        self.client.on_message = lambda _c, _u, m: self.messages.append((m.topic, m.payload.decode(), m.retain))
        self.client.on_subscribe = lambda _c, _u, mid, codes, *_: self.granted.update(
            {mid: [int(getattr(c, "value", c)) for c in codes]})
        self.client.on_publish = lambda _c, _u, mid, *_: self.acks.update({mid: True})
        self.client.on_disconnect = self._disconnected
        if user is not None:
            self.client.username_pw_set(user, password)
        if transport == "websockets":
            self.client.ws_set_options(path=path)
        if tls is not None:
            self.client.tls_set(**tls)
        if will is not None:
            self.client.will_set(*will)
        self.client.connect("localhost", port)
        self.client.loop_start()
        wait_until(lambda: self.code is not None or self.gone.is_set(), "CONNACK")

    def _disconnected(self, _c, _u, reason, *_):
        self.reason = int(getattr(reason, "value", reason))
        self.gone.set()

    def subscribe(self, *topics, qos=1):
        options = [(topic, SubscribeOptions(qos=qos)) if self.client._protocol == 5 else (topic, qos) for topic in topics]
        _, mid = self.client.subscribe(options)
        wait_until(lambda: mid in self.granted, f"SUBACK for {topics}")
        return self.granted[mid]

    def publish(self, topic, payload, qos=1, **rest):
        info = self.client.publish(topic, payload, qos, **rest)
        wait_until(lambda: info.is_published() or self.gone.is_set(), f"the answer to {topic}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.disconnect()
        self.client.loop_stop()


def connack(port, client_id, version, user=None, password=None, will=None):
    """The code of the answer to a CONNECT, without a library that tries again."""

    def field(text):
        return len(text).to_bytes(2, "big") + text.encode()

    flags = 2 | (user is not None) << 7 | (password is not None) << 6 | (will is not None) << 2
    properties = b"\0" if version == 5 else b""
    body = field("MQTT") + bytes([version, flags, 0, 60]) + properties + field(client_id)
    if will:
        body += properties + field(will) + field("x")
    body += b"".join(field(text) for text in (user, password) if text is not None)
    with socket.create_connection(("127.0.0.1", port), seconds(10)) as s:
        s.sendall(bytes([0x10, len(body)]) + body)
        return s.recv(4, socket.MSG_WAITALL)[3]


def came(client, *messages):
    wait_until(lambda: len(client.messages) >= len(messages), f"{messages} come; so far: {client.messages}")
    same([m[:2] for m in client.messages], list(messages), "messages")
