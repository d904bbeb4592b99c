#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The dashboard and the alerts in examples/ ask for metrics and labels that /metrics has, and are what Grafana and Prometheus read.
Prints TAP. With --queries: prints what they ask, a JSON object of lists, for the story that lets a Prometheus answer them."""
import json
import os
import re
import shutil
import subprocess
import sys

here = os.path.dirname(os.path.abspath(__file__))
arguments = [a for a in sys.argv[1:] if a != "--queries"]
top = arguments[0] if arguments else os.path.dirname(os.path.dirname(here))
NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
WORDS = set("""by without on ignoring group_left group_right and or unless offset bool sum min max avg count topk bottomk quantile rate
increase irate changes delta histogram_quantile time max_over_time min_over_time avg_over_time clamp_min label_values""".split())
SCRAPED = {"job", "instance"}  # Prometheus adds them
results = []


def report(name, problems):
    results.append(not problems)
    for problem in problems:
        print(f"# {problem}")
    print(f"{'ok' if not problems else 'not ok'} {len(results)} - {name}")


def read(*parts):
    with open(os.path.join(top, *parts), encoding="utf-8") as file:
        return file.read()


def rows(table, macro):
    return re.findall(rf"^{macro}\((.*)\)$", read("include", "mdm-tunnel", "tbl", table), re.M)


def known():
    """Names of samples as they are asked for, each with its labels."""
    found = {"up": SCRAPED}
    for ident, kind, _ in (re.split(r", ", row, maxsplit=2) for row in rows("counters.h", "COUNTER")):
        found[f"mdm_tunnel_{ident}{'_total' if kind == 'total' else ''}"] = SCRAPED
    for row in rows("metrics.h", "METRIC"):
        ident, kind, labels, _ = re.fullmatch(r'(\w+), (\w+), "(.*?)", "(.*)"', row).groups()
        has = SCRAPED | set(labels.split(",")) - {""}
        suffixes = {"counter": ["_total"], "gauge": [""], "info": ["_info"], "histogram": ["_count", "_sum", "_bucket"]}[kind]
        for suffix in suffixes:
            found[f"mdm_tunnel_{ident}{suffix}"] = has | ({"le"} if suffix == "_bucket" else set())
    return found


def balanced(query):
    open_ones = []
    for sign in re.sub(r'"[^"]*"', "", query):
        if sign in "([{":
            open_ones.append(sign)
        elif sign in ")]}" and (not open_ones or open_ones.pop() + sign not in ("()", "[]", "{}")):
            return False
    return not open_ones


def query_problems(query, metrics):
    """What it names has to be there; other words have to be PromQL's."""
    if not balanced(query):
        return [f"brackets: {query}"]
    problems, bare, has = [], query, set()
    for name, matchers in re.findall(rf"({NAME})\s*(?:\{{([^}}]*)\}})?", re.sub(r"\[[^\]]*\]", "", query)):
        if name.startswith("mdm_tunnel_") or name == "up":
            if name not in metrics:
                problems.append(f"no such metric: {name} in {query}")
                continue
            has |= metrics[name]
            problems += [f"{name} has no label {label}: {query}" for label in re.findall(rf"({NAME})\s*[=!]", matchers)
                         if label not in metrics[name]]
    for label in re.findall(NAME, " ".join(re.findall(r"\b(?:by|without|on|ignoring)\s*\(([^)]*)\)", query))):
        if label not in has:
            problems.append(f"none of its metrics has the label {label}: {query}")
    bare = re.sub(r'\{[^}]*\}|\[[^\]]*\]|"[^"]*"|\b(by|without|on|ignoring)\s*\([^)]*\)|\$\w+', " ", query)
    words = re.findall(rf"\b(?<![\d.]){NAME}", bare)
    return problems + [f"what is {word}? {query}" for word in words if word not in WORDS and word not in metrics]


def legend_problems(target, metrics):
    has = set().union(*(metrics[n] for n in re.findall(NAME, target["expr"]) if n in metrics))
    return [f"{label} in a legend: {target['expr']}" for label in re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]) if label not in has]


def panel_problems(panel):
    """The fields without which Grafana shows nothing, or not this."""
    needed = ["id", "type", "title", "gridPos"]
    if panel.get("type") != "row":
        needed += ["datasource", "targets", "fieldConfig", "options"]
    problems = [f"a panel without {key}: {panel.get('title')}" for key in needed if key not in panel]
    at = panel.get("gridPos", {})
    if sorted(at) != ["h", "w", "x", "y"] or at["x"] + at["w"] > 24:
        problems.append(f"place of {panel.get('title')}: {at}")
    for target in panel.get("targets", []):
        problems += [f"a target without {key}: {panel['title']}" for key in ("refId", "datasource", "expr", "legendFormat")
                     if key not in target]
    return problems


def dashboard_problems(board):
    problems = [f"no {key}" for key in ("title", "uid", "schemaVersion", "panels", "templating", "time", "refresh") if key not in board]
    ids = [panel.get("id") for panel in board.get("panels", [])]
    if len(set(ids)) != len(ids) or None in ids:
        problems.append("panels share an id")
    boxes = [(p["gridPos"], p["title"]) for p in board.get("panels", [])]
    for i, (a, title) in enumerate(boxes):
        problems += [f"{title} is over {other}" for b, other in boxes[i + 1:]
                     if a["x"] < b["x"] + b["w"] and b["x"] < a["x"] + a["w"] and a["y"] < b["y"] + b["h"] and b["y"] < a["y"] + a["h"]]
    variables = {v["name"] for v in board["templating"]["list"]} | {"__rate_interval"}
    problems += [f"no variable {name}" for name in sorted(set(re.findall(r"\$\{?(\w+)", json.dumps(board["panels"]))) - variables)]
    return problems + [problem for panel in board["panels"] for problem in panel_problems(panel)]


def alert_queries(text):
    """What stands behind expr: on its line, or below it."""
    found = []
    for spaces, first, more in re.findall(r"^( +)expr: (.*)\n((?:\1 +.*\n)*)", text, re.M):
        found.append(" ".join((more if first.startswith("|") else first).split()))
    return found


def alert_problems(text, queries):
    """The rest is for promtool; here: every alert is whole, and says what its query gives."""
    blocks = re.split(r"^ +- alert: ", text, flags=re.M)[1:]
    problems = [] if blocks and len(blocks) == len(queries) else ["alerts and queries differ in number"]
    names = [block.split("\n")[0] for block in blocks]
    problems += [f"{name} comes twice" for name in set(names) if names.count(name) > 1]
    for name, block, query in zip(names, blocks, queries):
        problems += [f"{name} has no {key}" for key in ("expr", "severity", "summary") if f" {key}: " not in block]
        has = set().union(*(metrics[n] for n in re.findall(NAME, query) if n in metrics))
        by = re.search(r"\bby \(([^)]*)\)", query)
        has = set(re.findall(NAME, by[1])) if by else has
        problems += [f"{name} has no label {label}" for label in re.findall(r"\$labels\.(\w+)", block) if label not in has]
    return problems


def promtool():
    tool = os.environ.get("PROMTOOL") or shutil.which("promtool")
    if tool is None:
        results.append(True)
        print(f"ok {len(results)} - promtool reads the alerts # SKIP promtool is not installed")
        return
    rules = os.path.join(top, "examples", "prometheus", "alerts.yml")
    run = subprocess.run([tool, "check", "rules", rules], capture_output=True, text=True)
    report("promtool reads the alerts", [] if run.returncode == 0 else (run.stdout + run.stderr).splitlines())


metrics = known()
board = json.loads(read("examples", "grafana", "dashboard.json"))
alerts = read("examples", "prometheus", "alerts.yml")
targets = [target for panel in board["panels"] for target in panel.get("targets", [])]
variables = [re.sub(r"label_values\((.*), \w+\)", r"\1", v["query"]) for v in board["templating"]["list"] if v["type"] == "query"]
queries = {"dashboard": [t["expr"] for t in targets], "alerts": alert_queries(alerts)}
if "--queries" in sys.argv:
    print(json.dumps(queries))
    sys.exit(0)
print("1..5")
report("the dashboard is one", dashboard_problems(board))
report("the dashboard asks for what is there",
       [p for query in queries["dashboard"] + variables for p in query_problems(query, metrics)] +
       [p for target in targets for p in legend_problems(target, metrics)])
report("the alerts are whole", alert_problems(alerts, queries["alerts"]))
report("the alerts ask for what is there", [p for query in queries["alerts"] for p in query_problems(query, metrics)])
promtool()
sys.exit(0 if all(results) else 1)
