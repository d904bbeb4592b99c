#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
Runs the functional tests: run.py [--jobs N] [--builddir DIR] [PATTERN ...]

A pattern chooses the files whose name contains it. Environment: MDM_BUILDDIR (where the programs are), MDM_TEST_SLOW
(factor on every deadline), MDM_TEST_BIG=1 (sizes that take minutes).
"""
import argparse
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import threading

HERE = pathlib.Path(__file__).resolve().parent
FILE_LIMIT = 600
POINT = re.compile(r"^(not )?ok \d+ - (.*?)(?: # SKIP (.*))?$")


def run_file(path, environment):
    limit = FILE_LIMIT * float(environment.get("MDM_TEST_SLOW", "1"))
    try:
        done = subprocess.run(
            ["/usr/bin/python3", str(path)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            timeout=limit,
        )
        return done.returncode, done.stdout.decode("utf-8", "replace")
    except subprocess.TimeoutExpired as late:
        return (
            1,
            (late.stdout or b"").decode("utf-8", "replace") + f"\nnot ok 0 - {path.stem} took over {limit:g} s\n",
        )


class Report:
    def __init__(self):
        self.lock = threading.Lock()
        self.counts = {"passed": 0, "failed": 0, "skipped": 0}

    def add(self, path, status, output):
        """One line a test; a failed one with all that was said about it."""
        failing, points, planned, failures = False, 0, None, 0
        with self.lock:
            for line in output.splitlines():
                if line.startswith("1.."):
                    planned = int(line[3:].split()[0])
                    continue
                match = POINT.match(line)
                if match:
                    points += 1
                    failing = bool(match[1])
                    failures += failing
                    word = "failed" if failing else "skipped" if match[3] is not None else "passed"
                    self.counts[word] += 1
                    print(f"{word:8}{match[2]}" + (f" ({match[3]})" if match[3] else ""))
                elif failing or not line.startswith("#"):
                    print(f"        {line}")
            if planned != points or (status != 0) != (failures > 0):
                self.counts["failed"] += 1
                print(f"failed  {path.stem} ended with status {status} after {points} of {planned} tests")
            sys.stdout.flush()

    def summary(self):
        skipped = f", {self.counts['skipped']} skipped" if self.counts["skipped"] else ""
        return f"{self.counts['passed']} passed, {self.counts['failed']} failed{skipped}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--jobs", "-j", type=int, default=2)
    parser.add_argument("--builddir")
    parser.add_argument("patterns", nargs="*")
    arguments = parser.parse_args()
    environment = dict(os.environ)
    if arguments.builddir:
        environment["MDM_BUILDDIR"] = arguments.builddir
    files = sorted(HERE.glob("[a-z][0-9][0-9][0-9][0-9]_*.py"))
    if arguments.patterns:
        files = [f for f in files if any(p in f.stem for p in arguments.patterns)]
    report = Report()
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        running = {pool.submit(run_file, path, environment): path for path in files}
        for done in concurrent.futures.as_completed(running):
            report.add(running[done], *done.result())
    print(report.summary())
    sys.exit(1 if report.counts["failed"] or not files else 0)


if __name__ == "__main__":
    main()
