# SPDX-License-Identifier: Apache-2.0
"""A broker with what AWS IoT Core asks for: TLS with a client's certificate and ALPN, a policy, small messages, short topics."""
import asyncio
import contextlib
import fnmatch
import json
import re
import ssl
import threading

from .mosquitto import Mosquitto
from .story import check

ALPN = "x-amzn-mqtt-ca"
PAYLOAD_MAX = 128 << 10
SLASHES_MAX = 7


DEEDS = {"iot:Subscribe": "read", "iot:Receive": "read", "iot:Publish": "write"}


def allowed(policy):
    """(actions, resources) of the policy's file."""
    for statement in json.loads(policy.read_text())["Statement"]:
        actions, resources = ([x] if isinstance(x, str) else x for x in (statement["Action"], statement["Resource"]))
        yield actions, [resource.split(":", 5)[5] for resource in resources]


def acl(policy):
    """The policy as mosquitto's acl_file: the client for the variable, one level for a star, all levels for one at the end."""
    for actions, resources in allowed(policy):
        for action in set(actions) & set(DEEDS):
            for resource in resources:
                topic = resource.split("/", 1)[1].replace("${iot:ClientId}", "%c")
                yield f"pattern {DEEDS[action]} {re.sub('[*]$', '#', topic).replace('*', '+')}\n"


class Cloud:
    """
    Mosquitto behind a TLS listener of its own at `port`, with the policy as its ACL; `own` and `authority` as Authority.sign()
    and Authority.cert give them.
    """
    outlives_programs = True

    def __init__(self, directory, own, authority, policy):
        self.policy = policy
        (directory / "acl").write_text("".join(acl(policy)))
        self.broker = Mosquitto(directory, "log_type all", f"message_size_limit {PAYLOAD_MAX}", f"acl_file {directory}/acl")
        self.log = directory / "mosquitto.log"
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*own)
        self.context.load_verify_locations(authority)
        self.context.verify_mode = ssl.CERT_REQUIRED
        self.context.set_alpn_protocols([ALPN])
        self.loop = asyncio.new_event_loop()
        started = threading.Event()
        self.thread = threading.Thread(target=self._run, args=(started,), daemon=True)
        self.thread.start()
        started.wait()

    def _run(self, started):
        asyncio.set_event_loop(self.loop)
        server = self.loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.context))
        self.port = server.sockets[0].getsockname()[1]
        started.set()
        self.loop.run_forever()

    async def _serve(self, reader, writer):
        if writer.get_extra_info("ssl_object").selected_alpn_protocol() == ALPN:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.broker.port)
            await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer))
        writer.close()

    @staticmethod
    async def _pump(reader, writer):
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
        writer.close()

    def deeds(self):
        """What programs did so far: (client, action of a policy, topic or filter, bytes)."""
        subscriber = None
        for line in self.log.read_text().splitlines():
            if found := re.search(r": Received SUBSCRIBE from (\S+)$", line):
                subscriber = found[1]
            elif found := re.search(r": \t(\S+) \(QoS \d\)$", line):
                yield subscriber, "iot:Subscribe", found[1], 0
            elif found := re.search(r": (Received|Sending) PUBLISH (?:from|to) (\S+) \(d\d, q\d, r(\d), m\d+, '(\S+)', \.\.\. "
                                    r"\((\d+) bytes\)\)$", line):
                received = "iot:RetainPublish" if found[3] == "1" else "iot:Publish"
                yield found[2], received if found[1] == "Received" else "iot:Receive", found[4], int(found[5])

    def check(self):
        """All of it is what the policy and the cloud's bounds allow."""
        statements, seen = list(allowed(self.policy)), set()
        for client, action, topic, size in self.deeds():
            kind = "topicfilter" if action == "iot:Subscribe" else "topic"
            check(any(action in actions and any(
                fnmatch.fnmatchcase(f"{kind}/{topic}", one.replace("${iot:ClientId}", client)) for one in resources)
                for actions, resources in statements), f"{action} of {topic} by {client} is allowed")
            check(size <= PAYLOAD_MAX and topic.count("/") <= SLASHES_MAX, f"{topic} with {size} bytes is not too much")
            seen.add(action)
        check("Denied" not in self.log.read_text() and "denied" not in self.log.read_text(), "the broker denied nothing")
        return seen

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(5)
        self.broker.stop()
