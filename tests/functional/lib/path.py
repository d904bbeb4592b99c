# SPDX-License-Identifier: Apache-2.0
"""
An emulated line (tests/path/emulator.c) between this story, which moves into a network namespace of its own, and a far
one. What is made `with path.far():` lives at the far end. Everything on the line goes before other programs of the machine,
whose load would else be measured, too.
"""
import contextlib
import ctypes
import os
import pathlib
import socket
import subprocess
import threading
import time

from .program import BUILD
from .story import check, skip

NEAR, FAR = "10.77.0.1", "10.77.0.2"
EMULATOR = BUILD / "tests" / "path" / "emulator"
CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)


def enter_namespace(path):
    """For the calling thread, and what it makes."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if LIBC.setns(fd, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")
    finally:
        os.close(fd)


class Path:
    outlives_programs = True

    def __init__(self, words):
        if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
            skip("no TUN devices here")
        if LIBC.unshare(CLONE_NEWNET) != 0:
            skip("network namespaces are not permitted here")
        self.process = subprocess.Popen([EMULATOR, NEAR, FAR], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, bufsize=1)
        if self.process.stdout.readline() != "ready\n":
            skip(f"no emulated line: {self.process.stderr.read().strip()}")
        self.scheduler = os.sched_getscheduler(0)
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))  # for what is made from here on, too
        self.tell(words)

    def tell(self, words):
        self.process.stdin.write(words + "\n")
        answer = self.process.stdout.readline()
        check(answer == "ok\n", f"the emulator takes {words!r}: {answer}")

    def lose_halves(self):
        """Sockets that do not choose for themselves halve their rate at every loss, as most systems' do."""
        setting = pathlib.Path("/proc/sys/net/ipv4/tcp_congestion_control")
        setting.write_text("reno")  # CUBIC is not every kernel's to choose in a namespace
        with self.far():
            setting.write_text("reno")

    def carried(self):
        """Bytes that came out of the line so far, with their IP heads: (from far to near, from near to far)."""
        self.process.stdin.write("counts\n")
        words = self.process.stdout.readline().split()
        up, down = (int(word.split("=")[1]) for word in words if word.startswith("bytes="))
        return up, down

    @contextlib.contextmanager
    def far(self):
        home = f"/proc/{os.getpid()}/task/{threading.get_native_id()}/ns/net"
        fd = os.open(home, os.O_RDONLY | os.O_CLOEXEC)
        enter_namespace(f"/proc/{self.process.pid}/ns/net")
        try:
            yield
        finally:
            LIBC.setns(fd, CLONE_NEWNET)
            os.close(fd)

    def bare(self, during, settle, upward=True):
        """What one TCP connection carries, in bits a second, from `settle` seconds after its start on."""
        with socket.create_server((NEAR, 0)) as listener:
            with self.far():
                far = socket.create_connection(listener.getsockname())
            near, _ = listener.accept()
        source, sink = (far, near) if upward else (near, far)
        over = threading.Event()

        def send():
            with contextlib.suppress(OSError):
                while not over.is_set():
                    source.sendall(bytes(1 << 16))

        with far, near:
            sender = threading.Thread(target=send, daemon=True)
            sender.start()
            rate = measure(lambda: len(sink.recv(1 << 20)), during, settle)
            over.set()
            source.shutdown(socket.SHUT_RDWR)
            sender.join()
        return rate

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.sched_setscheduler(0, self.scheduler, os.sched_param(0))
        self.process.stdin.close()
        self.process.wait(10)


def measure(receive, during, settle):
    """Bits a second of what `receive()` brings, from `settle` seconds on."""
    began = time.monotonic()
    while time.monotonic() < began + settle:
        receive()
    first = last = time.monotonic()
    count = 0
    while last < first + during:
        count += receive()
        last = time.monotonic()
    return count * 8 / (last - first)
