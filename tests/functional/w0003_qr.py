#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The URL as a QR code: what is printed is made an image of, and read by another program."""
import re
import shutil
import subprocess

from lib import check, main, same, seconds, skip, story, wait_until
from lib.program import Program
from lib.terminal import Terminal

CLIENT = "mdm-tunnel-client"
BLOCKS = {"█": (0, 0), "▀": (0, 1), "▄": (1, 0), " ": (1, 1)}
MARGIN = 4


def way(t, tunnel, client_id):
    return ["-H", "127.0.0.1", "-p", tunnel.server.mqtt, "-i", client_id, "--drain", "1", "--state-dir", t.directory / f"{client_id}.one"]


def matrix_of_blocks(lines):
    """Rows of modules, 1 is dark."""
    rows = []
    for line in lines:
        cells = [BLOCKS[c] for c in line]
        rows += [[upper for upper, _ in cells], [lower for _, lower in cells]]
    return rows


def matrix_of_pairs(lines):
    return [[{"##": 1, "  ": 0}[line[i : i + 2]] for i in range(0, len(line), 2)] for line in lines]


def matrix_of_colours(lines):
    rows = []
    for line in lines:
        check(line.endswith("\x1b[0m"), repr(line))
        row = []
        for colour, spaces in re.findall(r"\x1b\[48;5;(\d+)m( +)", line):
            row += [{"16": 1, "231": 0}[colour]] * (len(spaces) // 2)
        rows.append(row)
    return rows


def read_back(t, rows):
    """An odd number of rows of half blocks has one more, which is light."""
    if shutil.which("zbarimg") is None:
        skip("zbarimg (zbar-tools) is not installed")
    width = len(rows[0])
    check(all(len(row) == width for row in rows) and width - 2 * MARGIN >= 21, f"{len(rows)} rows")
    same(rows[:MARGIN] + [row[:MARGIN] for row in rows], [[0] * width] * MARGIN + [[0] * MARGIN] * len(rows), "the margin is light")
    scale, image = 4, t.directory / "code.pgm"
    pixels = "\n".join("\n".join([" ".join(" ".join("0" if m else "255" for _ in range(scale)) for m in row)] * scale) for row in rows)
    image.write_text(f"P2\n{width * scale} {len(rows) * scale}\n255\n{pixels}\n")
    done = subprocess.run(["zbarimg", "--quiet", "--raw", image], capture_output=True, text=True, timeout=seconds(20))
    same(done.returncode, 0, done.stderr)
    return done.stdout.strip()


@story("--qr prints the URL as a QR code, in UTF-8 and in ASCII, which another program reads back", only="plain")
def _(t):
    origin = t.origin()
    tunnel = t.tunnel(server=["--domain", "example.com"])
    codes = []
    for locale, matrix_of in (("C.UTF-8", matrix_of_blocks), ("C", matrix_of_pairs)):
        client = Program(CLIENT, [*way(t, tunnel, "tim"), "--qr", "http", origin.port], t.directory, f"qr-{locale}", {"LC_ALL": locale})
        t.programs.append(client)
        wait_until(lambda: client.stdout.count("\n") > 10, "the code is printed")
        same(client.stop(), 0, "exit status")
        url, *lines = client.stdout.rstrip("\n").split("\n")
        same(url, f"http://web.tim.example.com:{tunnel.server.http}/", "URL")
        same(client.log, "", "stderr")
        codes.append(matrix_of(lines))
        same(read_back(t, codes[-1]), url, f"the code in {locale}")
    same(codes[0][: len(codes[1])], codes[1], "both codes")
    wrong = subprocess.run([Program.find(CLIENT), *map(str, way(t, tunnel, "tim")), "--qr", f"a={origin.port}"], capture_output=True, text=True)
    same(wrong.returncode, 2, "without a command")
    check("qr: there is one URL to show with http, tcp or file only" in wrong.stderr, wrong.stderr)


@story("on a terminal a QR code says black and white, and one that is too wide is not torn", only="plain")
def _(t):
    origin = t.origin()
    tunnel = t.tunnel(server=["--domain", "example.com"])

    def lines_of(locale, columns, rows):
        arguments = [*way(t, tunnel, "tim"), "--qr", "http", origin.port]
        client = Terminal(CLIENT, arguments, t.directory, f"qr-{columns}", {"LC_ALL": locale}, columns)
        t.programs.append(client)
        wait_until(lambda: client.log.count("\n") >= rows, "the code is printed")
        same(client.stop(), 0, "exit status")
        return client.log.replace("\r", "").rstrip("\n").split("\n")

    url, *lines = lines_of("C.UTF-8", 100, 15)
    begin, end = "\x1b[38;5;231;48;5;16m", "\x1b[0m"
    check(all(line.startswith(begin) and line.endswith(end) for line in lines), repr(lines))
    same(read_back(t, matrix_of_blocks([line.removeprefix(begin).removesuffix(end) for line in lines])), url, "half blocks")
    url, *lines = lines_of("C", 100, 30)
    same(read_back(t, matrix_of_colours(lines)), url, "spaces")
    url, *lines = lines_of("C.UTF-8", 30, 2)
    check(url.startswith("http://") and len(lines) == 1 and re.search(r"the QR code needs \d\d columns, the terminal has 30", lines[0]), repr(lines))


main()
