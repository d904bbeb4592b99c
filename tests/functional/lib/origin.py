# SPDX-License-Identifier: Apache-2.0
"""Local services to put behind a tunnel: a raw socket, a thread a connection, and a function that says what happens."""
import inspect
import socket
import threading

from .peer import Closed, Cut, Peer


def response(status=200, body=b"", *fields, reason="OK", length=True):
    lines = [f"HTTP/1.1 {status} {reason}"] + [f"{name}: {value}" for name, value in fields]
    if length:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines + ["", ""]).encode("latin-1") + body


def answering(answer):
    """A well-behaved keep-alive service. `answer`: bytes, or a function of the request that gives them or None to close."""

    def serve(peer, origin):
        while (request := peer.read_request()) is not None:
            origin.requests.append(request)
            data = answer(request) if callable(answer) else answer
            if data is None:
                return
            peer.send(data)

    return serve


def serving(what):
    """Bytes: the answer to everything; a function of a request: answers; a function of (peer, origin): a connection."""
    if what is None:
        what = response(200, b"hello\n")
    if callable(what) and len(inspect.signature(what).parameters) == 2:
        return what
    return answering(what)


class Origin:
    """Each connection has a thread, and is closed when that returns. A story's own mistakes stand in `troubles`."""

    def __init__(self, serve=None, *, path=None, backlog=1024):
        self.serve = serving(serve)
        self.path = path
        self.backlog = backlog
        self.port = 0
        self.requests = []
        self.peers = []
        self.troubles = []
        self.accepted = 0
        self.gone = threading.Event()
        self.listener = None
        self.start()

    @property
    def target(self):
        return f"unix:{self.path}" if self.path else f"127.0.0.1:{self.port}"

    def start(self):
        """Listens, again on the same port after a stop()."""
        if self.path:
            self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.listener.bind(str(self.path))
        else:
            self.listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.listener.bind(("127.0.0.1", self.port))
            self.port = self.listener.getsockname()[1]
        self.listener.listen(self.backlog)
        threading.Thread(target=self._accept, args=(self.listener,), daemon=True).start()

    def _accept(self, listener):
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            self.accepted += 1
            peer = Peer(sock, 60)
            self.peers.append(peer)
            threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer):
        try:
            self.serve(peer, self)
        except (Closed, Cut, ConnectionError, TimeoutError):
            pass
        except OSError as error:
            if peer.sock.fileno() >= 0:
                self.troubles.append(error)
        except Exception as error:  # a story's own mistake must be seen
            self.troubles.append(error)
        finally:
            peer.close()

    def stop_listening(self):
        """New connections are refused; those that are open stay."""
        if self.listener is not None:
            try:
                self.listener.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            self.listener.close()
            self.listener = None

    def stop(self):
        self.gone.set()
        self.stop_listening()
        for peer in self.peers:
            peer.close()
        self.peers.clear()

    @property
    def open_connections(self):
        return sum(1 for peer in self.peers if peer.sock.fileno() >= 0)
