# SPDX-License-Identifier: Apache-2.0
"""A program under test: started with its output in files, watched, measured, and ended by its process id."""
import functools
import os
import pathlib
import re
import resource
import signal
import subprocess

from .clock import seconds, wait_until

BUILD = pathlib.Path(os.environ.get("MDM_BUILDDIR", pathlib.Path(__file__).resolve().parents[3])).resolve()
# Memory that was freed is kept aside for a while, which must not count as memory that grows.
SANITIZER_OPTIONS = {
    "ASAN_OPTIONS": "quarantine_size_mb=8:thread_local_quarantine_size_kb=64",
    "TSAN_OPTIONS": f"suppressions={pathlib.Path(__file__).resolve().parents[2] / 'tsan.supp'}",
}
os.environ.update({name: os.environ.get(name, value) for name, value in SANITIZER_OPTIONS.items()})
TICKS = os.sysconf("SC_CLK_TCK")
SANITIZER = re.compile(r"ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:|assertion|Assertion|SUMMARY: ")


@functools.cache
def sanitized():
    """Was it built with a sanitizer that has memory of its own?"""
    return bool(re.search(rb"__(asan|tsan)_init", (BUILD / "mdm-tunnel-server").read_bytes()))


def raise_limits():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def passing(sockets):
    """Words before a command's that start it with these sockets (sd_listen_fds(3)); the process id stays."""
    if not sockets:
        return []
    aside = " ".join(f"{number}<&{s.fileno()}" for number, (_, s) in enumerate(sockets, 20))
    moved = aside + "".join(f" {number}<&{number + 17} {number + 17}<&-" for number in range(3, 3 + len(sockets)))
    names = ":".join(name for name, _ in sockets)
    return ["/bin/bash", "-c", f'LISTEN_PID=$$ LISTEN_FDS={len(sockets)} LISTEN_FDNAMES={names} exec "$@" {moved}', "bash"]


class Program:
    session = False  # of its own, with a process group for all that it starts

    def __init__(self, name, arguments, directory, label=None, environment=None, sockets=()):
        """`sockets`: (name, socket) that listen and are passed to it, as systemd does."""
        self.label = label or name
        self.binary = self.find(name)
        self.arguments = [str(argument) for argument in arguments]
        count = len(list(directory.glob(f"{self.label}.*.err")))
        self.err = directory / f"{self.label}.{count}.err"
        self.out = directory / f"{self.label}.{count}.out"
        with open(self.err, "wb") as err, open(self.out, "wb") as out:
            self.process = subprocess.Popen(
                [*passing(sockets), self.binary, *self.arguments],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=directory,
                env={**os.environ, **(environment or {})},
                pass_fds=[s.fileno() for _, s in sockets],
                preexec_fn=raise_limits,
                start_new_session=self.session,
            )
        self.ended_by_story = False
        self.exit_matters = True

    @staticmethod
    def find(name):
        return BUILD / name

    # -- what it says

    @property
    def log(self):
        return self.err.read_text("utf-8", "replace")

    @property
    def stdout(self):
        return self.out.read_text("utf-8", "replace")

    def wait_log(self, pattern, limit=10, count=1):
        """Until `count` lines match; returns the last of them."""

        def look():
            found = [line for line in self.log.splitlines() if re.search(pattern, line)]
            if len(found) >= count:
                return found[count - 1]
            if not self.running:
                raise AssertionError(f"{self.label} ended with {self.process.returncode} before it said {pattern!r}")
            return None

        return wait_until(look, f"{self.label} says {pattern!r}", limit)

    # -- how it is

    @property
    def running(self):
        return self.process.poll() is None

    @property
    def pid(self):
        return self.process.pid

    def fds(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def rss(self):
        """Bytes."""
        for line in pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise AssertionError(f"{self.label} has no VmRSS")

    def cpu(self):
        """Seconds, user and system."""
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    # -- how it ends

    def signal(self, number):
        self.process.send_signal(number)

    def wait_exit(self, limit=10):
        self.ended_by_story = True
        return self.process.wait(seconds(limit))

    def stop(self, limit=10):
        """SIGTERM, and the exit status."""
        self.ended_by_story = True
        self.signal(signal.SIGTERM)
        return self.process.wait(seconds(limit))

    def kill(self):
        self.ended_by_story = True
        self.process.kill()
        self.process.wait()

    def finish(self):
        """At the end of a story, however it went. Returns what was wrong."""
        wrong = []
        if not self.ended_by_story and not self.running:
            wrong.append(f"{self.label} ended by itself with status {self.process.returncode}")
        if self.running:
            status = self._end()
            if status != 0 and self.exit_matters:
                wrong.append(f"{self.label}: exit status {status} after SIGTERM")
        if SANITIZER.search(self.log):
            wrong.append(f"{self.label}: a sanitizer or an assertion spoke")
        return wrong

    def _end(self):
        for number, limit in ((signal.SIGTERM, 4), (signal.SIGTERM, 4), (signal.SIGABRT, 10), (signal.SIGKILL, 10)):
            self.signal(number)
            try:
                status = self.process.wait(seconds(limit))
                return "still running 4 s after SIGTERM" if number != signal.SIGTERM else status
            except subprocess.TimeoutExpired:
                pass
        return "cannot be killed"
