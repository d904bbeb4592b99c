# SPDX-License-Identifier: Apache-2.0
"""Debian's sshd with a configuration and keys of its own, on a port of the kernel's choice, for the user that runs it."""
import getpass
import os
import shutil
import socket
import subprocess

from .clock import seconds, wait_until
from .story import skip

SSHD = shutil.which("sshd", path="/usr/sbin:/usr/bin")


class Sshd:
    def __init__(self, directory):
        if SSHD is None or shutil.which("ssh") is None:
            skip("openssh is not installed")
        if os.getuid() == 0:
            os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = listener.getsockname()[1]
        self.directory = directory / "ssh"
        self.directory.mkdir(mode=0o700)
        for name in ("host", "user"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.directory / name], check=True)
        config = self.directory / "config"
        # What the user's shell would do at each login is not what is tested: bash reads no .bashrc in a second shell.
        config.write_text("\n".join([
            f"Port {self.port}", "ListenAddress 127.0.0.1", f"HostKey {self.directory}/host", "PidFile none", "UsePAM no",
            f"AuthorizedKeysFile {self.directory}/user.pub", "StrictModes no", "PasswordAuthentication no", "MaxSessions 40",
            "MaxStartups 100", "SetEnv SHLVL=2", "Subsystem sftp internal-sftp", ""]))
        self.log = open(self.directory / "log", "ab")
        self.process = subprocess.Popen([SSHD, "-D", "-e", "-f", config], stdout=self.log, stderr=subprocess.STDOUT)

        def listening():
            if self.process.poll() is not None:
                raise AssertionError((self.directory / "log").read_text())
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return True
            except OSError:
                return False

        wait_until(listening, "sshd listens")

    @property
    def target(self):
        return f"127.0.0.1:{self.port}"

    def options(self, *more):
        """For ssh, scp and rsync's -e."""
        pairs = [f"UserKnownHostsFile={self.directory}/known", "StrictHostKeyChecking=accept-new", "BatchMode=yes",
                 "LogLevel=ERROR", *more]
        return ["-F", "/dev/null", "-i", f"{self.directory}/user", *(word for pair in pairs for word in ("-o", pair))]

    def user(self, host):
        return f"{getpass.getuser()}@{host}"

    def run(self, *command, limit=180, **rest):
        done = subprocess.run([str(word) for word in command], capture_output=True, timeout=seconds(limit), check=False, **rest)
        if done.returncode != 0:
            raise AssertionError(f"{command[0]}: status {done.returncode}: {done.stderr.decode('utf-8', 'replace')}")
        return done.stdout

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(10)
        self.log.close()
