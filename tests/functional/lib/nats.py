# SPDX-License-Identifier: Apache-2.0
"""Debian's nats-server with MQTT: alone or as a cluster, on ports of the kernel's choice."""
import shutil

from .brokers import Cluster, Node, free_port
from .story import skip

BINARY = shutil.which("nats-server", path="/usr/sbin:/usr/bin")


class NatsNode(Node):
    memory = ("data",)

    def prepare(self):
        users = f'authorization {{ users = [{{ user: "{self.user[0]}", password: "{self.user[1]}" }}] }}' if self.user else ""
        self.config = self.directory / "nats.conf"
        self.cluster_port = free_port()
        self.users = users

    def write_config(self, nodes):
        routes = "\n".join(f"    nats-route://127.0.0.1:{node.cluster_port}" for node in nodes)
        cluster = "" if len(nodes) == 1 else (
            f"cluster {{\n  name: stories\n  listen: 127.0.0.1:{self.cluster_port}\n  routes = [\n{routes}\n  ]\n}}\n")
        self.config.write_text(
            f'server_name: {self.name}\nlisten: 127.0.0.1:{self.other_port}\n{self.users}\n'
            f'jetstream {{ store_dir: "{self.directory}/data", max_mem: 64M, max_file: 256M }}\n'
            f'mqtt {{ listen: 127.0.0.1:{self.port} }}\n{cluster}')

    def command(self):
        return [BINARY, "-c", str(self.config)]


class Nats(Cluster):
    """What a story keeps: `nodes`, each with start, stop, kill and its MQTT `port`."""
    node_type = NatsNode

    def __init__(self, directory, count=1, user=None):
        if BINARY is None:
            skip("nats-server is not installed")
        super().__init__(directory, "nats", count, user)
