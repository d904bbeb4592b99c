#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
Measures this tunnel side by side with no proxy, nginx, nginx behind nginx, and other tunnels that are on PATH (frp,
rathole, chisel, bore, ssh -R), over the same services on this machine. Every round measures each thing in each column
once, one after the other; the table shows medians and, in brackets, the ratio to nginx behind nginx.
"""
import argparse
import contextlib
import json
import os
import pathlib
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time

import columns

GIB = 1 << 30
TICKS = os.sysconf("SC_CLK_TCK")
BASE = columns.NginxTwice.name
IDLE_WEBSOCKETS = 1000


# -- loads: each returns {metric: value} -----------------------------------------------------------------------------


def wrk(column, options, connections, *fields):
    port, host = column.where("web")
    command = [
        "wrk",
        "-t1",
        f"-c{connections}",
        f"-d{options.seconds}s",
        "--timeout",
        "10s",
        "--latency",
        "-H",
        f"Host: {host}",
    ]
    for field in fields:
        command += ["-H", field]
    out = subprocess.run(
        [*command, f"http://127.0.0.1:{port}/small"], capture_output=True, text=True, check=True
    ).stdout
    errors = re.search(r"Socket errors: (.*)|Non-2xx or 3xx responses: (\d+)", out)
    if errors and not errors[0].endswith("read 0, write 0, timeout 0"):
        print(f"  {column.name}: wrk says: {errors[0].strip()}", file=sys.stderr)
    found = {p: re.search(rf"{p}%\s+([\d.]+[a-z]+)", out) for p in (50, 99)}
    if not all(found.values()):
        raise RuntimeError(f"no request was answered: {out}")
    latency = {p: in_milliseconds(match[1]) for p, match in found.items()}
    return (
        float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1]),
        latency,
        int(re.search(r"(\d+) requests in", out)[1]),
    )


def in_milliseconds(text):
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text).groups()
    return float(number) * {"us": 0.001, "ms": 1, "s": 1000, "m": 60000}[unit]


def small_one(column, options):
    rate, latency, _ = wrk(column, options, 1)
    return {"small GET, 1 connection: requests/s": rate, "small GET, 1 connection: p99 ms": latency[99]}


def small_fifty(column, options):
    before = cpu_by_group(column)
    rate, latency, count = wrk(column, options, 50)
    spent = cpu_spent(column, before, 100_000 / max(count, 1))
    return {
        "small GET, 50 connections: requests/s": rate,
        "small GET, 50 connections: p99 ms": latency[99],
        **{f"CPU s per 100,000 requests: {group}": value for group, value in spent.items()},
    }


def small_new(column, options):
    rate, _, _ = wrk(column, options, 10, "Connection: close")
    return {"new connections, 10 at once: requests/s": rate}


def curl(column, service, path, *arguments):
    port, host = column.where(service)
    return subprocess.Popen(
        [
            "curl",
            "-sS",
            "-f",
            "-o",
            "/dev/null",
            "-H",
            f"Host: {host}",
            "-H",
            "Expect:",
            *arguments,
            f"http://127.0.0.1:{port}{path}",
        ],
        stderr=subprocess.DEVNULL,
    )


def transfer(processes, size):
    """MiB/s of all together."""
    began = time.monotonic()
    if any([process.wait() for process in processes()]):
        raise RuntimeError("a transfer failed")
    return size / (1 << 20) / (time.monotonic() - began)


def download_one(column, options):
    before = cpu_by_group(column)
    rate = transfer(lambda: [curl(column, "web", "/big")], options.size)
    spent = cpu_spent(column, before, GIB / options.size)
    return {"1 download: MiB/s": rate, **{f"CPU s per GiB down: {group}": value for group, value in spent.items()}}


def download_eight(column, options):
    last = options.size // 8 - 1
    return {
        "8 downloads: MiB/s": transfer(
            lambda: [curl(column, "web", "/big", "-r", f"0-{last}") for _ in range(8)], options.size
        )
    }


def upload(column, options):
    before = cpu_by_group(column)
    rate = transfer(lambda: [curl(column, "sink", "/", "-T", str(options.big_file))], options.size)
    spent = cpu_spent(column, before, GIB / options.size)
    return {"1 upload: MiB/s": rate, **{f"CPU s per GiB up: {group}": value for group, value in spent.items()}}


def small_beside_bulk(column, options):
    """One download as fast as it goes, one that nobody reads, and small requests beside them."""
    port, host = column.where("web")
    bulk = ["sh", "-c", f"while :; do curl -s -o /dev/null -H 'Host: {host}' http://127.0.0.1:{port}/big; done"]
    with socket.create_connection(("127.0.0.1", port)) as stalled:
        stalled.sendall(f"GET /big HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        process = subprocess.Popen(bulk, start_new_session=True)
        try:
            _, latency, _ = wrk(column, options, 1)
        finally:
            os.killpg(process.pid, 15)
            process.wait()
    return {
        "small GET beside a download and a stalled one: p50 ms": latency[50],
        "small GET beside a download and a stalled one: p99 ms": latency[99],
    }


def memory(column, options):
    """Resident memory as it is, and what 1,000 idle WebSockets add."""
    before = rss_by_group(column)
    sockets = []
    try:
        for _ in range(IDLE_WEBSOCKETS):
            sockets.append(websocket(column))
        after = rss_by_group(column)
    finally:
        for sock in sockets:
            sock.close()
    result = {f"RSS MiB, fresh: {group}": value / (1 << 20) for group, value in with_sum(before).items()}
    added = {group: (value - before[group]) / 1024 / IDLE_WEBSOCKETS for group, value in after.items()}
    return {**result, **{f"RSS KiB per idle WebSocket: {group}": value for group, value in with_sum(added).items()}}


def websocket(column):
    port, host = column.where("ws")
    sock = socket.create_connection(("127.0.0.1", port), 20)
    sock.sendall(
        (
            f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        ).encode()
    )
    answer = b""
    while b"\r\n\r\n" not in answer:
        data = sock.recv(4096)
        if not data:
            break
        answer += data
    if b" 101 " not in answer:
        raise RuntimeError(f"{column.name}: no WebSocket: {answer[:200]!r}")
    return sock


# Memory comes first and once: later, what the heap kept of other loads would be counted, or reused.
LOADS = (memory, small_one, small_fifty, small_new, download_one, download_eight, upload, small_beside_bulk)
ONCE = (memory,)


# -- what processes take ---------------------------------------------------------------------------------------------


def family(pids):
    """The processes and their children (nginx's workers)."""
    wanted, children = set(pids), {}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rsplit(")", 1)[1].split()
            children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    queue = list(wanted)
    while queue:
        for child in children.get(queue.pop(), ()):
            wanted.add(child)
            queue.append(child)
    return wanted


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def rss_bytes(pid):
    return int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def by_group(column, measure):
    return {group: sum(measure(pid) for pid in family(pids)) for group, pids in column.groups.items()}


def cpu_by_group(column):
    return by_group(column, cpu_seconds)


def rss_by_group(column):
    return by_group(column, rss_bytes)


def cpu_spent(column, before, factor):
    """By process, and together, which is what can be compared."""
    return with_sum({group: (after - before[group]) * factor for group, after in cpu_by_group(column).items()})


def with_sum(values):
    return {"together": sum(values.values()), **values} if values else {}


# -- the table -------------------------------------------------------------------------------------------------------


def number(value):
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def cell(value, base, is_base):
    if value is None or is_base or not base:
        return number(value)
    return f"{number(value)} ({value / base:.2f})"


def table(medians, names):
    metrics = list(dict.fromkeys(metric for name in names for metric in medians[name]))
    metrics.sort(key=lambda metric: (": together" not in metric and metric.startswith(("CPU", "RSS"))))
    rows = [["", *names]]
    for metric in metrics:
        base = medians.get(BASE, {}).get(metric)
        rows.append([metric, *(cell(medians[name].get(metric), base, name == BASE) for name in names)])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(text.ljust(w) if i == 0 else text.rjust(w) for i, (text, w) in enumerate(zip(row, widths))).rstrip()
        for row in rows
    )


def medians_of(results):
    return {
        name: {metric: statistics.median(values) for metric, values in metrics.items()}
        for name, metrics in results.items()
    }


# -- the run ---------------------------------------------------------------------------------------------------------


def measure_all(running, options):
    results = {column.name: {} for column in running}
    for number_of_round in range(options.rounds):
        for load in options.loads:
            for column in running if number_of_round == 0 or load not in ONCE else ():
                print(
                    f"round {number_of_round + 1} of {options.rounds}: {load.__name__}: {column.name}",
                    file=sys.stderr,
                )
                try:
                    for metric, value in load(column, options).items():
                        results[column.name].setdefault(metric, []).append(value)
                except (RuntimeError, OSError, subprocess.SubprocessError) as error:
                    print(f"  {column.name}: {load.__name__}: {error}", file=sys.stderr)
    return results


def run(options, directory):
    with contextlib.ExitStack() as stack:
        origin = columns.Origin(directory, options.size)
        stack.callback(origin.stop)
        origin.start()
        options.big_file = origin.directory / "files/big"
        running = []
        for kind in columns.ALL:
            if not kind.available() or (options.only and kind.name not in options.only):
                continue
            column = kind(directory, origin)
            stack.callback(column.stop)
            column.start()
            running.append(column)
        results = measure_all(running, options)
    medians = medians_of(results)
    print(table(medians, [column.name for column in running]))
    settings = {"rounds": options.rounds, "seconds": options.seconds, "size": options.size, "cores": os.cpu_count()}
    options.json.write_text(json.dumps({"settings": settings, "medians": medians, "values": results}, indent=1))
    print(f"\nall values: {options.json}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4, help="of each run of wrk")
    parser.add_argument("--size", type=int, default=1024, help="of the big file, MiB")
    parser.add_argument("--quick", action="store_true", help="one round of one second each with 128 MiB")
    parser.add_argument("--only", action="append", help="a column; may be given several times")
    parser.add_argument("--load", action="append", choices=[load.__name__ for load in LOADS], help="likewise")
    parser.add_argument("--json", type=pathlib.Path, default=pathlib.Path("bench.json"))
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds, options.size = 1, 1, 128
    options.size <<= 20
    options.loads = [load for load in LOADS if not options.load or load.__name__ in options.load]
    with tempfile.TemporaryDirectory(prefix="mdm-bench-") as directory:
        run(options, pathlib.Path(directory))


if __name__ == "__main__":
    main()
