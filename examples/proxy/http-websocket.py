#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A message over a WebSocket of HTTP through mdm-tunnel-proxy -c proxy.json: http-websocket.py without-tls|with-tls|with-mtls

What the target says to it is printed. PORT is the listener's, CERTS the directory of ca.crt, client.crt and client.key,
CREDENTIALS what stands in Authorization. Needs python3-websockets.
"""
import asyncio
import os
import ssl
import sys

import websockets

PORTS = {"without-tls": 8086, "with-tls": 8087, "with-mtls": 8088}


async def talk(way):
    certs = os.environ.get("CERTS", "certs")
    tls = None if way == "without-tls" else ssl.create_default_context(cafile=f"{certs}/ca.crt")
    if way == "with-mtls":
        tls.load_cert_chain(f"{certs}/client.crt", f"{certs}/client.key")
    url = f"{'ws' if tls is None else 'wss'}://localhost:{os.environ.get('PORT', PORTS[way])}/messages/example"
    credentials = {"Authorization": os.environ.get("CREDENTIALS", "thing key")}
    async with websockets.connect(url, ssl=tls, extra_headers=credentials) as socket:
        await socket.send(f"hello {way}")
        print(await socket.recv())


if len(sys.argv) != 2 or sys.argv[1] not in PORTS:
    sys.exit(__doc__)
asyncio.run(talk(sys.argv[1]))
