"""What the package gives to those who look after ditto, shown to be right on a running ditto: each alert fires in the
trouble that it is for and in no other, and no panel of the dashboard is empty. Times of the rules are divided; never
asserts one.
"""

import contextlib
import http.server
import json
import os
import signal
import ssl
import tempfile
import threading
import time
import unittest
import urllib.request
import uuid

from certificates import certificate
from programs import devstore, ditto, free_port, wait_until
from prometheus import alerts, panels, prometheus

PATIENCE = 150  # seconds
HEALTHY = 25  # seconds without trouble in which nothing may fire; near half an hour of the rules


class World:
    """Two servers with TLS, the destination's certificate about to expire, and a writer that never rests."""

    def __init__(self, source, destination, log_port, folder):
        self.source, self.destination = source, destination
        self.log_port, self.folder = log_port, folder
        self._trust = ssl.create_default_context()
        self._trust.check_hostname = False
        self._trust.verify_mode = ssl.CERT_NONE
        self.instances = {}

    def config(self, instance):
        # The same port after each start: for Prometheus that is who it is.
        port = self.instances.setdefault(instance, free_port())
        return f"""
[source]
connection_string = "esdb://{self.source}"
tls_ca_file = "{self.folder}/source.pem"
[destination]
connection_string = "esdb://{self.destination}"
tls_ca_file = "{self.folder}/destination.pem"
[[subscription]]
stream = "$ce-customer"
group = "ditto-customer"
[[mirror]]
name = "orders"
streams = ["order-*"]
metadata = true
[http]
listen = "127.0.0.1:{port}"
[log.otlp]
endpoint = "http://127.0.0.1:{self.log_port}"
"""

    def address(self, instance):
        return f"127.0.0.1:{self.instances[instance]}"

    def post(self, server, path, body, **headers):
        request = urllib.request.Request(f"https://{server}{path}", json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=PATIENCE, context=self._trust) as answer:
            return answer.read()

    def delete(self, server, path):
        request = urllib.request.Request(f"https://{server}{path}", method="DELETE")
        urllib.request.urlopen(request, timeout=PATIENCE, context=self._trust).close()

    def write(self, server, stream, count=1, ids=None):
        ids = ids or [str(uuid.uuid4()) for _ in range(count)]
        events = [{"eventId": one, "eventType": "written", "data": {"at": server, "n": n}} for n, one in enumerate(ids)]
        self.append(server, stream, events)

    def write_metadata(self, server, stream, metadata):
        event = {"eventId": str(uuid.uuid4()), "eventType": "$metadata", "data": metadata}
        self.append(server, f"$${stream}", [event])

    def append(self, server, stream, events):
        self.post(server, f"/streams/{stream}", events,
                  **{"content-type": "application/vnd.eventstore.events+json"})


@contextlib.contextmanager
def writing(world):
    """Events all the time, in many streams."""
    ended = threading.Event()

    def write():
        number = 0
        while not ended.wait(0.1):
            number += 1
            world.write(world.source, f"customer-{number % 20}", 10)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield
    finally:
        ended.set()
        writer.join()


@contextlib.contextmanager
def log_receiver():
    """Takes every request, until `answer` is another status."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(server.answer)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.answer = 200
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


class Monitoring(unittest.TestCase):
    def setUp(self):
        stack = contextlib.ExitStack()
        self.addCleanup(stack.close)
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        servers = []
        for name, days in (("source", 90), ("destination", 7)):
            cert, key = certificate(folder, name, days)
            servers.append(stack.enter_context(devstore("--tls-cert", cert, "--tls-key", key)))
        self.receiver = stack.enter_context(log_receiver())
        self.world = World(*servers, self.receiver.server_address[1], folder)
        self.prometheus = stack.enter_context(prometheus())
        self.stack = stack
        self.began = time.time()
        self.first = {}  # when each alert was first to be expected
        self.world.write(self.world.source, "customer-0", 10)
        stack.enter_context(writing(self.world))

    def firing(self):
        # It waits for an hour, here a minute: looked at last.
        return self.prometheus.firing() - {"DittoCertificateExpiring"}

    def until(self, condition, what):
        try:
            wait_until(condition, PATIENCE, what)
        except TimeoutError as error:
            raise AssertionError(f"{error}; firing: {self.prometheus.firing()}") from None

    @contextlib.contextmanager
    def trouble(self, *names):
        """This block makes the trouble that the alerts are for; they fire after it, and did not before."""
        for name in names:
            self.first.setdefault(name, time.time())
        yield
        self.until(lambda: set(names) <= self.firing(), f"{names} fire")

    def configure(self, daemon, config):
        with open(daemon.file, "w", encoding="utf-8") as file:
            file.write(config)
        daemon.send_signal(signal.SIGHUP)

    def until_over(self, *names):
        self.until(lambda: not set(names) & self.firing(), f"{names} no longer fire")

    def value(self, query):
        found = self.prometheus.query(query)
        return found[0][1] if found else None

    def panels_have_data(self, when):
        for title, queries in panels():
            if title == "Starts of ditto":
                continue  # there is one only for a minute after a start
            for query in queries:
                with self.subTest(title, when=when, query=query):
                    self.until(lambda: self.prometheus.query(query), f"{title!r} shows something")

    def test_each_alert_fires_in_its_own_trouble_and_no_panel_is_empty(self):
        world = self.world
        with ditto(world.config("a")) as daemon:
            self.prometheus.scrape([world.address("a")])
            self.first["DittoDown"] = 0  # nobody was scraped before the first one started
            self.until(lambda: self.value("sum(ditto_events_processed_total)"), "it copies")
            self.until_over("DittoDown")
            self.is_quiet_while_healthy()
            self.panels_have_data("under load")
            self.destination_goes_away()
            self.events_are_parked()
            self.events_differ()
            self.metadata_differs()
            self.nothing_is_delivered()
            self.a_configuration_is_refused(daemon)
            self.lines_are_lost(daemon)
            self.the_standby_goes_away()
            daemon.send_signal(signal.SIGTERM)
            daemon.wait(PATIENCE)
        self.it_starts_again_and_again()
        with self.trouble("DittoDown"):
            pass
        self.none_fired_before_its_time()

    def is_quiet_while_healthy(self):
        end = time.monotonic() + HEALTHY
        while time.monotonic() < end:
            self.assertEqual(self.firing(), set())
            time.sleep(1)

    def destination_goes_away(self):
        names = ("DittoNotReady", "DittoServerDown", "DittoLagRising", "DittoCheckpointOld")
        with self.trouble(*names):
            self.world.post(self.world.destination, "/devstore/restart", {"as": "kill", "down_ms": 45_000})
            self.until(lambda: self.value('ditto_up{side="destination"}') == 0, "the destination is seen to be away")
            self.assertEqual(self.value('ditto_up{side="source"}'), 1)
            self.panels_have_data("during the outage")
        self.until_over(*names)

    def events_are_parked(self):
        with self.trouble("DittoParkedRising", "DittoStreamsHeld"):
            self.world.write(self.world.destination, "customer-conflict")
            self.world.write(self.world.source, "customer-conflict", 2)
        self.panels_have_data("with a parked event")
        self.assertGreater(self.value('sum(ditto_streams_held{reason="conflict"})'), 0)
        self.assertGreater(self.value("sum(ditto_parked_events)"), 0)
        self.until_over("DittoParkedRising")

    def events_differ(self):
        world = self.world
        with self.trouble("DittoEventsDiffer"):
            # What is there already is compared when an append that goes beyond it is refused. A last event that travels
            # alone would be appended without that, hence several streams.
            for number in range(5):
                stream, ids = f"customer-differs-{number}", [str(uuid.uuid4()) for _ in range(50)]
                world.write(world.destination, stream, ids=ids[:-1])
                world.write(world.source, stream, ids=ids)

    def metadata_differs(self):
        world = self.world
        with self.trouble("DittoMetadataConflict"):
            world.write_metadata(world.destination, "order-limited", {"$maxCount": 3})
            world.write(world.source, "order-limited")
            world.write_metadata(world.source, "order-limited", {"$maxCount": 5})

    def nothing_is_delivered(self):
        with self.trouble("DittoStandsStill"):
            self.world.post(self.world.source, "/devstore/faults", {"fault": "push_nothing", "stream": "$ce-customer"})
        self.world.delete(self.world.source, "/devstore/faults")
        self.until_over("DittoStandsStill")

    def a_configuration_is_refused(self, daemon):
        with self.trouble("DittoReloadRefused"):
            self.configure(daemon, self.world.config("a") + "[nonsense]\n")
        self.configure(daemon, self.world.config("a"))
        self.until_over("DittoReloadRefused")

    def lines_are_lost(self, daemon):
        with self.trouble("DittoLogLinesLost"):
            self.receiver.answer = 400
            self.configure(daemon, self.world.config("a"))
        self.receiver.answer = 200

    def the_standby_goes_away(self):
        with self.trouble("DittoStandbyMissing"):
            with ditto(self.world.config("b")):
                self.prometheus.scrape([self.world.address(one) for one in "ab"])
                self.until(lambda: self.value('sum(ditto_subscription_state{state="standby"})') == 2,
                           "somebody stands by for the subscription and the mirror")
                self.assertNotIn("DittoStandbyMissing", self.firing())
                self.prometheus.scrape([self.world.address("a")])

    def it_starts_again_and_again(self):
        self.first.setdefault("DittoDown", time.time())
        with self.trouble("DittoRestarting"):
            starts = [self.value("max(ditto_start_time_seconds)")]
            for _ in range(3):
                with ditto(self.world.config("a")):
                    self.until(lambda: self.value("max(ditto_start_time_seconds)") not in (*starts, None), "a new start")
                    starts.append(self.value("max(ditto_start_time_seconds)"))
        query = dict(panels())["Starts of ditto"][0]
        self.assertTrue(self.prometheus.query(query), "the starts are marked")

    def none_fired_before_its_time(self):
        self.until(lambda: set(self.prometheus.fired(self.began)) == alerts(), "each alert was seen to fire")
        fired = self.prometheus.fired(self.began)
        self.first["DittoCertificateExpiring"] = self.began
        early = {name for name, at in fired.items() if at < self.first[name] - 1}
        self.assertEqual(early, set(), "and none before its trouble")
        sides = self.prometheus.sides_of("DittoCertificateExpiring", self.began)
        self.assertEqual(sides, {"destination"}, "the source's certificate is good for long")


if __name__ == "__main__":
    unittest.main()
