"""The daily work of the service: copying, reloading, being looked at."""

import time
import unittest

from case import HTTP, SOON, MachineTest, configuration, configure, drop_in, entries, in_state, metric, subscription
from machine import wait_until


class Copying(MachineTest):
    @classmethod
    def setUpClass(cls):
        cls.one = cls.machine()
        cls.source, cls.destination = cls.stores(cls.one.network)
        for number in range(10):
            cls.source.write(f"customer-{number}", 30)
        cls.streams = [f"customer-{number}" for number in range(10)]
        configure(cls.one, "customer", more='[log]\nlevel = "info,ditto=debug"')

    def test_events_are_copied_as_they_are(self):
        self.assert_copied(self.source, self.destination, self.streams)
        self.assertEqual(len(self.destination.read("customer-3")), 30)
        wait_until(lambda: "1 subscription running" in self.one.show("StatusText"), SOON, "STATUS says so")
        self.assertEqual(self.one.network.get(HTTP, "/readyz")[0], 200)

    def test_metrics_count_them_and_know_when_the_process_started(self):
        self.assert_copied(self.source, self.destination, self.streams)
        written = lambda: metric(self.one, "ditto_events_processed_total", stream="$ce-customer") == 300
        wait_until(written, SOON, "300 events are counted")
        started = metric(self.one, "ditto_start_time_seconds")
        self.assertLess(abs(time.time() - started), 3600)
        self.assertGreater(metric(self.one, "process_resident_memory_bytes"), 1_000_000)
        self.assertEqual(metric(self.one, "ditto_subscription_state", state="running"), 1)

    def test_the_journal_has_fields_that_can_be_asked_for(self):
        self.assert_copied(self.source, self.destination, self.streams)
        of_subscription = lambda: entries(self.one, "DITTO_STREAM=$ce-customer", "DITTO_GROUP=ditto-customer")
        lines = wait_until(of_subscription, SOON, "the journal has lines of the subscription")
        uid = self.one.run("id", "-u", "ditto").strip()
        self.assertEqual({line["_UID"] for line in lines}, {uid})
        self.assertEqual({line["SYSLOG_IDENTIFIER"] for line in lines}, {"ditto"})
        # What is below information is hidden from `-p info`.
        self.assertIn("7", {line["PRIORITY"] for line in lines})
        self.assertNotIn("7", {line["PRIORITY"] for line in entries(self.one, "-p", "info")})
        started = entries(self.one, "MESSAGE_ID=5d7f0a3c0c0b4c0f9c8a1b8f4f6a2e01")
        self.assertEqual(started[-1]["DITTO_SUBSCRIPTIONS"], "1")
        # The place that logged the line, not the one that wrote it.
        self.assertEqual(started[-1]["CODE_FILE"], "src/cli/run.rs")
        self.assertEqual(started[-1]["DITTO_TARGET"], "ditto::cli::run")
        copied = [line["MESSAGE"] for line in lines if line["MESSAGE"].startswith("Replicating ")]
        self.assertRegex("\n".join(copied), r"Replicating customer_renamed #0 from customer-0 \(Original Event: #\d+\)")


class Reloading(MachineTest):
    @classmethod
    def setUpClass(cls):
        cls.one = cls.machine()
        cls.source, cls.destination = cls.stores(cls.one.network)

    def test_an_added_subscription_does_not_disturb_the_running_one(self):
        one = self.one
        configure(one, "customer")
        load = self.load(self.source, "customer")
        wait_until(lambda: in_state(one, "customer", "running"), SOON, "customers are copied")
        load.wait_for(500)
        before = self._undisturbed()
        self.source.write("order-1", 10)
        one.write("/etc/ditto/ditto.toml", configuration("customer", "order"))
        one.run("systemctl", "reload", "ditto")
        self.assert_copied(self.source, self.destination, ["order-1"])
        load.wait_for(500)
        load.close()
        self.assert_copied(self.source, self.destination, load.streams)
        self.assertEqual(self._undisturbed(), before)

        with self.subTest("removed again"):
            one.write("/etc/ditto/ditto.toml", configuration("customer"))
            one.run("systemctl", "reload", "ditto")
            wait_until(lambda: subscription(one, "order") is None, SOON, "orders are gone")
            self.assertEqual(self._undisturbed(), before)

        for name, broken in (
            ("not TOML", "[source\n"),
            ("an unknown key", configuration("customer", more='[daemon]\nnonsense = 1')),
            ("no source", '[destination]\nconnection_string = "esdb://127.0.0.1:4113?tls=false"\n'),
        ):
            with self.subTest(name):
                one.write("/etc/ditto/ditto.toml", broken)
                one.fails("systemctl", "reload", "ditto")
                self.assertEqual(one.show("ActiveState"), "active")
                self.assertEqual(self._undisturbed(), before)

        with self.subTest("the signal itself"):
            one.run("systemctl", "kill", "--signal=HUP", "--kill-whom=main", "ditto")
            refused = lambda: metric(one, "ditto_reloads_total", result="refused")
            wait_until(refused, SOON, "the reload is refused")
            self.assertTrue(entries(one, "MESSAGE_ID=5d7f0a3c0c0b4c0f9c8a1b8f4f6a2e04"))
            wait_until(lambda: "reload" in one.show("StatusText"), SOON, "STATUS says so")
            self.assertEqual(self._undisturbed(), before)

        with self.subTest("what needs a restart is refused by name"):
            one.write("/etc/ditto/ditto.toml", configuration("customer", more='[http]\nlisten = "127.0.0.1:5009"'))
            one.fails("systemctl", "reload", "ditto")
            named = lambda: "[http]" in one.journal("--unit", "ditto", "-p", "err")
            wait_until(named, SOON, "the section is named")
            self.assertEqual(self._undisturbed(), before)

        self.source.write("customer-0", 5)
        self.assert_copied(self.source, self.destination, load.streams)

    def _undisturbed(self):
        """What a restart of the process, of the subscription or of its connections would change."""
        found = subscription(self.one, "customer")
        # A state that began later has lasted shorter.
        began = round((time.time() - found["state_seconds"]) / 5)
        self._began = getattr(self, "_began", began)
        reconnects = metric(self.one, "ditto_reconnects_total", stream="$ce-customer")
        return (self.one.show("MainPID"), found["state"], found["restarts"], reconnects, abs(began - self._began) <= 1)


class SocketActivation(MachineTest):
    def test_no_scrape_is_refused_while_ditto_restarts(self):
        one = self.machine()
        one.run("systemctl", "stop", "ditto")
        one.run("systemctl", "enable", "--now", "ditto.socket")
        self.assertEqual(one.show("ActiveState"), "inactive")
        # The first request starts it.
        self.assertEqual(one.network.get(HTTP, "/metrics", timeout=SOON)[0], 200)
        self.assertEqual(one.show("ActiveState"), "active")
        for _ in range(3):
            before = one.show("MainPID")
            one.run("systemctl", "restart", "--no-block", "ditto")
            # Asked all the time until it is another process; a refused connection raises.
            wait_until(lambda: self._answers(one) not in (before, "0"), SOON, "ditto has restarted")

    def test_every_address_of_the_socket_is_answered(self):
        one = self.machine("two")
        one.run("systemctl", "stop", "ditto")
        drop_in(one, "[Socket]\nListenStream=127.0.0.1:5005\n", unit="ditto.socket")
        one.run("systemctl", "enable", "--now", "ditto.socket")
        for port in (HTTP, 5005):
            self.assertEqual(one.network.get(port, "/healthz", timeout=SOON)[0], 200, port)

    def test_a_broken_configuration_is_tried_once_a_request(self):
        one = self.machine("three")
        one.run("systemctl", "stop", "ditto")
        one.run("systemctl", "enable", "--now", "ditto.socket")
        one.write("/etc/ditto/ditto.toml", "[source\n")
        for _ in range(3):
            code, text = one.network.get(HTTP, "/metrics", timeout=SOON)
            self.assertEqual(code, 503)
            self.assertIn("ditto check", text)
        wait_until(lambda: one.show("ActiveState") == "failed", SOON, "the last start has failed")
        self.assertEqual(one.show("ActiveState", "SubState", unit="ditto.socket"), ["active", "listening"])
        starts = [entry for entry in entries(one) if "ditto is starting" in str(entry["MESSAGE"])]
        # The one of the installation is not told apart.
        self.assertLessEqual(len(starts), 4)
        one.write("/etc/ditto/ditto.toml", configuration())
        self.assertEqual(one.network.get(HTTP, "/metrics", timeout=SOON)[0], 200)

    def _answers(self, machine):
        """The process after some requests, each of which was answered."""
        for _ in range(10):
            self.assertEqual(machine.network.get(HTTP, "/metrics", timeout=SOON)[0], 200)
        return machine.show("MainPID")


if __name__ == "__main__":
    unittest.main()
