#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What comes piece by piece, in Chromium: server-sent events with a reconnection, and gRPC-Web over HTTP/1.1."""
import json
import queue
import subprocess

from lib import check, main, response, same, seconds, story
from lib.browser import FOLDER, needs_browser, visit

WORDS = ("one", "two", "three", "four", "five", "six")
ORDERS = (b"first", b"second", b"third")


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


def message(kind, data):
    """A frame of gRPC-Web: kind 0x80 has the trailers."""
    return chunk(bytes([kind]) + len(data).to_bytes(4, "big") + data)


@story("events go on where they were cut (Last-Event-ID); each message of gRPC-Web arrives before the next one is sent",
       only="plain", slow=True)
def _(t):
    needs_browser()
    shown = subprocess.run(["node", FOLDER / "events.mjs"], capture_output=True, text=True, timeout=seconds(60), check=True)
    pages = json.loads(shown.stdout)
    lasts, acknowledged, asked = [], queue.Queue(), []

    def events(peer, request):
        """Three of them, and a cut in the middle of a fourth, which does not count; the rest for who comes again."""
        lasts.append(request.get("Last-Event-ID"))
        begin = int(lasts[-1] or 0)
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        peer.send(chunk(b"retry: 10\n: hello\n\n"))
        for number in range(begin + 1, begin + 4):
            peer.send(chunk(b"id: %d\nevent: count\ndata: %s\n\n" % (number, WORDS[number - 1].encode())))
        if begin == 0:
            peer.send(chunk(b"id: 99\nevent: count\ndata: ne"))
        else:
            peer.fill()

    def orders(peer, request):
        asked.append((request.get("Content-Type"), request.body))
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/grpc-web+proto\r\nTransfer-Encoding: chunked\r\n\r\n")
        for order in ORDERS:
            peer.send(message(0, order))
            same(acknowledged.get(timeout=seconds(60)), order, "what the page has")
        peer.send(message(0x80, b"grpc-status: 0\r\n") + b"0\r\n\r\n")

    def serve(peer, origin):
        while (request := peer.read_request()) is not None:
            if request.target in pages:
                peer.send(response(200, pages[request.target].encode(), ("Content-Type", "text/html")))
            elif request.target == "/events":
                events(peer, request)
                return
            elif request.target == "/ack":
                acknowledged.put(request.body)
                peer.send(response(204, reason="No Content", length=False))
            elif request.target == "/shop.Orders/Watch":
                orders(peer, request)
            else:
                peer.send(response(404, reason="Not Found"))

    tunnel = t.tunnel({"live": t.origin(serve)})
    visit("events", f"http://{tunnel.host('live')}:{tunnel.server.http}/")
    same(lasts, [None, "3"], "where the browser wanted to go on")
    check(asked == [("application/grpc-web+proto", b"\0\0\0\0\2\x08\x07")], f"the call: {asked}")


main()
