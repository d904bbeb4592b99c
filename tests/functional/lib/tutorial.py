# SPDX-License-Identifier: Apache-2.0
"""
Pages of docs/tutorials whose fenced blocks are run, in their order and each by a story's own word: as a command (`sh`), as one
that stays (`sh`, until it says something), or as a file (any other language, with the file's name behind it).
"""
import os
import pathlib
import re
import signal
import subprocess

from .clock import seconds, wait_until
from .program import BUILD, Program
from .story import check, same
from .tunnel import Server

PAGES = pathlib.Path(__file__).resolve().parents[3] / "docs" / "tutorials"
BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.M | re.S)


class Command(Program):
    """What a block starts, with all that this starts in turn."""
    session = True

    @staticmethod
    def find(name):
        return f"/bin/{name}"

    def signal(self, number):
        os.killpg(self.pid, number)

    def kill(self):
        self.ended_by_story = True
        self.signal(signal.SIGKILL)
        self.process.wait()


class Served(Command, Server):
    """A server that a block starts: what stories ask a server, they ask this one, too."""

    def __init__(self, *arguments):
        Program.__init__(self, *arguments)


class Page:
    """
    A machine is a home directory with files of its own. `changes`: what the test's machine has in the place of what the page
    says: ports that are free, addresses, places of files. Each has to be used.
    """

    def __init__(self, t, name, *changes, part="", programs=()):
        """
        `part`: of a page with several, the heading of the one that is followed after what stands before the first. `programs`:
        executables by name that stand before those of the system.
        """
        self.t, self.name = t, name
        before, *parts = re.split(r"^## ", (PAGES / name).read_text(), flags=re.M)
        self.text = before + "".join(text for text in parts if text.startswith(f"{part}\n"))
        self.blocks = [(language, file, text) for language, file, text in BLOCK.findall(self.text)]
        self.done = None
        self.changes = dict(changes)
        self.unused = set(self.changes)
        self.variables = {}
        self.bin = t.directory / "bin"
        self.bin.mkdir()
        for program in programs:
            self.program(*program)

    def program(self, name, text):
        (self.bin / name).write_text(text)
        (self.bin / name).chmod(0o755)

    def change(self, old, new):
        self.changes[old] = new
        self.unused.add(old)

    def again(self):
        """The block that was run is next once more, for another machine."""
        self.blocks.insert(0, self.done)

    def home(self, machine):
        path = self.t.directory / machine
        path.mkdir(exist_ok=True)
        return path

    def environment(self, machine):
        home = self.home(machine)
        return {"HOME": str(home), "XDG_STATE_HOME": f"{home}/.local/state", "CURL_HOME": str(home),
                "PATH": f"{self.bin}:{BUILD}:{os.environ['PATH']}", **self.variables}

    def next(self, language):
        check(self.blocks, f"{self.name} has another block")
        found, file, text = self.done = self.blocks.pop(0)
        check((found == "sh") == (language == "sh"), f"{self.name}: what comes next is {found}:\n{text}")
        for old, new in self.changes.items():
            if old in text:
                self.unused.discard(old)
                text = text.replace(old, str(new))
        return file, text

    def run(self, machine="home", limit=30):
        """What the block prints."""
        _, text = self.next("sh")
        done = subprocess.run(["bash", "-euc", text], cwd=self.home(machine), env={**os.environ, **self.environment(machine)},
                              capture_output=True, text=True, timeout=seconds(limit), check=False, stdin=subprocess.DEVNULL)
        same(done.returncode, 0, f"{self.name}:\n{text}{done.stdout}{done.stderr}")
        return done.stdout

    def start(self, until, machine="home", limit=20, kind=Command):
        """A command that stays, and what it has said of this."""
        _, text = self.next("sh")
        check(not text.strip().replace("\\\n", "").count("\n"), f"{self.name}: one command in the block:\n{text}")
        program = kind("bash", ["-euc", f"cd {self.home(machine)}\nexec env {text}"], self.t.directory, f"{machine}-{len(self.blocks)}",
                       self.environment(machine))
        self.t.programs.append(program)

        def said():
            check(program.running, f"{self.name}: it ended:\n{text}{program.stdout}{program.log}")
            return re.search(until, program.stdout + program.log, re.M)

        return program, wait_until(said, f"{until!r} is said by:\n{text}", limit)

    def file(self, machine="home"):
        """The file is there, under the name that the page says before the block, too."""
        name, text = self.next("file")
        check(f"`{name}`" in self.text, f"{self.name} says what {name} is")
        path = self.home(machine) / name.removeprefix("~/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def server(self, machine="server"):
        """The page's server, at ports of the kernel's choice; clients that the page starts are led to it."""
        self.change("mdm-tunnel-server -v", "mdm-tunnel-server -v --bind 127.0.0.1 --client-bind 127.0.0.1 -p 0 -c 0")
        program, said = self.start(r"port (\d+) for visitors(?:, on 127\.0\.0\.1 port (\d+) for clients)?", machine, kind=Served)
        program.http, program.mqtt = (int(port or 0) for port in said.groups())
        if program.mqtt:
            self.change("-H example.com", f"-H 127.0.0.1 -p {program.mqtt}")
        return program

    def client(self, server, client_id, machine="home"):
        """A client that the server knows from then on."""
        program, _ = self.start("session with", machine)
        wait_until(lambda: server.knows(client_id), f"{client_id} is connected", 20)
        return program

    def over(self):
        same(self.blocks, [], f"blocks of {self.name} that were not run")
        same(self.unused, set(), f"what {self.name} does not say any more")
