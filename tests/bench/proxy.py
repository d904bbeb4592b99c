#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
mdm-tunnel-proxy between a load of MQTT messages and Debian's mosquitto, beside no proxy: with no hook, with a file of rules, with a
shared object. Messages a second of QoS 0 and 1 (1 KiB, 50 connections), the time of a message there and back on an idle machine, and
the memory of idle connections. Medians of the rounds. Usage: proxy.py [--rounds N] [--seconds N] [--idle N]
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests" / "functional"))

from lib.clock import wait_until  # noqa: E402
from lib.mosquitto import Mosquitto  # noqa: E402
from lib.program import Program, raise_limits  # noqa: E402

RULES = "anonymous\nfor all\nallow all load/#\n"
TESTS = (("QoS 0", (50, 20, 0, 1024)), ("QoS 1", (50, 20, 1, 1024)), ("one message", (1, 1, 0, 1024)))


def compile_c(source, made, *options):
    subprocess.run(["cc", "-O2", "-D_GNU_SOURCE", f"-I{TOP / 'include'}", "-o", made, source, *options], check=True)
    return made


class Proxy:
    def __init__(self, directory, broker, *options):
        ports = directory / f"ports{len(list(directory.glob('ports*')))}"
        self.program = Program("mdm-tunnel-proxy", ["-l", f"listen=mqtt://127.0.0.1:0 target=mqtt://127.0.0.1:{broker}", "--ports-file",
                                                    ports, *options], directory)
        wait_until(ports.exists, "the proxy listens")
        self.port = json.loads(ports.read_text())["ports"][0]


def load(program, port, test, seconds):
    out = subprocess.run([program, str(port), *map(str, test), str(seconds)], capture_output=True, text=True, check=True)
    return json.loads(out.stdout)


def idle(program, proxy, count):
    """Bytes of the proxy for one idle connection."""
    before = proxy.program.rss()
    with subprocess.Popen([program, str(proxy.port), str(count), "idle"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          preexec_fn=raise_limits) as clients:
        assert clients.stdout.readline() == b"connected\n"
        size = (proxy.program.rss() - before) / count
        clients.stdin.close()
    return size


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--idle", type=int, default=10000)
    wanted = parser.parse_args()
    raise_limits()
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        program = compile_c(TOP / "tests" / "bench" / "mqtt_load.c", directory / "mqtt_load")
        hook = compile_c(TOP / "examples" / "hooks" / "simple.c", directory / "simple.so", "-shared", "-fPIC")
        rules = directory / "rules"
        rules.touch(0o600)
        rules.write_text(RULES)
        with Mosquitto(directory, "max_queued_messages 100000") as broker:
            proxies = [Proxy(directory, broker.port), Proxy(directory, broker.port, "--rules", rules),
                       Proxy(directory, broker.port, "--hook", hook)]
            columns = [("direct", broker.port), *zip(("no hook", "rules", "shared object"), (p.port for p in proxies))]
            found = {(test, column): [] for test, _ in TESTS for column, _ in columns}
            for _ in range(wanted.rounds):
                for test, numbers in TESTS:
                    for column, port in columns:
                        found[test, column].append(load(program, port, numbers, wanted.seconds))
            print(f"{'':14}" + "".join(f"{column:>16}" for column, _ in columns))
            for test, _ in TESTS:
                key = "median_us" if test == "one message" else "messages_per_s"
                middle = {column: statistics.median(run[key] for run in found[test, column]) for column, _ in columns}
                print(f"{test:14}" + "".join(f"{middle[c]:>10.0f} {middle[c] / middle['direct']:5.2f}" for c, _ in columns),
                      "us there and back" if key == "median_us" else "messages/s")
            print(f"{wanted.idle} idle connections: {idle(program, proxies[0], wanted.idle):.0f} bytes each")
            for proxy in proxies:
                proxy.program.process.terminate()
                proxy.program.process.wait(10)


if __name__ == "__main__":
    main()
