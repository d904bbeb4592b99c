#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
Raw TCP through mdm-tunnel-connect, one and eight streams each way: with the server's own broker and with mosquitto, beside
no tunnel and ssh -L, all on this machine. Prints MB/s, medians of the rounds. Usage: raw.py [--rounds N] [--mebibytes N]
"""
import argparse
import pathlib
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "functional"))

from lib.mosquitto import Mosquitto, free_port  # noqa: E402
from lib.sshd import Sshd  # noqa: E402
from lib.story import Skip, Telling  # noqa: E402
from lib.workstation import Site  # noqa: E402

BLOCK = bytes(1 << 20)


def serve(peer, _origin):
    """Eight bytes say how much is wanted; then as much comes, or, for 0, all is read and counted."""
    wanted = struct.unpack("!Q", peer.read_exact(8))[0]
    if wanted > 0:
        for _ in range(wanted >> 20):
            peer.sock.sendall(BLOCK)
        return
    count = len(peer.buffer)
    while data := peer.sock.recv(1 << 20):
        count += len(data)
    peer.sock.sendall(struct.pack("!Q", count))


def read_to_end(sock):
    count = 0
    while data := sock.recv(1 << 20):
        count += len(data)
    return count


def down(port, size):
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.sendall(struct.pack("!Q", size))
        assert read_to_end(sock) == size


def up(port, size):
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.sendall(struct.pack("!Q", 0))
        for _ in range(size >> 20):
            sock.sendall(BLOCK)
        sock.shutdown(socket.SHUT_WR)
        assert struct.unpack("!Q", sock.recv(8, socket.MSG_WAITALL))[0] == size


def rate(load, port, streams, size):
    threads = [threading.Thread(target=load, args=(port, size // streams)) for _ in range(streams)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return size / (time.monotonic() - began) / 1e6


def direct(_telling, origin):
    return origin.port


def ssh(telling, origin):
    server = telling.keep(Sshd(telling.directory))
    port = free_port()
    process = subprocess.Popen(["ssh", *server.options(f"Port={server.port}"), "-N", "-L", f"{port}:127.0.0.1:{origin.port}",
                                server.user("127.0.0.1")])
    telling.stack.callback(process.terminate)
    for _ in range(500):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return port
        except OSError:
            time.sleep(0.02)
    raise AssertionError("ssh does not listen")


def embedded(telling, origin):
    return Site(telling, telling.tunnel().server, {"raw": origin}).way()[1]


def mosquitto(telling, origin):
    return Site(telling, telling.keep(Mosquitto(telling.directory)), {"raw": origin}).way()[1]


def measure(column, options):
    with tempfile.TemporaryDirectory(prefix="mdm-raw-") as directory:
        telling = Telling(pathlib.Path(directory))
        try:
            port = column(telling, telling.origin(serve))
            return [statistics.median(rate(load, port, streams, options.mebibytes << 20) for _ in range(options.rounds))
                    for load in (down, up) for streams in (1, 8)]
        finally:
            telling.finish()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--mebibytes", type=int, default=256)
    options = parser.parse_args()
    print(f"{'MB/s':24}{'down, 1':>10}{'down, 8':>10}{'up, 1':>10}{'up, 8':>10}")
    for name, column in (("no tunnel", direct), ("ssh -L", ssh), ("through the server", embedded), ("through mosquitto", mosquitto)):
        try:
            print(f"{name:24}" + "".join(f"{value:10.0f}" for value in measure(column, options)), flush=True)
        except Skip as reason:
            print(f"{name:24}  {reason}")


main()
