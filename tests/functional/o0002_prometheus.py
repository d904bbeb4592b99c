#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A real Prometheus asks the server, and what the dashboard and the alerts in examples/ ask it has answers."""
import json
import pathlib
import re
import shutil
import subprocess
import urllib.error
import urllib.parse
import urllib.request

from lib import check, main, response, same, seconds, skip, story, wait_until
from lib.admin import Admin
from lib.brokers import free_port
from lib.program import Program

TOP = pathlib.Path(__file__).resolve().parents[2]
QUIET = ("session_away",)  # what has no answer while all is well


class Prometheus(Program):
    """Debian's, with the settings in examples/ but for addresses and times."""

    def __init__(self, t, admin):
        settings = (TOP / "examples/prometheus/prometheus.yml").read_text()
        for old, new in (("interval: 15s", "interval: 1s"), ("127.0.0.1:9090", f"127.0.0.1:{admin.port}"),
                         ("/var/lib/mdm-tunnel/admin-token", str(admin.file))):
            check(old in settings, f"prometheus.yml says {old}")
            settings = settings.replace(old, new)
        (t.directory / "prometheus.yml").write_text("global:\n  evaluation_interval: 1s\n" + settings)
        shutil.copy(TOP / "examples/prometheus/alerts.yml", t.directory)
        self.port = free_port()
        super().__init__("prometheus", [f"--config.file={t.directory}/prometheus.yml", f"--storage.tsdb.path={t.directory}/tsdb",
                                        f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=warn"], t.directory)
        self.exit_matters = False

    @staticmethod
    def find(name):
        return shutil.which(name) or skip(f"{name} is not installed")

    def ask(self, path, **query):
        """None: it does not answer yet."""
        try:
            url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
            with urllib.request.urlopen(url, timeout=seconds(10)) as got:
                return json.load(got)["data"]
        except urllib.error.HTTPError as error:
            check(error.code == 503, f"{query}: {error.read()}")
        except (ConnectionError, urllib.error.URLError):
            check(self.running, f"Prometheus ended: {self.log}")
        return None

    def rows(self, query):
        return (self.ask("query", query=query) or {"result": []})["result"]

    def alerts(self):
        return {rule["name"]: rule for group in (self.ask("rules") or {"groups": []})["groups"] for rule in group["rules"]}


def filled(query):
    """As Grafana does with the dashboard's variables."""
    return re.sub(r"\$(instance|client|service)\b", ".*", query.replace("$__rate_interval", "1m"))


@story("Prometheus takes the metrics; each query of the dashboard has an answer, and an alert speaks when the server is gone",
       only="plain", slow=True)
def _(t):
    web = t.origin(lambda request: response(500 if request.target == "/bad" else 200, b"body"))
    tunnel = t.tunnel({"web": web}, server=["--admin", "0"])
    prometheus = Prometheus(t, Admin(tunnel))
    t.programs.append(prometheus)
    wait_until(lambda: [row["value"][1] for row in prometheus.rows("up")] == ["1"], "the server is asked", 30)

    asked = subprocess.run([TOP / "tests/style/metrics.py", "--queries"], capture_output=True, text=True, check=True)
    queries = [filled(query) for query in json.loads(asked.stdout)["dashboard"] if not any(q in query for q in QUIET)]

    def missing():
        same([tunnel.ask("web").status, tunnel.ask("web", target="/bad").status], [200, 500], "a visitor")
        return [query for query in queries if not prometheus.rows(query)]

    wait_until(lambda: not missing(), "each query has an answer", 30)
    same([row["metric"]["service"] for row in prometheus.rows('mdm_tunnel_service_requests_total{status="5xx"}')], ["web"], "labels arrive")

    wait_until(lambda: {a["health"] for a in prometheus.alerts().values()} == {"ok"}, "the alerts can be evaluated", 30)
    same([name for name, a in prometheus.alerts().items() if a["state"] == "firing"], [], "all is well")
    same(prometheus.alerts()["MdmTunnelDown"]["state"], "inactive", "while the server is there")
    same(tunnel.server.stop(), 0, "the server ends")
    wait_until(lambda: prometheus.alerts()["MdmTunnelDown"]["state"] == "pending", "its end is seen", 30)


main()
