#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The manuals say what the programs do: mandoc finds nothing to complain about, every option of --help stands in the
manual and the reverse, and the protocol's tables are those of the code. Prints TAP."""

import os
import re
import shutil
import subprocess
import sys

here = os.path.dirname(os.path.abspath(__file__))
top = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.dirname(here))
build = os.environ.get("builddir", top)
mandoc = os.environ.get("MANDOC") or "mandoc"
results = []


def report(name, problems):
    results.append(not problems)
    for p in problems:
        print(f"# {p}")
    print(f"{'ok' if not problems else 'not ok'} {len(results)} - {name}")


def read(*parts):
    with open(os.path.join(top, *parts), encoding="utf-8") as f:
        return f.read()


def skipped_without_mandoc(page):
    if shutil.which(mandoc):
        return False
    print(f"ok {len(results) + 1} - {page} # SKIP mandoc is not installed")
    results.append(True)
    return True


def lint(page):
    if skipped_without_mandoc(page):
        return
    run = subprocess.run([mandoc, "-Tlint", "-Wwarning", os.path.join(top, "man", page)], capture_output=True, text=True)
    # A page that is not installed yet cannot be found by a cross-reference.
    report(f"{page} is clean", [l for l in run.stdout.splitlines() if "referenced manual not found" not in l])


def quotes(page):
    """As it is read: quotes are closed before others are opened, and stand around single words of a list."""
    if skipped_without_mandoc(page):
        return
    text = subprocess.run([mandoc, "-Tutf8", os.path.join(top, "man", page)], capture_output=True, text=True).stdout
    marks = re.sub("[^‘’“”]", "", re.sub(".\x08", "", text))
    report(f"{page} closes its quotes", [f"quotes in each other: {m}" for m in re.findall("[‘“][‘“]|[’”][’”]", marks)] +
           [f"a quote that is not one: {m}" for m in re.findall(r'\S*"""\S*|‘\w+, \w+’', text)])


def options_in_help(program):
    text = subprocess.run([os.path.join(build, program), "--help"], capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)) | set(re.findall(r"(?<![\w-])-[A-Za-z](?=[, ])", text))


def options_in_manual(page):
    found = set()
    for line in read("man", page).splitlines():
        if line.startswith(".It Fl "):
            for word in re.findall(r"Fl (-?[A-Za-z][A-Za-z-]*)", line):
                found.add("-" + word.replace("\\-", "-"))
    return found


def same_options(program, page):
    in_help, in_manual = options_in_help(program), options_in_manual(page)
    report(f"{page} has the options of {program} --help",
           [f"only in --help: {o}" for o in sorted(in_help - in_manual)] +
           [f"only in the manual: {o}" for o in sorted(in_manual - in_help)])


def reloading(program, page):
    text = subprocess.run([os.path.join(build, program), "--help"], capture_output=True, text=True, check=True).stdout
    entries = re.split(r"\n(?=  -)", text.split("\n\n[reloads]")[0])
    said = {re.search(r"--([a-z-]+)", e)[1] for e in entries if "[reloads]" in re.sub(r"\s+", " ", e) and e.startswith("  -")}
    listed = re.search(r"^\.Sh RELOADING\n(.*?)^take effect", read("man", page), re.S | re.M)
    found = set(re.findall(r"^\.Fl -([a-z-]+)", listed[1], re.M)) if listed else set()
    report(f"{page} lists what reloads", [f"not in both: {o}" for o in sorted(said ^ found)] + ([] if said else ["nothing reloads"]))


def rows(table, macro):
    return re.findall(rf"^{macro}\((.*)\)$", read("include", "mdm-tunnel", "tbl", table), re.M)


def protocol_tables():
    text = read("man", "mdm-tunnel-protocol.7")
    missing = []
    for row in rows("errors.h", "ERROR"):
        ident, code, _, status, _, words = [x.strip() for x in row.split(",", 5)]
        line = f".It {ident.replace('_', '-')} Ta {code} Ta {status} Ta {words.strip(chr(34))}"
        if line not in text:
            missing.append(f"missing: {line}")
    report("the protocol's errors are those of the code", missing)
    missing = []
    for table, macro in (("frames.h", "FRAME"), ("envelopes.h", "ENVELOPE")):
        for row in rows(table, macro):
            parts = [x.strip() for x in row.split(",")]
            if f".It {parts[0]} Ta {parts[1]} Ta" not in text:
                missing.append(f"missing: {parts[0]} {parts[1]}")
    report("the protocol's envelopes and frames are those of the code", missing)
    missing = []
    for row in rows("rules.h", "RULE"):
        ident, code, _, _, words = [x.strip() for x in row.split(",", 4)]
        line = f".It {ident} Ta {code} Ta {words.strip(chr(34))}"
        if line not in text:
            missing.append(f"missing: {line}")
    report("the protocol's rules are those of the code", missing)


def service_keys():
    text = read("man", "mdm-tunnel-services.5")
    keys = re.findall(r'^    \{"([a-z_]+)", \w+, ', read("src", "config", "service_keys.c"), re.M)
    report("mdm-tunnel-services.5 has every key of a service",
           [k for k in keys if not re.search(rf"^\.(It )?Li (\w+ , )*{k}\b", text, re.M)] + ([] if keys else ["no keys found"]))


def counters():
    text = read("man", "mdm-tunnel-counters.7")
    lines = [f".It {i} Ta {'counter' if k == 'total' else k} Ta {owner} Ta {words.strip(chr(34))}" for i, k, owner, words in
             ([x.strip() for x in row.split(",", 3)] for row in rows("counters.h", "COUNTER"))]
    for row in rows("metrics.h", "METRIC"):
        ident, kind, labels, words = re.fullmatch(r'(\w+), (\w+), "(.*?)", "(.*)"', row).groups()
        lines.append(f".It {ident} Ta {kind} Ta {labels or 'none'} Ta {words}")
    listed = [line for line in text.splitlines() if line.startswith(".It ")]
    report("mdm-tunnel-counters.7 has the rows of the code, and no others",
           [f"missing: {line}" for line in lines if line not in listed] + [f"not in the code: {line}" for line in listed if line not in lines])


pages = sorted(p for p in os.listdir(os.path.join(top, "man")) if re.fullmatch(r".*\.[1-8]", p))
programs = [("mdm-tunnel-server", "mdm-tunnel-server.8"), ("mdm-tunnel-client", "mdm-tunnel-client.1"),
            ("mdm-tunnel-connect", "mdm-tunnel-connect.1"), ("mdm-tunnel-proxy", "mdm-tunnel-proxy.8")]
print(f"1..{2 * len(pages) + len(programs) + 8}")
for page in pages:
    lint(page)
    quotes(page)
for program, page in programs:
    same_options(program, page)
reloading(*programs[0])
reloading(*programs[1])
reloading(*programs[3])
protocol_tables()
service_keys()
counters()
sys.exit(0 if all(results) else 1)
