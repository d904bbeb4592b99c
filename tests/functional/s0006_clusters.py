#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Three servers on a cluster of three broker nodes: a node is killed, a server is killed, one leaves, one comes."""
import itertools
import threading
import time

from lib import check, main, same, seconds, story, wait_until
from lib.load import Load
from lib.nats import Nats
from lib.rabbitmq import RabbitMQ
from lib.tunnel import Client, Server


class Visitors:
    """Asks one server again and again; every answer has to be the right one."""

    def __init__(self, server, hosts):
        self.server, self.hosts = server, hosts
        self.answers, self.wrong, self.longest = 0, [], 0.0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        for host in itertools.cycle(self.hosts):
            if self.over.is_set():
                return
            began = time.monotonic()
            try:
                answer = self.server.ask(host=host, timeout=40)
                if (answer.status, answer.body) != (200, b"hello\n"):
                    self.wrong.append((host, answer.status, answer.error))
            except Exception as error:
                self.wrong.append((host, repr(error)))
            self.longest = max(self.longest, time.monotonic() - began)
            self.answers += 1
            time.sleep(0.01)  # the rhythm of the visitors

    def more(self, limit=60):
        """So many more answers have come, all of them right."""
        wanted = self.answers + 10
        wait_until(lambda: self.answers >= wanted or self.wrong, "more answers", limit)
        check(not self.wrong, f"wrong answers: {self.wrong[:3]}")

    def end(self):
        self.over.set()
        self.thread.join(60)
        check(not self.wrong, f"wrong answers: {self.wrong[:3]}")


def urls(nodes):
    return ",".join(f"mqtt://127.0.0.1:{node.port}" for node in nodes)


def turned(nodes, first):
    """All nodes, beginning with this one."""
    return nodes[first:] + nodes[:first]


def host(client_id):
    return f"hello.{client_id}.example.com"


def server_on(t, tunnel, nodes, label):
    tunnel.share_key(label)
    server = Server(t.directory, ["--broker", urls(nodes), "--grace", "60"], label=label)
    tunnel.programs.append(server)
    server.wait_ready()
    return server


def client_on(t, tunnel, nodes, client_id, services):
    client = Client(t.directory, client_id, 1, services, ["--broker", urls(nodes)])
    tunnel.programs.append(client)
    return client


def story_of(t, kind):
    cluster = t.keep(kind(t.directory, 3))
    nodes = cluster.nodes
    load = Load(size=64 << 20)
    # The first server brings its key along; every program begins with another node.
    tunnel = t.tunnel(server=["--broker", urls(turned(nodes, 0)), "--grace", "60"])
    servers = [tunnel.server] + [server_on(t, tunnel, turned(nodes, i), f"server-{i}") for i in (1, 2)]
    ids = ["near", "middle", "far"]
    clients = [client_on(t, tunnel, turned(nodes, i), name, {"hello": t.origin(load.serve)}) for i, name in enumerate(ids)]
    for server in servers:
        for name in ids:
            wait_until(lambda: server.knows(name), f"{server.label} knows {name}", 20)
    visitors = [Visitors(server, [host(name) for name in ids]) for server in servers]
    for each in visitors:
        each.more()
    # A transfer by way of server 1 to the client on node 1, neither of which loses anything when node 2 dies.
    tunnel.server, tunnel.host = servers[1], lambda service, client_id="middle": f"{service}.{client_id}.example.com"
    load.start(tunnel)
    nodes[2].kill()
    load.flows_on(60)
    for each in visitors:
        each.more()
    clients[2].wait_log("connected to", 60, 2)
    check(servers[2].log.count("connected to") >= 2, "the third server has gone to another node")
    # A server is killed, another one leaves in order, and a new one comes: the others are told by nobody.
    visitors[0].end()
    servers[0].kill()
    for each in visitors[1:]:
        each.more()
    visitors[2].end()
    same(servers[2].stop(), 0, "exit status of the server that leaves")
    visitors[1].more()
    fresh = server_on(t, tunnel, turned(nodes, 1), "server-new")
    for name in ids:
        wait_until(lambda: fresh.knows(name), f"the new server knows {name}", 20)
    visitors.append(Visitors(fresh, [host(name) for name in ids]))
    for each in (visitors[1], visitors[3]):
        each.more()
        each.end()
    load.finish()
    longest = max(v.longest for v in visitors)
    print(f"# {kind.__name__}: {sum(v.answers for v in visitors)} answers, the longest took {longest:.1f} s", flush=True)
    check(longest < seconds(20), f"a visitor noticed: an answer took {longest:.1f} s")
    # A client that is killed is gone at every server.
    clients[0].kill()
    for server in (servers[1], fresh):
        server.wait_log("near: client is gone", 30)


@story("three servers on three NATS nodes: a node dies, a server dies, one leaves, one comes; visitors do not notice", only="plain",
       slow=True)
def _(t):
    story_of(t, Nats)


@story("three servers on three RabbitMQ nodes: a node dies, a server dies, one leaves, one comes; visitors do not notice",
       only="plain", slow=True)
def _(t):
    story_of(t, RabbitMQ)


main()
