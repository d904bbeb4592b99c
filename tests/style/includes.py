#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The sources keep to the layers: every #include of src/ stands in the table below, libraries are used by the layer that
owns them, every file names its licence, is short enough and finished. Prints TAP. Usage: includes.py [SOURCE_ROOT]"""

import os
import re
import sys

here = os.path.dirname(os.path.abspath(__file__))
top = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.dirname(here))

# What a layer may include besides itself and include/mdm-tunnel: the libraries that it is linked with.
LAYERS = {
    "base": set(),
    "web": {"base"},
    "files": {"base"},
    "wire": {"base"},
    "mqtt": {"base"},
    "config": {"wire", "base"},
    "tls": {"base"},
    "revoke": {"tls", "base"},
    "gate": {"tls", "wire", "base"},
    "seal": {"wire", "base"},
    "session": {"wire", "base"},
    "mux": {"wire", "base"},
    "broker": {"gate", "tls", "mqtt", "wire", "base"},
    "link": {"broker", "tls", "mqtt", "base"},
    "peer": {"seal", "session", "mux", "link", "broker", "mqtt", "wire", "base"},
    "hook": {"config", "broker", "gate", "tls", "mqtt", "wire", "base"},
    "dial": {"config", "wire", "base"},
    "relay": {"dial", "config", "peer", "seal", "session", "mux", "link", "broker", "mqtt", "wire", "base"},
    "inspect": {"web", "config", "wire", "base"},
    "proxy": {"web", "dial", "hook", "config", "link", "broker", "gate", "revoke", "tls", "mqtt", "wire", "base"},
    "server": {"web", "config", "gate", "hook", "peer", "seal", "session", "tls", "mux", "link", "broker", "mqtt", "wire", "base"},
    "connect": {"relay", "dial", "config", "peer", "seal", "session", "mux", "link", "broker", "tls", "mqtt", "wire", "base"},
    "client": {"files", "inspect", "web", "relay", "dial", "config", "hook", "peer", "seal", "session", "mux", "link", "broker", "tls", "mqtt", "wire", "base"},
}

# Headers of libraries that only some layers may include.
OWNERS = [
    (r"MQTT(Client|Async|Properties|ReasonCodes|SubscribeOpts|ClientPersistence)\w*\.h", {"link"}),
    (r"microhttpd\.h", {"server", "web", "files"}),
    (r"(cjson/)?cJSON\.h", {"config"}),
    (r"openssl/ssl\.h", {"seal", "tls"}),
    (r"(curses|term)\.h", {"client"}),
    (r"qrencode\.h", {"client"}),
    (r"curl/curl\.h", {"hook", "revoke"}),
    (r"ares\.h", {"server"}),
    # The codecs are pure: bytes to structs and back.
    (r"(pthread|threads|sys/socket|sys/epoll|unistd)\.h|event2/.*|netinet/.*", set(LAYERS) - {"wire", "mqtt"}),
]

LINES_MAX = 600
LICENCE = "SPDX-License-Identifier: Apache-2.0"
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)
results = []


def report(name, problems):
    results.append(not problems)
    for p in problems:
        print(f"# {p}")
    print(f"{'ok' if not problems else 'not ok'} {len(results)} - {name}")


def files_below(folder, *endings):
    found = []
    for path, folders, names in os.walk(os.path.join(top, folder)):
        folders[:] = sorted(f for f in folders if not f.startswith(".") and f not in ("corpus", "node_modules"))
        found += [os.path.relpath(os.path.join(path, n), top) for n in sorted(names) if n.endswith(endings)]
    return found


def read(path):
    with open(os.path.join(top, path), encoding="utf-8") as f:
        return f.read()


def includes_of(path):
    """(line, is it quoted, what) of each #include outside comments."""
    text = re.sub(r"/\*.*?\*/", lambda m: "\n" * m.group().count("\n"), read(path), flags=re.S)
    return [(text.count("\n", 0, m.start()) + 1, m.group(1) == '"', m.group(2)) for m in INCLUDE.finditer(text)]


def own_include(layer, what):
    """Why a layer may not include a header of ours; None: it may."""
    folder = what.split("/")[0]
    if folder == "mdm-tunnel":
        exists = os.path.exists(os.path.join(top, "include", what))
    else:
        exists = os.path.exists(os.path.join(top, "src", what))
    if "/" not in what or not exists:
        return "is not a file below src/ or include/"
    if folder not in LAYERS and folder != "mdm-tunnel":
        return "is of no layer"
    if folder in ("mdm-tunnel", layer) or folder in LAYERS[layer]:
        return None
    return f"{folder} does not stand below {layer}"


def layers_hold(layer, sources):
    problems = []
    for path in sources:
        for line, quoted, what in includes_of(path):
            why = own_include(layer, what) if quoted else None
            if not quoted and (what.split("/")[0] in LAYERS or what.startswith("mdm-tunnel/")):
                why = "our own headers stand in quotes"
            if why:
                problems.append(f'{path}:{line}: "{what}": {why}')
    return problems


def libraries_hold(layer, sources):
    problems = []
    for path in sources:
        for line, _, what in includes_of(path):
            for pattern, owners in OWNERS:
                if re.fullmatch(pattern, what) and layer not in owners:
                    problems.append(f"{path}:{line}: {what} is for {', '.join(sorted(owners))}")
    return problems


def layer_of(path):
    return path.split(os.sep)[1]


def check_layers(sources):
    strays = [f"{p}: in no layer" for p in sources if layer_of(p) not in LAYERS]
    report("every source is in a layer", strays)
    for layer in LAYERS:
        own = [p for p in sources if layer_of(p) == layer]
        report(f"{layer} includes only what stands below it",
               (layers_hold(layer, own) if own else [f"src/{layer} has no sources"]))
    report("libraries are used by their layer only",
           [x for layer in LAYERS for x in libraries_hold(layer, [p for p in sources if layer_of(p) == layer])])


def check_files(sources):
    everything = sources + files_below("include", ".h") + files_below("tests", ".c", ".h", ".py") + \
        files_below("examples", ".c", ".h", ".py")
    report("every file names its licence",
           [p for p in everything if not any(LICENCE in line for line in read(p).splitlines()[:2])])
    report(f"no source has more than {LINES_MAX} lines",
           [f"{p}: {len(read(p).splitlines())}" for p in sources if len(read(p).splitlines()) > LINES_MAX])
    unfinished = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X")) + r")\b")
    report("nothing is left to do",
           [f"{p}:{i}" for p in everything for i, line in enumerate(read(p).splitlines(), 1) if unfinished.search(line)])


all_sources = files_below("src", ".c", ".h")
print(f"1..{len(LAYERS) + 5}")
check_layers(all_sources)
check_files(all_sources)
sys.exit(0 if all(results) else 1)
