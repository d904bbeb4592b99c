# SPDX-License-Identifier: Apache-2.0
"""Debian's rabbitmq-server with its MQTT plugin: alone or as a cluster, on ports of the kernel's choice."""
import glob
import os
import shutil
import subprocess

from .brokers import Cluster, Node, accepts, free_port
from .clock import wait_until
from .story import skip

# Not /usr/sbin/rabbitmq-server, which changes to a user of its own and knows the system's files only.
BINARY = next(iter(glob.glob("/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server")), None)


class RabbitNode(Node):
    memory = ("mnesia",)

    def prepare(self):
        self.config = self.directory / "rabbitmq.conf"
        (self.directory / "enabled_plugins").write_text("[rabbitmq_mqtt].\n")
        (self.directory / "advanced.config").write_text("[].\n")
        cookie = self.directory / ".erlang.cookie"
        cookie.write_text("stories")
        cookie.chmod(0o400)

    @property
    def full_name(self):
        return f"{self.name}@127.0.0.1"

    def write_config(self, nodes):
        lines = ["listeners.tcp = none", f"mqtt.listeners.tcp.1 = 127.0.0.1:{self.port}", "log.console = true",
                 "log.console.level = warning", "log.file = false", "vm_memory_high_watermark.relative = 0.6",
                 "disk_free_limit.absolute = 50MB"]
        if self.user:
            lines += ["mqtt.allow_anonymous = false", f"default_user = {self.user[0]}", f"default_pass = {self.user[1]}"]
        else:
            lines += ["mqtt.allow_anonymous = true"]
        if len(nodes) > 1:
            lines += ["cluster_formation.peer_discovery_backend = classic_config", "cluster_partition_handling = ignore",
                      "cluster_formation.randomized_startup_delay_range.min = 0",
                      "cluster_formation.randomized_startup_delay_range.max = 1"]
            lines += [f"cluster_formation.classic_config.nodes.{i} = {node.full_name}" for i, node in enumerate(nodes, 1)]
        self.config.write_text("\n".join(lines + [""]))

    def environment(self):
        d = self.directory
        return {
            "HOME": str(d), "RABBITMQ_NODENAME": self.full_name, "RABBITMQ_USE_LONGNAME": "true",
            "RABBITMQ_CONF_ENV_FILE": "/dev/null", "RABBITMQ_CONFIG_FILE": str(self.config),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(d / "advanced.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(d / "enabled_plugins"), "RABBITMQ_MNESIA_BASE": str(d / "mnesia"),
            "RABBITMQ_LOG_BASE": str(d / "logs"), "RABBITMQ_PLUGINS_EXPAND_DIR": str(d / "expand"),
            "RABBITMQ_PID_FILE": str(d / "pid"), "RABBITMQ_DIST_PORT": str(self.other_port),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(d / "generated"), "RABBITMQ_SCHEMA_DIR": str(d / "schema"),
            "RABBITMQ_FEATURE_FLAGS_FILE": str(d / "feature_flags"),
            "ERL_EPMD_PORT": str(self.cluster.names_port), "ERL_EPMD_ADDRESS": "127.0.0.1",
            # Two schedulers and no spinning: the machine belongs to the tests, too.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none "
                                                   "-kernel inet_dist_use_interface {127,0,0,1}",
        }

    def command(self):
        return [BINARY]


class RabbitMQ(Cluster):
    """What a story keeps: `nodes`, each with start, stop, kill and its MQTT `port`."""
    node_type = RabbitNode

    def __init__(self, directory, count=1, user=None):
        if BINARY is None:
            skip("rabbitmq-server is not installed")
        self.names_port = free_port()
        epmd = shutil.which("epmd") or next(iter(glob.glob("/usr/lib/erlang/erts-*/bin/epmd")))
        self.names = subprocess.Popen([epmd, "-port", str(self.names_port), "-address", "127.0.0.1"],
                                      stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                      env={**os.environ, "HOME": str(directory)})
        super().__init__(directory, "rabbit", count, user)

    def bring_up(self):
        """
        One after the other: where the nodes of 3.10 start at once, the consensus on who has which client id sometimes has no
        leader ever, and each CONNECT ends with "client ID registration timed out".
        """
        wait_until(lambda: accepts(self.names_port), "epmd listens, or a node brings one of its own along")
        for node in self.nodes:
            node.start()
            node.wait_ready()

    def stop(self):
        super().stop()
        self.names.kill()
        self.names.wait()
