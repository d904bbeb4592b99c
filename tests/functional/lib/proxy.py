# SPDX-License-Identifier: Apache-2.0
"""An HTTP proxy that makes tunnels (CONNECT), for those who know the password."""
import base64
import contextlib
import socket
import threading


class ConnectProxy:
    outlives_programs = True

    def __init__(self, credentials=None, names=None):
        self.credentials = credentials  # "user:password"
        self.names = names or {}  # what the proxy alone knows: {"broker.test": "127.0.0.1"}
        self.targets, self.refused = [], 0
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _allows(self, head):
        if self.credentials is None:
            return True
        wanted = base64.b64encode(self.credentials.encode()).decode()
        return f"proxy-authorization: basic {wanted}".lower() in [line.lower() for line in head.split("\r\n")]

    def _serve(self, near):
        with contextlib.suppress(OSError), near:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                byte = near.recv(1)
                if not byte:
                    return
                head += byte
            method, target, _ = head.decode().split("\r\n")[0].split()
            if method != "CONNECT" or not self._allows(head.decode()):
                self.refused += 1
                near.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
                return
            host, port = target.rsplit(":", 1)
            with socket.create_connection((self.names.get(host, host), int(port))) as far:
                near.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                self.targets.append(target)
                back = threading.Thread(target=self._pump, args=(far, near), daemon=True)
                back.start()
                self._pump(near, far)
                back.join()

    @staticmethod
    def _pump(source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()
