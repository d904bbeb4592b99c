# SPDX-License-Identifier: Apache-2.0
"""A server that is replaced (SIGUSR2)."""
import contextlib
import os
import re
import signal

from .clock import wait_until


class Successor:
    """The process that has taken over from another one; their output goes to the same files."""

    def __init__(self, t, server, count=1):
        line = server.wait_log(r"process \d+ takes over", 60, count)
        self.pid = int(re.search(r"process (\d+)", line).group(1))
        t.keep(self)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    @property
    def running(self):
        return os.path.exists(f"/proc/{self.pid}")

    def signal(self, number):
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def stop(self):
        self.signal(signal.SIGTERM)
        wait_until(lambda: not self.running, "the successor ends", 20)


def replace(t, server, count=1):
    server.signal(signal.SIGUSR2)
    return Successor(t, server, count)
