# SPDX-License-Identifier: Apache-2.0
"""Stories: functions with a sentence. A file's main() tells them as TAP, each in a directory of its own."""
import argparse
import contextlib
import json
import pathlib
import resource
import shutil
import sys
import tempfile
import time
import traceback

from .origin import Origin
from .program import SANITIZER, sanitized
from .tunnel import PROBE, Tunnel

LOG_TAIL = 200
STORIES = []


class Failure(Exception):
    pass


class Skip(Exception):
    pass


def check(condition, what):
    if not condition:
        raise Failure(what)


def short(value):
    text = repr(value)
    return text if len(text) <= 2000 else f"{text[:1000]} ... {text[-500:]} ({len(text)} characters)"


def same(got, expected, what="values"):
    if got != expected:
        raise Failure(f"{what}:\n  expected {short(expected)}\n  got      {short(got)}")


def skip(why):
    raise Skip(why)


class Telling:
    """What a story is handed: things that are put away when it is over."""

    def __init__(self, directory):
        self.directory = directory
        self.stack = contextlib.ExitStack()
        self.networks = contextlib.ExitStack()
        self.origins = []
        self.tunnels = []
        self.programs = []

    def origin(self, serve=None, **rest):
        origin = Origin(serve, **rest)
        self.origins.append(origin)
        return origin

    def tunnel(self, services=None, **rest):
        tunnel = Tunnel.__new__(Tunnel)
        self.tunnels.append(tunnel)  # before it starts: its logs are wanted when it does not
        tunnel.__init__(self.directory, services, **rest)
        return tunnel

    def keep(self, thing):
        """Enters a context manager until the story is over; networks and brokers outlive the programs that use them."""
        stack = self.networks if getattr(thing, "outlives_programs", False) else self.stack
        return stack.enter_context(thing)

    def all_programs(self):
        return self.programs + [p for t in self.tunnels for p in getattr(t, "programs", [])]

    def finish(self):
        wrong = []
        with contextlib.suppress(Exception):
            self.stack.close()
        for origin in self.origins:
            wrong += [f"origin: {trouble!r}" for trouble in origin.troubles]
            origin.stop()
        for program in reversed(self.all_programs()):
            wrong += program.finish()
        with contextlib.suppress(Exception):
            self.networks.close()
        return wrong

    def logs(self):
        for program in self.all_programs():
            yield f"---- {program.label} ({' '.join(program.arguments)})"
            lines = [line for line in (program.stdout + program.log).splitlines() if PROBE not in line]
            before = lines[:-LOG_TAIL]
            spoke = next((number for number, line in enumerate(before) if SANITIZER.search(line)), None)
            if spoke is not None:
                yield from before[spoke:spoke + LOG_TAIL]
            if before:
                yield f"({len(before)} lines before)"
            yield from lines[-LOG_TAIL:]


class Story:
    def __init__(self, sentence, function, slow, alone):
        self.sentence, self.function, self.slow, self.alone = sentence, function, slow, alone


def story(sentence, only=None, slow=False, alone=False):
    """
    only="plain": not with sanitizers, for what is big or what a sanitizer's memory and pace would say nothing about.
    slow: takes ten seconds and more, so it is begun first. alone: measures, so nothing runs beside it.
    """
    assert only in (None, "plain")

    def add(function):
        if only is None or not sanitized():
            STORIES.append(Story(sentence, function, slow, alone))
        return function

    return add


def tell(function):
    """Returns (outcome, lines): outcome None is fine, a text is a skip's reason, False is a failure."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="mdm-test-"))
    telling = Telling(directory)
    outcome, lines, wrong = None, [], []
    try:
        function(telling)
    except Skip as reason:
        outcome = str(reason)
    except Exception as error:
        outcome = False
        what = str(error) if isinstance(error, Failure) else f"{type(error).__name__}: {error}"
        frames = [f for f in traceback.extract_tb(error.__traceback__) if "/lib/" not in f.filename]
        lines += [f"line {f.lineno}: {f.line}" for f in frames[-2:]] + what.splitlines()
    finally:
        wrong = telling.finish()
    if wrong:
        outcome = False
        lines += wrong
    if outcome is False:
        lines += telling.logs()
    shutil.rmtree(directory, ignore_errors=True)
    return outcome, lines


def printable(text):
    """Logs under test may hold anything; what a terminal would obey is shown as \\xNN."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)


def processor_time():
    """What this process and the programs that it has waited for have used: the whole run is bound by it."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


def listing():
    for number, it in enumerate(STORIES, 1):
        print(json.dumps({"number": number, "sentence": it.sentence, "slow": it.slow, "alone": it.alone}))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--list", action="store_true", help="say which stories there are, as JSON")
    parser.add_argument("--number", type=int, help="tell this one")
    parser.add_argument("words", nargs="*", help="tell those whose sentence contains one of these")
    wanted = parser.parse_args()
    if wanted.list:
        listing()
        return
    name = pathlib.Path(sys.argv[0]).stem.split("_")[0]
    chosen = [s for s in STORIES if not wanted.words or any(w in s.sentence for w in wanted.words)]
    if wanted.number is not None:
        chosen = [STORIES[wanted.number - 1]]
    failed = 0
    print(f"1..{len(chosen)}", flush=True)
    for number, it in enumerate(chosen, 1):
        began, spent = time.monotonic(), processor_time()
        outcome, lines = tell(it.function)
        took = f"{time.monotonic() - began:.2f} s, {processor_time() - spent:.2f} s of processor"
        if outcome is False:
            failed += 1
            print(f"not ok {number} - {name} {it.sentence} ({took})")
            for line in lines:
                print(f"# {printable(line)}")
        elif outcome is None:
            print(f"ok {number} - {name} {it.sentence} ({took})")
        else:
            print(f"ok {number} - {name} {it.sentence} # SKIP {outcome}")
        sys.stdout.flush()
    sys.exit(1 if failed else 0)
