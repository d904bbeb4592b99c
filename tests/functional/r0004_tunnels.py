#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What else a workstation does with a device: ways back, datagrams, who has what open, the end of it; and what is written of it."""
import contextlib
import re
import socket
import subprocess

from lib import check, main, same, seconds, story, wait_until
from lib.workstation import Site, dial, echo, is_turned_away


def free_port(kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def ask(site, *arguments, name="oli", status=0):
    done = subprocess.run(site.command(*arguments, name=name), capture_output=True, text=True, timeout=seconds(20), check=False)
    same(done.returncode, status, f"status of {arguments}: {done.stdout}{done.stderr}")
    return done.stdout


@story("-R: a port of the device leads to one here, if the device allows it; it comes again with the device")
def _(t):
    origin, port, other = t.origin(echo), free_port(), free_port()
    options = ["--allow-listen", port]
    s = Site(t, t.tunnel().server, {"web": t.origin()}, options=options)
    program = s.workstation("-R", f"{port}:{origin.port}", "gateway")
    program.wait_log(f"gateway: its port at 127.0.0.1:{port} leads to localhost:{origin.port}")
    with dial(port) as peer:
        peer.send(b"from there")
        same(peer.read_exact(10), b"from there", "echo")
        peer.sock.shutdown(socket.SHUT_WR)
        same(peer.read_rest(), b"", "after the end comes the end")
    s.device.wait_log(f"gateway/localhost:{port}#.* listen opened by oli")
    refused = s.workstation("-R", f"{other}:{origin.port}", "gateway", label="refused")
    same(refused.wait_exit(), 1, "exit status of what is not allowed")
    check("--allow-listen" in refused.log, refused.log)
    s.device.wait_log(f"oli wants to listen at localhost:{other}, .*--allow-listen {other}")
    origin.stop_listening()
    check(is_turned_away(port), "with nobody there it ends")
    program.wait_log("refused: localhost:.*Connection refused")
    program.stop()
    wait_until(lambda: socket.socket().connect_ex(("127.0.0.1", port)) != 0, "the port is closed again")


@story("-U: datagrams stay whole, both ways, and answers find their sender; the device has to allow it")
def _(t):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as there, contextlib.ExitStack() as stack:
        there.bind(("127.0.0.1", 0))
        there.settimeout(seconds(5))
        target, refused = there.getsockname()[1], free_port(socket.SOCK_DGRAM)
        s = Site(t, t.tunnel().server, {"web": t.origin()}, options=["--allow-ports", f"{target}/udp"])
        program = s.workstation("-U", f"0:{target}", "-U", f"0:{refused}", "gateway")
        port, refused_port = program.wait_ports(2)
        senders = [stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(3)]
        for number, sender in enumerate(senders):
            sender.settimeout(seconds(5))
            for size in (0, 1, 1400, 60000):
                sender.sendto(bytes([number]) * size, ("127.0.0.1", port))
                data, back = there.recvfrom(65536)
                same(data, bytes([number]) * size, "datagram there")
                there.sendto(data + b"!", back)
                same(sender.recvfrom(65536)[0], data + b"!", "datagram back")
        senders[0].sendto(b"x", ("127.0.0.1", refused_port))
        program.wait_log("datagrams are lost: the device does not let this key use the port")
        s.device.wait_log(f"oli wants localhost:{refused}/udp, .*--allow-ports {refused}/udp")


@story("--list, --status and --disconnect; each tunnel leaves a line in the device's audit log")
def _(t):
    s = Site(t, t.tunnel().server, {"ssh": t.origin(echo), "web": t.origin()}, authorized=("oli", "tim", "root disconnect"))
    program, port = s.way()
    tims, other_port = s.way(name="tim")
    line = ask(s, "--list", "gateway").split()
    check(line[0] == "gateway" and re.fullmatch(r"\d{4}-\d\d-\d\d", line[1]), line)
    check(float(line[3]) > 0 and line[4:] == ["ms", "ssh", "web"], line)
    same(ask(s, "--status", "gateway"), "gateway: no tunnels\n", "before there is one")
    with dial(port) as peer, dial(other_port) as other:
        for each in (peer, other):
            each.send(b"12345")
            same(each.read_exact(5), b"12345", "echo")
        own = ask(s, "--status", "gateway")
        check(re.search(r"^gateway  \S+ \S+  tcp ssh by oli from 127.0.0.1:\d+: 5 bytes there, 5 back\n$", own), own)
        both = ask(s, "--status", "gateway", name="root")
        same([both.count("by oli"), both.count("by tim")], [1, 1], "who may end all sees all")
        same(ask(s, "--disconnect", "gateway"), "gateway: 1 tunnels ended\n", "one's own")
        check(peer.is_closed(5), "its connection ends")
        same(program.wait_exit(), 1, "the other program of the same key ends")
        check("the tunnels were ended by oli" in program.log, program.log)
        other.send(b"x")
        same(other.read_exact(1), b"x", "tim's goes on")
        same(ask(s, "--disconnect", "gateway", name="root"), "gateway: 1 tunnels ended\n", "everybody's")
        check(other.is_closed(5), "tim's connection ends")
        same(tims.wait_exit(), 1, "and his program")
    check("nobody has not answered" in ask_fails(s, "--status", "--timeout", "1", "nobody"), "an unknown device")
    audit = s.state / "audit.log"
    wait_until(lambda: audit.read_text().count(" ended who=") >= 2, "both lines are written")
    same(audit.stat().st_mode & 0o777, 0o600, "mode")
    mine = [text for text in audit.read_text().splitlines() if 'who="oli"' in text and 'kind="tcp"' in text]
    check(re.match(r'\S+Z ended who="oli" key="SHA256:\S+" kind="tcp" what="ssh" from="127.0.0.1:\d+" since=\S+Z '
                   r'seconds=\d+\.\d{3} bytes_to=5 bytes_from=5 why="the device was told to end the tunnel"$', mine[0]), mine)


def ask_fails(site, *arguments):
    return subprocess.run(site.command(*arguments), capture_output=True, text=True, timeout=seconds(20), check=False).stderr


@story("a session without a tunnel ends after --linger, and comes again with the next connection")
def _(t):
    s = Site(t, t.tunnel().server, {"ssh": t.origin(echo)})
    program, port = s.way("--linger", 1, "-v", "gateway")
    for _ in range(2):
        with dial(port) as peer:
            peer.send(b"x")
            same(peer.read_exact(1), b"x", "echo")
        ended = program.log.count("session ended: nothing was to be done for long")
        wait_until(lambda: program.log.count("session ended: nothing was to be done for long") > ended, "the session ends")
    check(program.running, "the way stays open")


main()
