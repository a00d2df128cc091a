"""The log of a real ditto over OTLP: what arrives, and that no receiver can do harm. Never asserts a duration."""

import contextlib
import json
import os
import re
import signal
import subprocess
import tempfile
import time
import unittest
import urllib.request
import uuid

from certificates import certificate
from programs import devstore, ditto, wait_until
from receiver import Receiver

PATIENCE = 60  # seconds
KEY = "k3y-that-nobody-may-see"
FILE_KEY = "k3y-out-of-a-file"
TROUBLE = "the receiver of log lines ([log.otlp]) does not take them"
OVER = "the receiver of log lines takes them again"


def write(server, stream, count):
    events = [{"eventId": str(uuid.uuid4()), "eventType": "written", "data": {"n": n}} for n in range(count)]
    request = urllib.request.Request(
        f"http://{server}/streams/{stream}", json.dumps(events).encode(),
        {"content-type": "application/vnd.eventstore.events+json"})
    urllib.request.urlopen(request, timeout=PATIENCE).close()


def get(address, path):
    with urllib.request.urlopen(f"http://{address}{path}", timeout=PATIENCE) as answer:
        return answer.read().decode()


def metric(daemon, name):
    return float(re.search(rf"^{name}{{.*}} (\S+)$", get(daemon.address(), "/metrics"), re.MULTILINE).group(1))


class Otlp(unittest.TestCase):
    @contextlib.contextmanager
    def copying(self, otlp, level="info"):
        """A ditto between two servers, with these lines under [log.otlp]."""
        with devstore() as source, devstore() as destination:
            config = f"""
[source]
connection_string = "esdb://{source}?tls=false"
[destination]
connection_string = "esdb://{destination}?tls=false"
[[subscription]]
stream = "$ce-customer"
group = "ditto-customer"
[http]
listen = "127.0.0.1:0"
[log]
level = "{level}"
[log.otlp]
{otlp}
"""
            with ditto(config) as daemon:
                daemon.source = source
                yield daemon

    def is_copied(self, daemon, count):
        write(daemon.source, f"customer-{uuid.uuid4()}", count)
        report = lambda: json.loads(get(daemon.address(), "/status"))["subscriptions"][0]
        wait_until(lambda: report()["copied"] >= count, PATIENCE, f"{count} events are copied")

    def until_logged(self, daemon, text):
        wait_until(lambda: text in daemon.log(), PATIENCE, f"{text!r} in the log")

    def until_received(self, receiver, text):
        wait_until(lambda: receiver.find(text), PATIENCE, f"{text!r} at the receiver")
        return receiver.find(text)

    def test_what_the_journal_says_arrives_with_its_fields(self):
        with tempfile.TemporaryDirectory() as folder, Receiver() as receiver:
            path = os.path.join(folder, "key")
            with open(path, "w", encoding="utf-8") as file:
                file.write(f"{FILE_KEY}\n")
            otlp = f"""endpoint = "http://127.0.0.1:{receiver.port}"
headers = {{ X-Seq-ApiKey = "{KEY}" }}
header_files = {{ DD-API-KEY = "{path}" }}
resource_attributes = {{ "deployment.environment.name" = "test", "service.name" = "ditto-of-a-test" }}"""
            with self.copying(otlp) as daemon:
                self.until_received(receiver, "ditto is configured")
                line = self.until_received(receiver, "joined the subscription")
                self.assertEqual((line.severity, line.number), ("INFO", 9))
                self.assertTrue(line.scope.startswith("ditto::"), line.scope)
                self.assertLess(abs(time.time() - line.nanoseconds / 1e9), 3600)
                expected = {"ditto.message": "joined the subscription", "ditto.stream": "$ce-customer",
                            "ditto.group": "ditto-customer"}
                self.assertEqual({name: line.attributes[name] for name in expected}, expected)
                self.assertIn("stream=$ce-customer", line.body)
                self.assertEqual(line.resource["service.name"], "ditto-of-a-test")
                self.assertEqual(line.resource["deployment.environment.name"], "test")
                self.assertTrue(line.resource["service.version"] and line.resource["host.name"])
                headers = {name.lower(): value for name, value in line.headers.items()}
                self.assertEqual((headers["x-seq-apikey"], headers["dd-api-key"]), (KEY, FILE_KEY))
                # A key that was replaced is in use after the first request that is refused.
                with open(path, "w", encoding="utf-8") as file:
                    file.write("another\n")
                receiver.answer = 401
                daemon.send_signal(signal.SIGHUP)
                self.until_logged(daemon, TROUBLE)
                receiver.answer = 200
                line = self.until_received(receiver, OVER)
                self.assertIn("another", line.headers.values())
            # What is said at the very end is sent before it is over.
            self.assertIsNotNone(receiver.find("stopped"), [line.body for line in receiver.lines][-3:])

    def test_a_receiver_that_is_down_gets_what_waited_when_it_comes(self):
        with Receiver() as receiver:
            port = receiver.port
        with self.copying(f'endpoint = "http://127.0.0.1:{port}"') as daemon:
            self.until_logged(daemon, TROUBLE)
            self.is_copied(daemon, 100)
            with Receiver(port) as receiver:
                self.until_received(receiver, "ditto is configured")
                self.until_received(receiver, OVER)
                self.assertEqual(metric(daemon, "ditto_log_otlp_lines_dropped_total"), 0)
                wait_until(lambda: metric(daemon, "ditto_log_otlp_lines_sent_total") > 3, PATIENCE, "lines are counted")
            # Gone again, in the middle of everything.
            daemon.send_signal(signal.SIGHUP)
            wait_until(lambda: daemon.log().count(TROUBLE) == 2, PATIENCE, "it is said once more")
            self.is_copied(daemon, 100)
            self.assertEqual(daemon.log().count(TROUBLE), 2, daemon.log())

    def test_no_bad_answer_does_harm_and_each_is_said_once(self):
        for answer, word in [("nothing", "deadline"), ("reset", "connection"), (500, "500"), (503, "503"), (403, "key"),
                             (404, "path")]:
            with self.subTest(answer), Receiver() as receiver:
                receiver.answer = answer
                otlp = f'endpoint = "http://127.0.0.1:{receiver.port}"\ntimeout = "300ms"'
                with self.copying(otlp) as daemon:
                    self.until_logged(daemon, TROUBLE)
                    self.is_copied(daemon, 200)
                    wait_until(lambda: receiver.requests > 2, PATIENCE, "it is tried again")
                    said = [line for line in daemon.log().splitlines() if TROUBLE in line]
                    self.assertEqual(len(said), 1, said)
                    self.assertIn(word, said[0])
                    receiver.answer = 200
                    self.until_received(receiver, "ditto is configured")
                    self.until_logged(daemon, OVER)

    def test_lines_that_are_refused_are_counted_and_not_sent_again(self):
        with Receiver() as receiver:
            receiver.answer = 400
            with self.copying(f'endpoint = "http://127.0.0.1:{receiver.port}"') as daemon:
                self.until_logged(daemon, TROUBLE)
                wait_until(lambda: metric(daemon, "ditto_log_otlp_lines_dropped_total") > 0, PATIENCE, "they are counted")
                receiver.answer = 200
                daemon.send_signal(signal.SIGHUP)
                self.until_received(receiver, "the configuration is unchanged")
                self.assertIsNone(receiver.find("ditto is configured"))
                # A part of a request.
                dropped = metric(daemon, "ditto_log_otlp_lines_dropped_total")
                receiver.refuses = 1
                daemon.send_signal(signal.SIGHUP)
                wait_until(lambda: metric(daemon, "ditto_log_otlp_lines_dropped_total") > dropped, PATIENCE, "one more")

    def test_a_full_queue_costs_lines_and_no_events(self):
        with Receiver() as receiver:
            receiver.answer = "nothing"
            with self.copying(f'endpoint = "http://127.0.0.1:{receiver.port}"\ntimeout = "60s"', "debug") as daemon:
                for number in range(40):
                    write(daemon.source, f"customer-{number}", 500)
                self.is_copied(daemon, 20_100)
                wait_until(lambda: metric(daemon, "ditto_log_otlp_lines_dropped_total") > 0, PATIENCE, "lines are dropped")
                self.assertEqual(metric(daemon, "ditto_log_lines_dropped_total"), 0)

    def test_secrets_are_nowhere_to_be_seen(self):
        with tempfile.TemporaryDirectory() as folder, Receiver() as receiver:
            path = os.path.join(folder, "key")
            with open(path, "w", encoding="utf-8") as file:
                file.write(f"{FILE_KEY}\n")
            receiver.answer = 401
            otlp = f"""endpoint = "http://127.0.0.1:{receiver.port}"
headers = {{ X-Seq-ApiKey = "{KEY}" }}
header_files = {{ DD-API-KEY = "{path}" }}"""
            with self.copying(otlp, "trace,hyper=trace,hyper_util=trace,opentelemetry=trace") as daemon:
                self.until_logged(daemon, TROUBLE)
                said = "".join(get(daemon.address(), path) for path in ("/status", "/metrics", "/"))
                # A reload that fails talks about what it read.
                with open(daemon.file, encoding="utf-8") as file:
                    text = file.read()
                for bad in (text.replace(f'"{KEY}"', f'"{KEY}\\u0001"'), text.replace("endpoint =", "endpiont ="),
                            text.replace("http://127", f"http://{KEY}@127"), text.replace(f'"{KEY}"', f'["{KEY}"]')):
                    with open(daemon.file, "w", encoding="utf-8") as file:
                        file.write(bad)
                    program = os.path.join(os.environ["PROGRAMS"], "ditto")
                    checked = subprocess.run([program, "check", "--config", daemon.file], capture_output=True, text=True)
                    self.assertEqual(checked.returncode, 78, checked.stderr)
                    self.assertIn("log.otlp", checked.stderr + checked.stdout)
                    said += checked.stdout + checked.stderr
                daemon.send_signal(signal.SIGHUP)
                self.until_logged(daemon, "the new configuration is refused")
                said += daemon.log()
            for secret in (KEY, FILE_KEY):
                self.assertNotIn(secret, said)

    def test_tls_is_verified_against_the_authority_of_the_configuration(self):
        with tempfile.TemporaryDirectory() as folder:
            ours, other = certificate(folder, "ours", 30), certificate(folder, "other", 30)
            with Receiver(certificate=ours) as receiver:
                endpoint = f'endpoint = "https://127.0.0.1:{receiver.port}"\ntls_ca_file = '
                with self.copying(f'{endpoint}"{ours[0]}"'):
                    self.until_received(receiver, "ditto is configured")
            with Receiver(certificate=ours) as receiver:
                endpoint = f'endpoint = "https://127.0.0.1:{receiver.port}"\ntls_ca_file = '
                with self.copying(f'{endpoint}"{other[0]}"') as daemon:
                    self.until_logged(daemon, TROUBLE)
                    self.assertIn("certificate", daemon.log())
                    self.assertEqual(receiver.lines, [])


if __name__ == "__main__":
    unittest.main()
