# SPDX-License-Identifier: Apache-2.0
"""The programs in examples/ as services."""
import re

from .clock import wait_until
from .program import BUILD, Program
from .story import skip


def example(t, name):
    path = f"examples/{name}/{name}"
    if not (BUILD / path).exists():
        skip(f"{path} is not built")
    program = Program(path, ["0"], t.directory, label=name)
    t.programs.append(program)
    line = wait_until(lambda: re.search(r"listening on 127\.0\.0\.1:(\d+)\n", program.stdout), f"{name} listens")
    return int(line[1])
