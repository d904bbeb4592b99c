# SPDX-License-Identifier: Apache-2.0
"""What brokers of several nodes have in common: own directories, loopback, ports of the kernel's choice, ended by pid."""
import contextlib
import os
import shutil
import signal
import socket
import subprocess

from .clock import wait_until


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def accepts(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 2):
        return True
    return False


def mqtt_connect(port, user=None, client_id=b"probe"):
    """Does the broker take a session now? MQTT 3.1.1's CONNECT, and the return code of its CONNACK is 0."""
    def text(value):
        return len(value).to_bytes(2, "big") + value

    flags, rest = 0x02, text(client_id)
    if user:
        flags, rest = 0xC2, rest + text(user[0].encode()) + text(user[1].encode())
    body = text(b"MQTT") + bytes([4, flags]) + (60).to_bytes(2, "big") + rest
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 2) as sock:
        sock.settimeout(2)
        sock.sendall(bytes([0x10, len(body)]) + body)
        answer = sock.recv(4)
        sock.sendall(b"\xe0\x00")
        return answer == b"\x20\x02\x00\x00"
    return False


class Node:
    memory = ()  # where it keeps what it knows, in its directory

    def __init__(self, cluster, directory, name, user):
        self.cluster, self.name, self.user = cluster, name, user
        self.directory = directory
        directory.mkdir()
        self.port, self.other_port = free_port(), free_port()
        self.process = None
        self.prepare()

    @property
    def log(self):
        return (self.directory / "log").read_text("utf-8", "replace")

    def environment(self):
        return {}

    def start(self):
        with open(self.directory / "log", "ab") as log:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                                            cwd=self.directory, env={**os.environ, **self.environment()},
                                            start_new_session=True)

    def wait_ready(self, limit=120):
        def ready():
            if self.process.poll() is not None:
                raise AssertionError(f"{self.name} ended: {self.log[-3000:]}")
            return mqtt_connect(self.port, self.user, self.name.encode())

        try:
            wait_until(ready, f"{self.name} takes MQTT sessions", limit)
        except TimeoutError as late:
            raise TimeoutError(f"{late}; the end of its log:\n{self.log[-3000:]}") from None

    def _end(self, number):
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.process = None

    def stop(self):
        self._end(signal.SIGTERM)

    def kill(self):
        self._end(signal.SIGKILL)

    def forget(self):
        """What a stopped broker has kept on its disk."""
        for name in self.memory:
            shutil.rmtree(self.directory / name, ignore_errors=True)

    def restart(self):
        self.stop()
        self.start()
        self.wait_ready()


class Cluster:
    outlives_programs = True
    node_type = None

    def __init__(self, directory, kind, count, user):
        self.directory = directory
        self.nodes = [self.node_type(self, directory / f"{kind}{number}", f"{kind}{number}", user)
                      for number in range(1, count + 1)]
        for node in self.nodes:
            node.write_config(self.nodes)
        try:
            self.bring_up()
        except BaseException:
            self.stop()
            raise

    def bring_up(self):
        for node in self.nodes:
            node.start()
        for node in self.nodes:
            node.wait_ready()

    @property
    def port(self):
        return self.nodes[0].port

    def stop(self):
        for node in self.nodes:
            node.kill()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
