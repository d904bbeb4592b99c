#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
Runs the functional tests: run.py [--jobs N] [--builddir DIR] [PATTERN ...]

Every story is a process of its own; slow ones are begun first, those that measure run at the end, one after the other. A
pattern chooses the files whose name contains it. Environment: MDM_BUILDDIR (where the programs
are), MDM_TEST_SLOW (factor on every deadline).
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import signal
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
STORY_LIMIT = 900
POINT = re.compile(r"^(not )?ok \d+ - (.*?)(?: # SKIP (.*))?$")


class Job:
    """One story of a file; without a story: the file itself is wrong."""

    def __init__(self, path, story=None, trouble=""):
        self.path, self.story, self.trouble = path, story, trouble
        self.slow = story is not None and story["slow"]
        self.alone = story is not None and story["alone"]

    def run(self, environment):
        if self.story is None:
            return 1, self.trouble
        limit = STORY_LIMIT * float(environment.get("MDM_TEST_SLOW", "1"))
        try:
            return said(run_python(self.path, environment, limit, "--number", str(self.story["number"])))
        except subprocess.TimeoutExpired as late:
            told = (late.stdout or b"").decode("utf-8", "replace")
            return 1, f"{told}\nnot ok 0 - {self.path.stem} {self.story['sentence']} took over {limit:g} s\n"


def run_python(path, environment, limit, *arguments):
    return subprocess.run(
        ["/usr/bin/python3", str(path), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
        timeout=limit,
    )


def said(done):
    return done.returncode, done.stdout.decode("utf-8", "replace")


def jobs_of(path, environment):
    status, text = said(run_python(path, environment, STORY_LIMIT, "--list"))
    if status != 0:
        return [Job(path, trouble=text)]
    return [Job(path, json.loads(line)) for line in text.splitlines()]


class Report:
    """Counts, and what the failed ones said: it is printed when it comes and once more at the end, where it is found."""

    TOLD_AGAIN = 80  # lines of each failed story

    def __init__(self):
        self.counts = {"passed": 0, "failed": 0, "skipped": 0}
        self.failures = []

    def add(self, path, status, output):
        """One line a test; a failed one with all that was said about it."""
        failing, points, planned, failures, told = False, 0, None, 0, []
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
                told.append(f"{word:8}{match[2]}" + (f" ({match[3]})" if match[3] else ""))
            elif failing or not line.startswith("#"):
                told.append(f"        {line}")
        if planned != points or (status != 0) != (failures > 0):
            failures += 1
            self.counts["failed"] += 1
            told.append(f"failed  {path.stem} ended with status {status} after {points} of {planned} tests")
        print(*told, sep="\n", flush=True)
        if failures:
            self.failures.append(told)

    def summary(self):
        told = ["== failed"] if self.failures else []
        for failed in self.failures:
            told += failed[: self.TOLD_AGAIN]
        skipped = f", {self.counts['skipped']} skipped" if self.counts["skipped"] else ""
        return "\n".join(told + [f"{self.counts['passed']} passed, {self.counts['failed']} failed{skipped}"])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--jobs", "-j", type=int, default=2)
    parser.add_argument("--builddir")
    parser.add_argument("patterns", nargs="*")
    arguments = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGQUIT):  # a shell's background jobs ignore them, and all that they start
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    environment = dict(os.environ)
    if arguments.builddir:
        environment["MDM_BUILDDIR"] = arguments.builddir
    files = sorted(HERE.glob("[a-z][0-9][0-9][0-9][0-9]_*.py"))
    if arguments.patterns:
        files = [f for f in files if any(p in f.stem for p in arguments.patterns)]
    report = Report()
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        jobs = [job for found in pool.map(lambda path: jobs_of(path, environment), files) for job in found]
        running = {pool.submit(j.run, environment): j for j in sorted(jobs, key=lambda j: not j.slow) if not j.alone}
        for done in concurrent.futures.as_completed(running):
            report.add(running[done].path, *done.result())
    for job in jobs:
        if job.alone:
            report.add(job.path, *job.run(environment))
    print(report.summary())
    sys.exit(1 if report.counts["failed"] or not jobs else 0)


if __name__ == "__main__":
    main()
