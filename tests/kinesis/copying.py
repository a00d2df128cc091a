"""What every test of a data stream has: a source, moto behind the proxy, a configuration, and the judgement.

Never judges by what ditto says; its status and metrics are tests' subjects of their own.
"""

import json
import os
import subprocess
import tempfile
import unittest
import urllib.error
import urllib.request
from collections import defaultdict

from kurrentdbclient import KurrentDBClient, NewEvent, StreamState

import datastream
from datastream import NAME, REGION, Proxy
from programs import devstore, free_port, wait_until

COPIED = 120  # seconds

CONFIG = """
[source]
connection_string = "{source}"

[destination]
type = "kinesis"
stream_name = "{name}"
region = "{region}"
endpoint_url = "{endpoint}"

[replication]
{replication}

[[subscription]]
stream = "$ce-customer"
group = "ditto-kinesis"

[http]
listen = "127.0.0.1:{port}"
"""


def json_event(number):
    data = json.dumps({"number": number, "name": "Zoë"}).encode()
    return NewEvent(type="customer_renamed", data=data, metadata=b'{"source":"test"}')


def streams_of(count, events):
    return {f"customer-{number}": [json_event(at) for at in range(events)] for number in range(count)}


class Copy(unittest.TestCase):
    """Every test has a source, a data stream with a proxy in front, and a ditto of its own."""

    shards = 4
    tls = None

    def setUp(self):
        self.source_address = self.enterContext(devstore(*self.source_options()))
        self.moto = self.enterContext(datastream.moto())
        self.kinesis = datastream.create(self.moto, self.shards) if self.shards else datastream.client(self.moto)
        self.proxy = Proxy(self.moto, self.tls)
        self.addCleanup(self.proxy.close)
        self.port = free_port()
        self.config = self.configuration()
        self.source = self.enterContext(self.source_client())

    def source_options(self):
        return []

    def source_string(self):
        return f"esdb://{self.source_address}?tls=false"

    def source_client(self):
        return KurrentDBClient(self.source_string())

    def configuration(self, replication=""):
        return CONFIG.format(
            source=self.source_string(),
            name=NAME,
            region=REGION,
            endpoint=self.proxy.url,
            replication=replication,
            port=self.port,
        )

    def write(self, streams, step=1, begin=0):
        """`step` events of each stream after the other, so that streams interleave."""
        for revision in range(begin, max(map(len, streams.values())), step):
            for stream, events in streams.items():
                if revision < len(events):
                    expected = revision - 1 if revision else StreamState.NO_STREAM
                    part = events[revision : revision + step]
                    self.source.append_to_stream(stream, current_version=expected, events=part)

    def records(self):
        return [record for _, _, record in datastream.read(self.kinesis)]

    def wait_for(self, streams):
        wanted = {(stream, at) for stream, events in streams.items() for at in range(len(events))}

        wait_until(lambda: wanted <= self.proxy.stored.keys(), COPIED, f"{len(wanted)} records")

    def assert_complete_and_in_order(self, streams, exactly_once=True):
        numbers = defaultdict(list)
        ids = defaultdict(set)
        for record in self.records():
            numbers[record["stream_id"]].append(record["event_number"])
            ids[record["stream_id"], record["event_number"]].add(record["event_id"])
        self.assertEqual(set(numbers), set(streams))
        for stream, events in streams.items():
            found = numbers[stream] if exactly_once else list(dict.fromkeys(numbers[stream]))
            self.assertEqual(found, list(range(len(events))), stream)
            for at, event in enumerate(events):
                self.assertEqual(ids[stream, at], {str(event.id)})
        self.assertEqual(self.proxy.broken_rules, [])

    def get(self, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def subscription(self):
        status, body = self.get("/status")
        return json.loads(body)["subscriptions"][0] if status == 200 and body else {}

    def metric(self, name):
        lines = [line for line in self.get("/metrics")[1].splitlines() if line.startswith(name + "{")]
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines)

    def command(self, name, *options):
        """Exit code and output of one of ditto's commands with the configuration."""
        with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
            file.write(self.config)
            file.flush()
            program = os.path.join(os.environ["PROGRAMS"], "ditto")
            done = subprocess.run(
                [program, name, "--config", file.name, *options], capture_output=True, text=True, timeout=120
            )
            return done.returncode, done.stdout + done.stderr
