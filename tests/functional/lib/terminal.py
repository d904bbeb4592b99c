# SPDX-License-Identifier: Apache-2.0
"""A program at a terminal: a pty that a thread reads, and what it would look like (pyte, where that is installed)."""
import fcntl
import os
import struct
import subprocess
import termios
import threading

from .clock import seconds, wait_until
from .program import Program, raise_limits

try:
    import pyte
except ImportError:
    pyte = None


class Terminal(Program):
    def __init__(self, name, arguments, directory, label=None, environment=None, columns=100, rows=30):
        self.label = label or name
        self.binary = self.find(name)
        self.arguments = [str(argument) for argument in arguments]
        self.ended_by_story = False
        self.exit_matters = True
        self.raw = b""
        self.lock = threading.Lock()
        self.screen = self.stream = None
        if pyte is not None:
            self.screen = pyte.Screen(columns, rows)
            self.stream = pyte.ByteStream(self.screen)
        self.fd, self.slave = os.openpty()
        self.set_size(columns, rows)
        self.before = termios.tcgetattr(self.slave)

        def controlling():
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
            raise_limits()

        self.process = subprocess.Popen(
            [self.binary, *self.arguments],
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            cwd=directory,
            env={**os.environ, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8", **(environment or {})},
            preexec_fn=controlling,
        )
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        """Until the pty is closed: this process has an end of its own open, so there is no EOF before."""
        while True:
            try:
                data = os.read(self.fd, 65536)
            except OSError:
                return
            if not data:
                return
            with self.lock:
                self.raw += data
                if self.stream is not None:
                    self.stream.feed(data)

    # -- what is seen

    @property
    def text(self):
        with self.lock:
            return "\n".join(line.rstrip() for line in self.screen.display)

    @property
    def log(self):
        with self.lock:
            return self.raw.decode("utf-8", "replace")

    @property
    def stdout(self):
        return ""

    def wait_text(self, *words, limit=15):
        """Until all of them are on the screen; returns what is there."""

        def look():
            text = self.text
            if all(word in text for word in words):
                return text
            if not self.running:
                raise AssertionError(f"{self.label} ended with {self.process.returncode} before {words} were seen:\n{self.log!r}")
            return None

        try:
            return wait_until(look, f"{words} on the screen", limit)
        except TimeoutError as late:
            raise AssertionError(f"{late}:\n{self.text}") from None

    @property
    def attributes(self):
        return termios.tcgetattr(self.slave)

    # -- what is done to it

    def set_size(self, columns, rows):
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def resize(self, columns, rows):
        """The kernel sends SIGWINCH."""
        with self.lock:
            self.screen.resize(rows, columns)
        self.set_size(columns, rows)

    def type(self, keys):
        os.write(self.fd, keys)

    def wait_exit(self, limit=10):
        self.ended_by_story = True
        return self.process.wait(seconds(limit))

    def finish(self):
        wrong = super().finish()
        os.close(self.slave)
        self.reader.join(seconds(10))
        os.close(self.fd)
        return wrong
