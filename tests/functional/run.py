#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
Runs the functional tests: run.py [--jobs N] [--builddir DIR] [PATTERN ...]

Every story is a process of its own, forked from this one; slow ones are begun first, those that measure run at the end, one
after the other. A pattern chooses the files whose name contains it. Environment: MDM_BUILDDIR (where the programs are),
MDM_TEST_SLOW (factor on every deadline).
"""
import argparse
import gc
import importlib
import json
import os
import pathlib
import re
import signal
import sys
import tempfile
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
STORY_LIMIT = 900
POINT = re.compile(r"^(not )?ok \d+ - (.*?)(?: # SKIP (.*))?$")


class Job:
    """One story of a file; without a story: the file's list of them."""

    def __init__(self, path, story=None):
        self.path, self.story = path, story
        self.slow = story is not None and story["slow"]
        self.alone = story is not None and story["alone"]
        self.pid, self.output, self.deadline, self.late = None, None, 0, False

    def start(self, code):
        """In a child of this process, which has all that stories import already: that costs more than many a story."""
        arguments = ["--list"] if self.story is None else ["--number", str(self.story["number"])]
        self.output = tempfile.TemporaryFile()
        self.deadline = time.monotonic() + limit()
        self.pid = os.fork()
        if self.pid == 0:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(self.output.fileno(), 1)
            os.dup2(self.output.fileno(), 2)
            sys.argv = [str(self.path), *arguments]
            os._exit(told(code, self.path))

    def hurry(self):
        if not self.late and time.monotonic() > self.deadline:
            self.late = True
            os.kill(self.pid, signal.SIGKILL)

    def finish(self, status):
        """Status and what it said."""
        self.output.seek(0)
        text = self.output.read().decode("utf-8", "replace")
        self.output.close()
        if self.late:
            return 1, f"{text}\nnot ok 0 - {self.path.stem} {self.story['sentence'] if self.story else 'list'} took over {limit():g} s\n"
        return status, text


def limit():
    return STORY_LIMIT * float(os.environ.get("MDM_TEST_SLOW", "1"))


def told(code, path):
    """Runs a file of stories as a program of its own; its exit status."""
    status = 1
    try:
        exec(code, {"__name__": "__main__", "__file__": str(path)})
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    return status


class Runner:
    """Some jobs at a time. No threads: a child begins with this process's memory as it stands."""

    def __init__(self):
        self.codes = {}

    def run(self, jobs, count):
        """Yields (job, status, output) as they end."""
        waiting, running = list(reversed(jobs)), {}
        while waiting or running:
            while waiting and len(running) < count:
                job = waiting.pop()
                job.start(self._code(job.path))
                running[job.pid] = job
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid in running:
                job = running.pop(pid)
                yield job, *job.finish(os.waitstatus_to_exitcode(status))
                continue
            for job in running.values():
                job.hurry()
            signal.sigtimedwait({signal.SIGCHLD}, 1)

    def _code(self, path):
        if path not in self.codes:
            self.codes[path] = compile(path.read_bytes(), str(path), "exec")
        return self.codes[path]


def import_library():
    """What stories import, before they are forked."""
    for path in (HERE / "lib").glob("*.py"):
        importlib.import_module(f"lib.{path.stem}" if path.stem != "__init__" else "lib")
    gc.freeze()


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
    if arguments.builddir:
        os.environ["MDM_BUILDDIR"] = arguments.builddir
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    import_library()
    files = sorted(HERE.glob("[a-z][0-9][0-9][0-9][0-9]_*.py"))
    if arguments.patterns:
        files = [f for f in files if any(p in f.stem for p in arguments.patterns)]
    report, runner, jobs = Report(), Runner(), []
    for job, status, output in runner.run([Job(path) for path in files], arguments.jobs):
        if status == 0:
            jobs += [Job(job.path, json.loads(line)) for line in output.splitlines()]
        else:
            report.add(job.path, status, output)
    jobs.sort(key=lambda job: (not job.slow, job.path, job.story["number"]))
    for alone, count in ((False, arguments.jobs), (True, 1)):
        for job, status, output in runner.run([job for job in jobs if job.alone == alone], count):
            report.add(job.path, status, output)
    print(report.summary())
    sys.exit(1 if report.counts["failed"] or not jobs else 0)


if __name__ == "__main__":
    main()
