# SPDX-License-Identifier: Apache-2.0
"""A service that reads uploads with a Content-Length as fast as it can and answers. Argument: port."""
import re
import socket
import sys
import threading


def serve(sock):
    buffer = bytearray(1 << 20)
    pending = b""
    while True:
        while b"\r\n\r\n" not in pending:
            data = sock.recv(65536)
            if not data:
                return
            pending += data
        head, _, rest = pending.partition(b"\r\n\r\n")
        if re.search(rb"(?i)\r\nexpect: *100-continue", head):
            sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        left = int(length[1]) if length else 0
        pending = rest[left:]
        left -= min(left, len(rest))
        while left > 0:
            count = sock.recv_into(buffer, min(left, len(buffer)))
            if count == 0:
                return
            left -= count
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


def run(sock):
    try:
        serve(sock)
    except OSError:
        pass
    finally:
        sock.close()


with socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=1024) as listener:
    while True:
        threading.Thread(target=run, args=(listener.accept()[0],), daemon=True).start()
