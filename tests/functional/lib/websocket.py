# SPDX-License-Identifier: Apache-2.0
"""WebSocket services and visitors made with python3-websockets, and a bare echo for thousands of connections."""
import asyncio
import base64
import hashlib
import multiprocessing
import re
import threading

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
HANDSHAKE = [
    ("Connection", "Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", KEY),
]


class Loop:
    """An asyncio loop in a thread of its own, with one server, which `serve()` makes."""

    def __init__(self, serve):
        self.serve = serve
        self.loop = asyncio.new_event_loop()
        self.started = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        asyncio.set_event_loop(self.loop)
        self.server = self.loop.run_until_complete(self.serve())
        self.port = self.server.sockets[0].getsockname()[1]
        self.started.set()
        self.loop.run_forever()
        tasks = asyncio.all_tasks(self.loop)
        for task in tasks:
            task.cancel()
        self.loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))

    def __enter__(self):
        self.thread.start()
        self.started.wait(10)
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(5)


class Echo(Loop):
    """Echoes messages; "close CODE" closes. Keeps how each connection was closed."""

    def __init__(self, **options):
        super().__init__(self._serve)
        self.options = options
        self.closed = []
        self.paths = []

    async def _serve(self):
        import websockets

        return await websockets.serve(self._echo, "127.0.0.1", 0, max_size=None, compression=None, **self.options)

    async def _echo(self, connection):
        import websockets

        self.paths.append(connection.path)
        try:
            async for message in connection:
                if isinstance(message, str) and message.startswith("close "):
                    await connection.close(int(message[6:]), "as you say")
                else:
                    await connection.send(message)
        except websockets.ConnectionClosed:
            pass
        self.closed.append((connection.close_code, connection.close_reason))


class BareEcho(Loop):
    """Does the handshake and echoes bytes; a few KiB a connection, for very many of them."""

    def __init__(self):
        super().__init__(self._serve)

    async def _serve(self):
        return await asyncio.start_server(self._echo, "127.0.0.1", 0, backlog=4096, limit=4096)

    async def _echo(self, reader, writer):
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            key = re.search(rb"(?i)\r\nsec-websocket-key: *(\S+)", head)[1]
            accept = base64.b64encode(hashlib.sha1(key + GUID).digest())
            writer.write(
                b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
            )
            while data := await reader.read(1024):
                writer.write(data)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


class Apart:
    """A Loop in a process of its own: half of ten thousand connections' descriptors are not the story's."""

    def __init__(self, make):
        self.ours, theirs = multiprocessing.Pipe()
        self.process = multiprocessing.Process(target=self._run, args=(make, theirs), daemon=True)

    @staticmethod
    def _run(make, pipe):
        with make() as loop:
            pipe.send(loop.port)
            pipe.recv()

    def __enter__(self):
        self.process.start()
        self.port = self.ours.recv()
        return self

    def __exit__(self, *_):
        self.ours.send(None)
        self.process.join(10)


def run(coroutine, limit):
    return asyncio.run(asyncio.wait_for(coroutine, limit))


def open_socket(tunnel, path="/", service="hello", **options):
    """A visitor's WebSocket, as an async context manager."""
    import websockets

    options = {"max_size": None, "compression": None, "open_timeout": 60, "ping_interval": None, **options}
    return websockets.connect(
        f"ws://{tunnel.host(service)}:{tunnel.server.http}{path}",
        host="127.0.0.1",
        port=tunnel.server.http,
        **options,
    )
