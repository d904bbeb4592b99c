# SPDX-License-Identifier: Apache-2.0
"""A server with its clients, in a private directory, on ports of the kernel's choice."""
import json
import os
import shutil

from .clock import wait_until
from .origin import Origin
from .peer import connect, request_bytes
from .program import Program

DOMAIN = "example.com"
PROBE = "zz-no-such-service"


def drain(options):
    """Most stories do not want to wait for what they leave behind."""
    return [] if "--drain" in options else ["--drain", "1"]


def target_of(value):
    return value.target if isinstance(value, Origin) else value


class Server(Program):
    def __init__(self, directory, options=(), ports=(0, 0), label="server", verbose=True, environment=None, sockets=()):
        self.ports_file = directory / f"{label}.ports"
        self.ports_file.unlink(missing_ok=True)
        bind = [] if "--any-address" in options else ["--bind", "127.0.0.1"]
        options = [option for option in options if option != "--any-address"]
        arguments = [
            *bind,
            "--client-bind",
            "127.0.0.1",
            "--port",
            ports[0],
            "--client-port",
            ports[1],
            "--ports-file",
            self.ports_file,
            "--state-dir",
            directory / f"{label}.state",
            *(["-v"] if verbose else []),
            # So that things cross between workers on any machine. A file of settings says it itself.
            *([] if {"--workers", "--config"}.intersection(map(str, options)) else ["--workers", 2]),
            *drain(options),
            *options,
        ]
        super().__init__("mdm-tunnel-server", arguments, directory, label, environment, sockets)
        self.http = self.mqtt = self.https = 0
        self.more_mqtt = []

    def wait_ready(self):
        def ready():
            if not self.running:
                raise AssertionError(
                    f"{self.label} did not start: status {self.process.returncode}: {self.log.strip()}"
                )
            return self.ports_file.exists() and self.read_ports()

        wait_until(ready, f"{self.label} writes {self.ports_file.name}")

    def read_ports(self):
        try:
            ports = json.loads(self.ports_file.read_text())
        except ValueError:
            return False
        self.http, self.mqtt = ports["port"], ports["client_port"]
        self.https = ports.get("tls_port", 0)
        self.more_mqtt = ports["client_ports"]
        return True

    def visit(self, **rest):
        return connect(self.http, **rest)

    def ask(self, method="GET", target="/", timeout=10, **rest):
        with self.visit(timeout=timeout) as peer:
            return peer.ask(method, target, **rest)

    def connected(self, client_id, domain=DOMAIN):
        """What several visitors, who meet different workers, are told of this client; touches none of its services."""
        return [self.ask(host=f"{PROBE}.{client_id}.{domain}").error == "unknown-service" for _ in range(8)]

    def knows(self, client_id, domain=DOMAIN):
        return all(self.connected(client_id, domain))

    def misses(self, client_id, domain=DOMAIN):
        return not any(self.connected(client_id, domain))


class Client(Program):
    """An id belongs to the key in its state directory: clients with one id share it, unless `state` names another."""

    def __init__(
        self,
        directory,
        client_id,
        server_port,
        services=None,
        options=(),
        label=None,
        verbose=True,
        environment=None,
        state=None,
    ):
        label = label or f"client-{client_id}"
        self.client_id = client_id
        self.services_file = directory / f"{label}.json"
        if services is not None:
            self.write_services(services)
        arguments = [
            "--host",
            "127.0.0.1",
            "--port",
            server_port,
            "--id",
            client_id,
            *(["--config", self.services_file] if services is not None else []),
            "--state-dir",
            directory / f"client-{state or client_id}.state",
            *(["-v"] if verbose else []),
            *drain(options),
            *options,
        ]
        super().__init__("mdm-tunnel-client", arguments, directory, label, environment)

    def write_services(self, services):
        """As an editor does: a new file in the place of the old one. A text is written as it is."""
        text = services if isinstance(services, str) else json.dumps({n: target_of(v) for n, v in services.items()})
        fresh = self.services_file.with_suffix(".new")
        fresh.write_text(text)
        os.replace(fresh, self.services_file)


class Tunnel:
    """Context manager; made by a story's `tunnel()`. The first client is `tim`."""

    def __init__(self, directory, services=None, *, server=(), client=(), client_id="tim", verbose=True):
        self.directory = directory
        self.verbose = verbose
        self.programs = []
        self.server_options = server
        self.client_options = client
        self.server = self.add_server()
        self.client = self.add_client(client_id, services) if services is not None else None

    def add_server(self, ports=(0, 0), label="server"):
        program = Server(self.directory, self.server_options, ports, label, self.verbose)
        self.programs.append(program)
        program.wait_ready()
        return program

    def share_key(self, label):
        """Servers at one broker are one to their clients: the next one with this label has the first one's key."""
        state = self.directory / f"{label}.state"
        state.mkdir(mode=0o700)
        shutil.copy(self.directory / "server.state" / "server-key.pem", state)

    def restart_server(self):
        """A new process on the same ports."""
        self.server = self.add_server((self.server.http, self.server.mqtt))

    def add_client(self, client_id, services, options=None, label=None, wait=True):
        options = self.client_options if options is None else options
        program = Client(self.directory, client_id, self.server.mqtt, services, options, label, self.verbose)
        self.programs.append(program)
        if wait:
            self.wait_connected(client_id, program)
        return program

    def wait_connected(self, client_id="tim", program=None, limit=15):
        def there():
            if program is not None and not program.running:
                raise AssertionError(
                    f"{program.label} ended with {program.process.returncode}: {program.log.strip()}"
                )
            return self.server.knows(client_id)

        wait_until(there, f"{client_id} is connected", limit)

    def host(self, service, client_id="tim"):
        return f"{service}.{client_id}.{DOMAIN}"

    def visit(self, **rest):
        return self.server.visit(**rest)

    def ask(self, service="hello", method="GET", target="/", **rest):
        """One request on a connection of its own."""
        rest.setdefault("host", self.host(service))
        return self.server.ask(method, target, **rest)

    def request(self, service="hello", method="GET", target="/", **rest):
        return request_bytes(method, target, host=self.host(service), **rest)
