#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Without -v the programs say nothing at all."""
from lib import main, same, story


@story("not one byte in a whole run: requests, errors, a reconnection, an edit, the end")
def _(t):
    origin = t.origin()
    tunnel = t.tunnel({"hello": origin}, verbose=False)
    same(tunnel.ask().body, b"hello\n", "answer")
    same(tunnel.ask("nothing").status, 404, "unknown service")
    with tunnel.visit() as visitor:
        visitor.send(b"nonsense\r\n\r\n")
        visitor.is_closed(2)
    with tunnel.server.visit() as visitor:
        visitor.send(tunnel.request(fields=[("Content-Length", "100")]))
    tunnel.server.kill()
    tunnel.restart_server()
    tunnel.wait_connected()
    same(tunnel.ask().body, b"hello\n", "answer after the reconnection")
    tunnel.client.write_services("{ not json")
    same(tunnel.ask().body, b"hello\n", "answer after an invalid edit")
    origin.stop_listening()
    for peer in origin.peers:
        peer.close()
    same(tunnel.ask().status, 502, "service gone")
    same(tunnel.client.stop(), 0, "the client's exit status")
    same(tunnel.server.stop(), 0, "the server's exit status")
    for program in tunnel.programs:
        same((program.stdout, program.log), ("", ""), f"what {program.label} said")


main()
