# SPDX-License-Identifier: Apache-2.0
"""The ways from a visitor to the services that are measured side by side. Each is a column of the table."""
import json
import os
import pathlib
import resource
import shutil
import socket
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "functional"))
from lib import mosquitto, nats, rabbitmq  # noqa: E402

SERVICES = ("web", "sink", "ws")
DEADLINE = 20
NGINX_WORKERS = 2


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


def wait_for(condition, what):
    end = time.monotonic() + DEADLINE
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(f"waited {DEADLINE} s in vain: {what}")
        time.sleep(0.02)


def raise_limits():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Column:
    """`where(service)` is (port, Host); `groups` are the processes whose memory and time count, by name."""

    name = ""

    def __init__(self, directory, origin):
        self.directory = directory / self.name.replace(">", "").replace(" ", "-")
        self.directory.mkdir()
        self.origin = origin
        self.groups = {}
        self.processes = []
        self.ports = {}

    def spawn(self, group, *command, **rest):
        log = open(self.directory / f"{group}.log", "ab")
        process = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=self.directory,
            preexec_fn=raise_limits,
            **rest,
        )
        log.close()
        self.processes.append(process)
        self.groups.setdefault(group, []).append(process.pid)
        return process

    def where(self, service):
        return self.ports[service], f"{service}.bench.localhost"

    def ready(self):
        for service in SERVICES:
            wait_for(lambda: listens(self.where(service)[0]), f"{self.name} listens for {service}")

    def stop(self):
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    @staticmethod
    def available():
        return True


class Direct(Column):
    name = "direct"

    def start(self):
        self.ports = self.origin.ports


NGINX = """
{user}
worker_processes {workers};
worker_rlimit_nofile 65536;
daemon off;
pid {directory}/{name}.pid;
error_log {directory}/{name}.error crit;
events {{ worker_connections 16384; }}
http {{
    access_log off;
    sendfile on;
    tcp_nodelay on;
    keepalive_requests 100000000;
    client_max_body_size 0;
    client_body_temp_path {directory}/{name}.body;
    proxy_temp_path {directory}/{name}.proxy;
    fastcgi_temp_path {directory}/{name}.fastcgi;
    uwsgi_temp_path {directory}/{name}.uwsgi;
    scgi_temp_path {directory}/{name}.scgi;
    {rest}
}}
"""

NGINX_MAP = "map $http_upgrade $connection_out { default upgrade; '' ''; }"

NGINX_PROXY = """
    upstream next_{service} {{ server 127.0.0.1:{next}; keepalive 128; keepalive_requests 100000000; }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{
            proxy_pass http://next_{service};
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_out;
            proxy_request_buffering off;
            proxy_max_temp_file_size 0;
            proxy_read_timeout 600;
        }}
    }}
"""


def nginx_spawn(column, name, rest):
    path = column.directory / f"{name}.conf"
    user = "user root;" if os.geteuid() == 0 else ""  # the private directory is its
    path.write_text(NGINX.format(user=user, workers=NGINX_WORKERS, directory=column.directory, name=name, rest=rest))
    return column.spawn(name, "nginx", "-p", column.directory, "-e", column.directory / f"{name}.start", "-c", path)


class Nginx(Column):
    """`hops` proxies in a row, with connections to the next one kept alive."""

    hops = 1
    name = "nginx"

    def start(self):
        ports = self.origin.ports
        for hop in range(self.hops):
            after, ports = ports, {service: free_port() for service in SERVICES}
            servers = [NGINX_PROXY.format(service=s, next=after[s], port=ports[s]) for s in SERVICES]
            nginx_spawn(self, f"nginx{hop + 1}", NGINX_MAP + "".join(servers))
        self.ports = ports
        self.ready()

    @staticmethod
    def available():
        return shutil.which("nginx") is not None


class NginxTwice(Nginx):
    hops = 2
    name = "nginx>nginx"


class MdmTunnel(Column):
    name = "mdm-tunnel"
    build = pathlib.Path(os.environ.get("MDM_BUILDDIR", pathlib.Path(__file__).resolve().parents[2]))
    broker = ()  # options of both programs
    both = ()  # likewise

    def start(self):
        ports_file = self.directory / "ports.json"
        self.spawn(
            "server",
            self.build / "mdm-tunnel-server",
            "--bind",
            "127.0.0.1",
            "--client-bind",
            "127.0.0.1",
            "--port",
            0,
            "--client-port",
            0,
            "--ports-file",
            ports_file,
            "--state-dir",
            self.directory / "server",
            *self.broker,
            *self.both,
        )
        wait_for(lambda: ports_file.exists() and ports_file.read_text().strip(), "the server writes its ports")
        ports = json.loads(ports_file.read_text())
        self.ports = dict.fromkeys(SERVICES, ports["port"])
        self.spawn(
            "client",
            self.build / "mdm-tunnel-client",
            "-i",
            "bench",
            *(self.broker or ("-H", "127.0.0.1", "-p", ports["client_port"])),
            "--state-dir",
            self.directory / "client",
            *self.both,
            *(f"{s}={self.origin.ports[s]}" for s in SERVICES),
        )
        wait_for(self.serves, "a request passes")

    def serves(self):
        port, host = self.where("web")
        with socket.create_connection(("127.0.0.1", port)) as visitor:
            visitor.sendall(f"GET /small HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
            return b" 200 " in visitor.recv(100)

    @staticmethod
    def available():
        return (MdmTunnel.build / "mdm-tunnel-server").exists()


class Unencrypted(MdmTunnel):
    """What encryption from end to end costs."""

    name = "mdm-tunnel, unencrypted"
    both = ("--no-encryption",)


class ThroughBroker(MdmTunnel):
    """Server and client meet at another broker, whose memory and time do not count."""

    kind = None

    def start(self):
        self.meeting = self.kind(self.directory)
        self.broker = ("--broker", f"mqtt://127.0.0.1:{self.meeting.port}")
        super().start()

    def stop(self):
        super().stop()
        self.meeting.stop()

    @classmethod
    def available(cls):
        return MdmTunnel.available() and cls.binary is not None


class ThroughMosquitto(ThroughBroker):
    name = "through mosquitto"
    kind, binary = mosquitto.Mosquitto, mosquitto.BINARY


class ThroughRabbitMQ(ThroughBroker):
    name = "through RabbitMQ"
    kind, binary = rabbitmq.RabbitMQ, rabbitmq.BINARY


class ThroughNats(ThroughBroker):
    name = "through NATS"
    kind, binary = nats.Nats, nats.BINARY


class PortTunnel(Column):
    """A tunnel with a public port for each service."""

    program = ""

    def start(self):
        self.ports = {service: free_port() for service in SERVICES}
        self.control = free_port()
        self.start_programs()
        self.ready()

    @classmethod
    def available(cls):
        return shutil.which(cls.program) is not None


class Frp(PortTunnel):
    name, program = "frp", "frps"

    def start_programs(self):
        (self.directory / "frps.toml").write_text(
            f'bindAddr = "127.0.0.1"\nbindPort = {self.control}\nlog.level = "error"\n'
        )
        client = f'serverAddr = "127.0.0.1"\nserverPort = {self.control}\nlog.level = "error"\n'
        for s in SERVICES:
            client += (
                f'[[proxies]]\nname = "{s}"\ntype = "tcp"\nlocalIP = "127.0.0.1"\nlocalPort = {self.origin.ports[s]}\n'
                f"remotePort = {self.ports[s]}\n"
            )
        (self.directory / "frpc.toml").write_text(client)
        self.spawn("server", "frps", "-c", "frps.toml")
        wait_for(lambda: listens(self.control), "frps listens")
        self.spawn("client", "frpc", "-c", "frpc.toml")


class Rathole(PortTunnel):
    name, program = "rathole", "rathole"

    def start_programs(self):
        server = f'[server]\nbind_addr = "127.0.0.1:{self.control}"\ndefault_token = "bench"\n'
        client = f'[client]\nremote_addr = "127.0.0.1:{self.control}"\ndefault_token = "bench"\n'
        for s in SERVICES:
            server += f'[server.services.{s}]\nbind_addr = "127.0.0.1:{self.ports[s]}"\n'
            client += f'[client.services.{s}]\nlocal_addr = "127.0.0.1:{self.origin.ports[s]}"\n'
        (self.directory / "server.toml").write_text(server)
        (self.directory / "client.toml").write_text(client)
        self.spawn("server", "rathole", "--server", "server.toml")
        self.spawn("client", "rathole", "--client", "client.toml")


class Chisel(PortTunnel):
    name, program = "chisel", "chisel"

    def start_programs(self):
        self.spawn("server", "chisel", "server", "--host", "127.0.0.1", "-p", self.control, "--reverse")
        wait_for(lambda: listens(self.control), "chisel listens")
        self.spawn(
            "client",
            "chisel",
            "client",
            f"127.0.0.1:{self.control}",
            *(f"R:127.0.0.1:{self.ports[s]}:127.0.0.1:{self.origin.ports[s]}" for s in SERVICES),
        )


class Bore(PortTunnel):
    name, program = "bore", "bore"

    def start_programs(self):
        self.spawn("server", "bore", "server")
        wait_for(lambda: listens(7835), "bore listens on its one port")
        for s in SERVICES:
            self.spawn("client", "bore", "local", self.origin.ports[s], "--to", "127.0.0.1", "--port", self.ports[s])


class Ssh(PortTunnel):
    name, program = "ssh -R", "ssh"

    def start_programs(self):
        for key in ("host", "user"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.directory / key], check=True)
        (self.directory / "sshd_config").write_text(
            f"ListenAddress 127.0.0.1\nPort {self.control}\nHostKey {self.directory}/host\nPidFile none\nUsePAM no\n"
            f"StrictModes no\nPermitRootLogin yes\nAuthorizedKeysFile {self.directory}/user.pub\n"
        )
        if os.geteuid() == 0:
            os.makedirs("/run/sshd", exist_ok=True)
        sshd = shutil.which("sshd") or "/usr/sbin/sshd"
        self.spawn("server", sshd, "-D", "-e", "-f", self.directory / "sshd_config")
        wait_for(lambda: listens(self.control), "sshd listens")
        self.spawn(
            "client",
            "ssh",
            "-N",
            "-p",
            self.control,
            "-i",
            self.directory / "user",
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            f"UserKnownHostsFile={self.directory}/known",
            "-o",
            "ExitOnForwardFailure=yes",
            *(
                word
                for s in SERVICES
                for word in ("-R", f"127.0.0.1:{self.ports[s]}:127.0.0.1:{self.origin.ports[s]}")
            ),
            "127.0.0.1",
        )

    @classmethod
    def available(cls):
        sshd = shutil.which("sshd") or (os.path.exists("/usr/sbin/sshd") and "/usr/sbin/sshd")
        return shutil.which("ssh") is not None and bool(sshd)


ALL = (
    Direct, Nginx, NginxTwice, MdmTunnel, Unencrypted, ThroughMosquitto, ThroughRabbitMQ, ThroughNats, Frp, Rathole, Chisel, Bore,
    Ssh,
)


class Origin(Column):
    """nginx with a small file and a large sparse one; a sink that reads uploads; a WebSocket echo (the example)."""

    name = "origin"

    def __init__(self, directory, size):
        super().__init__(directory, None)
        self.size = size

    def start(self):
        files = self.directory / "files"
        files.mkdir()
        (files / "small").write_bytes(b"s" * 100)
        with open(files / "big", "wb") as big:
            big.truncate(self.size)
        subprocess.run(["cat", files / "big"], stdout=subprocess.DEVNULL, check=True)  # into the page cache
        self.ports = {service: free_port() for service in ("web", "sink")}
        nginx_spawn(self, "web", f"server {{ listen 127.0.0.1:{self.ports['web']} backlog=4096; root {files}; }}")
        self.spawn("sink", "/usr/bin/python3", pathlib.Path(__file__).parent / "sink.py", self.ports["sink"])
        example = MdmTunnel.build / "examples/websockets/websockets"
        if not example.exists():
            raise RuntimeError(f"{example} is not built")
        self.ports["ws"] = free_port()
        self.spawn("ws", example, self.ports["ws"])
        self.ready()
