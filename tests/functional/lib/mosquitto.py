# SPDX-License-Identifier: Apache-2.0
"""Debian's mosquitto with its default limits, on a port of the kernel's choice; and a small PKI."""
import contextlib
import shutil
import socket
import subprocess

from .clock import wait_until
from .story import skip

BINARY = shutil.which("mosquitto", path="/usr/sbin:/usr/bin")


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


class Mosquitto:
    outlives_programs = True

    def __init__(self, directory, *lines, anonymous=True):
        if BINARY is None:
            skip("mosquitto is not installed")
        self.port = free_port()
        self.directory = directory
        self.config = directory / "mosquitto.conf"
        self.config.write_text("\n".join([
            "user root", "persistence false", "sys_interval 1",
            f"listener {self.port} 127.0.0.1", f"allow_anonymous {'true' if anonymous else 'false'}", *lines, ""]))
        self.process, self.watchers = None, []
        self.start()

    def start(self):
        self.log = open(self.directory / "mosquitto.log", "ab")
        self.process = subprocess.Popen([BINARY, "-c", self.config], stdout=self.log, stderr=subprocess.STDOUT)

        def listening():
            if self.process.poll() is not None:
                raise AssertionError((self.directory / "mosquitto.log").read_text())
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return True

        wait_until(listening, "mosquitto listens")

    def stop(self):
        for process in [*self.watchers, self.process]:
            process.terminate()
            process.wait(10)
        self.watchers.clear()
        self.log.close()

    def watch(self, topic):
        """A function that says the value of a $SYS topic: mosquitto itself forgets what has not changed for a minute."""
        path = self.directory / f"{topic.replace('/', '-')}.watched"
        with open(path, "wb") as out:
            self.watchers.append(subprocess.Popen(
                ["stdbuf", "-oL", "mosquitto_sub", "-v", "-h", "127.0.0.1", "-p", str(self.port), "-t", f"$SYS/broker/{topic}",
                 "-t", "$SYS/broker/uptime"], stdout=out, stderr=subprocess.STDOUT))

        def values(name):
            lines = path.read_text().splitlines()
            return [line.removeprefix(f"$SYS/broker/{name} ") for line in lines if line.startswith(f"$SYS/broker/{name} ")]

        def value():
            seen = len(values("uptime"))
            wait_until(lambda: len(values("uptime")) >= seen + 2, "mosquitto tells its numbers again")
            return values(topic)[-1]

        wait_until(lambda: values(topic), f"mosquitto tells {topic}")
        return value

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Authority:
    """A CA and the certificates that it signs."""

    def __init__(self, directory, name="ca"):
        self.directory, self.name = directory, name
        self.cert, self.key = directory / f"{name}.crt", directory / f"{name}.key"
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", self.key,
                      "-out", self.cert, "-subj", f"/CN={name}", "-days", "2")

    def _openssl(self, *arguments):
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)

    def sign(self, name, alternative):
        """Paths of a certificate for `alternative` ("IP:127.0.0.1", "DNS:localhost") and of its key."""
        cert, key, request = (self.directory / f"{name}.{end}" for end in ("crt", "key", "csr"))
        extension = self.directory / f"{name}.ext"
        extension.write_text(f"subjectAltName={alternative}\n")
        self._openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out",
                      request, "-subj", f"/CN={name}")
        self._openssl("x509", "-req", "-in", request, "-CA", self.cert, "-CAkey", self.key, "-CAcreateserial", "-out", cert,
                      "-days", "2", "-extfile", extension)
        return cert, key
