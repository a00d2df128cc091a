"""A Prometheus with the package's alert rules, their times divided, and the dashboard's queries.

Everything comes from packaging/monitoring; never holds a rule or a query of its own.
"""

import contextlib
import json
import os
import re
import subprocess
import tempfile
import time
import urllib.parse
import urllib.request

from programs import free_port, wait_until

FOLDER = os.path.join(os.path.dirname(__file__), "../../packaging/monitoring")
FASTER = 60  # a minute of the rules is a second here
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
PATIENCE = 60  # seconds


def rules():
    """The package's rules with every time in them divided: how long they wait, how far they look back, and how old an
    event has to be. A certificate's time is not the rules' to set.
    """
    with open(os.path.join(FOLDER, "alerts.yaml"), encoding="utf-8") as file:
        text = file.read()

    def shorter(match):
        return f"{match[1]}{int(match[2]) * SECONDS[match[3]] * 1000 // FASTER}ms"

    text, times = re.subn(r"(\bfor: |\[)(\d+)([smhd])\b", shorter, text)
    text, ages = re.subn(r"(ditto_lag_seconds > )(\d+)", lambda match: f"{match[1]}{int(match[2]) / FASTER}", text)
    # A mirror's checkpoints follow each other within 20 s, whatever the rules are divided by.
    text, checkpoints = re.subn(r"(ditto_checkpoint_age_seconds > )120", r"\g<1>30", text)
    assert times > 10 and ages == 1 and checkpoints == 1, (times, ages, checkpoints)
    return text


def alerts():
    """The names of all alerts."""
    return set(re.findall(r"- alert: (\w+)", rules()))


def panels():
    """Title and queries of each panel of the dashboard, all instances and groups chosen."""
    with open(os.path.join(FOLDER, "dashboard.json"), encoding="utf-8") as file:
        dashboard = json.load(file)
    chosen = [("$instance", ".*"), ("$group", ".*")]

    def query(text):
        for name, value in chosen:
            text = text.replace(name, value)
        assert "$" not in text, text
        return text

    for panel in dashboard["panels"]:
        if panel["type"] != "row":
            yield panel["title"], [query(target["expr"]) for target in panel["targets"]]
    for annotation in dashboard["annotations"]["list"]:
        yield annotation["name"], [query(annotation["expr"])]


class Prometheus:
    """A running one. `scrape` chooses what it scrapes, once a second."""

    def __init__(self, folder, port):
        self._targets = os.path.join(folder, "targets.json")
        self._url = f"http://127.0.0.1:{port}"
        self.scrape([])

    def scrape(self, addresses):
        with open(f"{self._targets}.new", "w", encoding="utf-8") as file:
            json.dump([{"targets": addresses}], file)
        os.replace(f"{self._targets}.new", self._targets)

    def is_ready(self):
        try:
            with urllib.request.urlopen(f"{self._url}/-/ready", timeout=PATIENCE) as answer:
                return answer.status == 200
        except OSError:
            return False

    def ask(self, path, **parameters):
        url = f"{self._url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
            return json.load(answer)["data"]

    def query(self, query):
        """Labels and value of each series now; those that are not a number are left out."""
        results = self.ask("query", query=query)["result"]
        found = [(result["metric"], float(result["value"][1])) for result in results]
        return [(labels, value) for labels, value in found if value == value]

    def firing(self):
        return {one["labels"]["alertname"] for one in self.ask("alerts")["alerts"] if one["state"] == "firing"}

    def _since(self, query, since):
        return self.ask("query_range", query=query, start=since, end=time.time(), step=1)["result"]

    def sides_of(self, alert, since):
        """The sides that an alert was about, firing or not yet."""
        return {one["metric"]["side"] for one in self._since(f'ALERTS{{alertname="{alert}"}}', since)}

    def fired(self, since):
        """When each alert first fired, in seconds since 1970."""
        first = {}
        for result in self._since('ALERTS{alertstate="firing"}', since):
            name, at = result["metric"]["alertname"], float(result["values"][0][0])
            first[name] = min(at, first.get(name, at))
        return first


@contextlib.contextmanager
def prometheus():
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        with open(os.path.join(folder, "rules.yaml"), "w", encoding="utf-8") as file:
            file.write(rules())
        with open(os.path.join(folder, "prometheus.yaml"), "w", encoding="utf-8") as file:
            json.dump({
                "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
                "rule_files": [os.path.join(folder, "rules.yaml")],
                "scrape_configs": [{"job_name": "ditto", "file_sd_configs": [
                    {"files": [os.path.join(folder, "targets.json")], "refresh_interval": "1s"}]}],
            }, file)
        server = Prometheus(folder, port)
        process = subprocess.Popen([
            os.environ["PROMETHEUS"], f"--config.file={folder}/prometheus.yaml", f"--storage.tsdb.path={folder}/data",
            f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"], cwd=folder)
        try:
            wait_until(server.is_ready, PATIENCE, "Prometheus is ready")
            yield server
        finally:
            process.terminate()
            process.wait(PATIENCE)
