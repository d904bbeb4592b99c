#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Completion of command lines, run by the shells that it is for."""
import os
import pathlib
import pty
import re
import select
import shutil
import subprocess
import time

from lib import check, main, same, seconds, skip, story
from lib.program import BUILD, Program

TOP = pathlib.Path(__file__).resolve().parents[2]
COMPLETION = TOP / "system" / "completion"
NAMES = ("client", "server", "connect", "proxy")
COMMANDS = {"client": "src/client/command.c", "server": "src/server/command.c"}
def needs(shell):
    if shutil.which(shell) is None:
        skip(f"{shell} is not installed")


def environment(t):
    """Nothing of the user's own."""
    home = t.directory / "home"
    home.mkdir(exist_ok=True)
    own = {"PATH": f"{BUILD}:{os.environ['PATH']}", "HOME": str(home), "XDG_CONFIG_HOME": str(home), "XDG_DATA_HOME": str(home), "TERM": "vt100"}
    for name in ("STATE_DIRECTORY", "XDG_STATE_HOME"):
        os.environ.pop(name, None)
    return {**os.environ, **own}


def options_of(name):
    text = subprocess.run([Program.find(f"mdm-tunnel-{name}"), "--help"], capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"--[a-z][a-z-]*", text))


def commands_of(name):
    """As the sources have them."""
    if name not in COMMANDS:
        return set()
    text = (TOP / COMMANDS[name]).read_text()
    found = set(re.findall(r'^    \{"([a-z-]+)", (?:NULL|"[a-z]+"|\d)', text, re.M)) | {"check"}
    if name == "client":
        found |= set(re.findall(r'\{"([a-z]+)", "', (TOP / "src/client/options.c").read_text().split("service_words[] = ")[1].split(";")[0]))
    return found


def stage(t):
    """Files and folders to find, and devices that were reached."""
    (t.directory / "work" / "folder").mkdir(parents=True)
    (t.directory / "work" / "file.json").write_text("{}")
    state = t.directory / "home" / ".local" / "state" / "mdm-tunnel"
    state.mkdir(parents=True)
    (state / "known_devices").write_text("gateway@mqtt://x SHA256:a\npump@mqtt://x SHA256:b\n")


def questions():
    """Words of a line, whose last one is to be completed, and all that may be offered."""
    for name in NAMES:
        program, options = f"mdm-tunnel-{name}", options_of(name)
        commands = {"gateway", "pump"} if name == "connect" else commands_of(name)
        yield [program, "--vers"], {"--version"}
        yield [program, "--"], options
        yield [program, ""], commands
        yield [program, "--drain", "2", "-v", ""], commands
        if "--log-format" in options:
            yield [program, "--log-format", ""], {"text", "json"}
            yield [program, "--log", "j"], {"journal"}
    yield ["mdm-tunnel-client", "-i", "tim", "file", "f"], {"folder"}
    yield ["mdm-tunnel-client", "check", "f"], {"folder", "file.json"}
    yield ["mdm-tunnel-client", "-c", "f"], {"folder", "file.json"}
    yield ["mdm-tunnel-client", "--state-dir", "f"], {"folder"}
    yield ["mdm-tunnel-client", "--inspect", "htt"], {"http"}
    yield ["mdm-tunnel-client", "http", ""], set()
    yield ["mdm-tunnel-server", "clients", ""], {"list", "allow", "deny", "forget"}
    yield ["mdm-tunnel-server", "maintenance", ""], {"on", "off"}
    yield ["mdm-tunnel-client", "log-level", ""], {"none", "error", "warning", "info", "debug"}
    yield ["mdm-tunnel-server", "log-level", "e"], {"error"}
    yield ["mdm-tunnel-connect", "--for", "1"], {"10m", "1h", "1d"}
    yield ["mdm-tunnel-proxy", "--denied", "d"], {"drop", "disconnect"}


def tell(t, shell, before, ask):
    """One shell answers all: `before`, and then ask(words) for each question, which prints a candidate a line."""
    needs(shell[0])
    stage(t)
    asked = list(questions())
    script = before + "".join(f"\n{ask(words)}\necho ----" for words, _ in asked)
    done = subprocess.run([*shell, "-c", script], capture_output=True, text=True, cwd=t.directory / "work", env=environment(t), timeout=seconds(120))
    same(done.stderr, "", "stderr")
    answers = done.stdout.split("----\n")
    same(len(answers), len(asked) + 1, "answers")
    for (words, wanted), answer in zip(asked, answers):
        found = {line.split("\t")[0].strip().rstrip("/") for line in answer.splitlines()}
        same(found - {""}, wanted, " ".join(words))


def quoted(words):
    return " ".join(f"'{w}'" for w in words)


@story("bash completes options and what they take, commands, files and devices", only="plain")
def _(t):
    tell(t, ["bash", "--norc"], "".join(f"source {COMPLETION}/bash/mdm-tunnel-{n}\n" for n in NAMES), lambda words: f"""
        COMP_WORDS=({quoted(words)}) COMP_CWORD={len(words) - 1} COMPREPLY=()
        _{words[0].replace("-", "_")}; printf '%s\\n' "${{COMPREPLY[@]}}" """)


@story("fish completes the same", only="plain")
def _(t):
    tell(t, ["fish", "--no-config"], "".join(f"source {COMPLETION}/fish/mdm-tunnel-{n}.fish\n" for n in NAMES),
         lambda words: f"complete -C '{' '.join(words)}'")


# What zsh's completion system would show is printed instead; the words are as it gives them.
ZSH = """
compadd() { shift; local w; for w in "$@"; do [[ $w == $PREFIX* ]] && print -r -- $w; done; true }
_files() { if [[ $1 == -/ ]]; then print -rl -- $PREFIX*(N/); else print -rl -- $PREFIX*(N); fi }
offer() { local -a words; words=("$@"); integer CURRENT=$#; local PREFIX=$words[-1]; . %s/zsh/_$1 }
"""


@story("zsh completes the same", only="plain")
def _(t):
    tell(t, ["zsh", "-f"], ZSH % COMPLETION, lambda words: f"offer {quoted(words)}")


@story("zsh finds its completion by itself at a terminal", only="plain")
def _(t):
    needs("zsh")
    stage(t)
    pid, fd = pty.fork()
    if pid == 0:
        os.chdir(t.directory / "work")
        os.execvpe("zsh", ["zsh", "-f", "-i"], environment(t))
    seen = ""

    def expect(pattern):
        nonlocal seen
        end = time.monotonic() + seconds(20)
        while not re.search(pattern, seen):
            if not select.select([fd], [], [], max(0, end - time.monotonic()))[0]:
                check(False, f"zsh shows {pattern!r}: {seen!r}")
            seen += os.read(fd, 65536).decode("utf-8", "replace")
        seen = ""

    try:
        os.write(fd, f"PS1='ready> '; fpath=({COMPLETION}/zsh $fpath); autoload -Uz compinit; compinit -u -D; echo lo''aded\n".encode())
        expect("loaded\r?\n")
        # What would be run is shown instead: what zsh draws is not easily read.
        shown = "() { if [[ $1 == --help ]]; then command $0 --help; else print -r -- \"{$*}\"; fi }"
        os.write(fd, f"mdm-tunnel-client{shown}; mdm-tunnel-connect{shown}\n".encode())
        os.write(fd, b"mdm-tunnel-client --log-format j\t x\n")
        expect(r"\{--log-format json x\}")
        os.write(fd, b"mdm-tunnel-connect gat\t x\n")
        expect(r"\{gateway x\}")
    finally:
        os.write(fd, b"\nexit\n")
        os.close(fd)
        os.waitpid(pid, 0)


main()
