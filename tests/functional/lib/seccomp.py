# SPDX-License-Identifier: Apache-2.0
"""A program under the system call filter of a systemd unit (systemd.exec(5), SystemCallFilter=), without systemd running."""
import ctypes
import os
import re
import shutil
import struct
import subprocess
import sys

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, MODE_FILTER = 38, 22, 2
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, ERRNO_EPERM = 0x7FFF0000, 0x00050001


def group(name):
    """The names in a set of systemd's, with the sets in it."""
    text = subprocess.run(["systemd-analyze", "syscall-filter", name], capture_output=True, text=True, check=True).stdout
    names = set()
    for word in (line.strip() for line in text.splitlines()[1:]):
        if word and not word.startswith("#"):
            names |= group(word) if word.startswith("@") else {word}
    return names


def numbers():
    text = subprocess.run(["gcc", "-E", "-dM", "-"], input="#include <asm/unistd.h>\n", capture_output=True, text=True, check=True)
    return {name: int(number) for name, number in re.findall(r"#define __NR_(\w+) (\d+)", text.stdout)}


def allowed(unit):
    """Numbers of the system calls that the unit allows."""
    names = set()
    for line in re.findall(r"^SystemCallFilter=(.*)$", unit, re.M):
        taken_away = line.startswith("~")
        for word in line.lstrip("~").split():
            some = group(word) if word.startswith("@") else {word}
            names = names - some if taken_away else names | some
    known = numbers()
    return sorted(known[name] for name in names if name in known)


def program(calls):
    """Classic BPF: the number is one of these, or EPERM (seccomp(2))."""
    code = [struct.pack("HBBI", LOAD, 0, 0, 0)]
    for number in calls:
        code += [struct.pack("HBBI", EQUAL, 0, 1, number), struct.pack("HBBI", RETURN, 0, 0, ALLOW)]
    return b"".join(code + [struct.pack("HBBI", RETURN, 0, 0, ERRNO_EPERM)])


def wrap(directory, binary, calls):
    """A script in `directory` that becomes `binary` under the filter."""
    directory.mkdir(exist_ok=True)
    filter_file, script = directory / f"{binary.name}.bpf", directory / binary.name
    filter_file.write_bytes(program(calls))
    script.write_text(f"#!/bin/sh\nexec {sys.executable} {os.path.abspath(__file__)} {filter_file} {binary} \"$@\"\n")
    script.chmod(0o755)
    return script


def available():
    return shutil.which("systemd-analyze") is not None and shutil.which("gcc") is not None


def main():
    with open(sys.argv[1], "rb") as file:
        code = file.read()
    buffer = ctypes.create_string_buffer(code, len(code))
    head = struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 or libc.prctl(PR_SET_SECCOMP, MODE_FILTER, head, 0, 0) != 0:
        sys.exit(f"seccomp: {os.strerror(ctypes.get_errno())}")
    os.execv(sys.argv[2], sys.argv[2:])


if __name__ == "__main__":
    main()
