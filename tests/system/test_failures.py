"""What goes wrong on real machines: hangs, kills, reboots, cut networks, a journal that stalls. Nothing is lost."""

import time
import unittest

from case import (COPIED, DESTINATION, HTTP, SOON, SOURCE, MachineTest, configuration, configure, copied, drop_in,
                  entries, in_state, metric, status)
from machine import wait_until


class Interruptions(MachineTest):
    """In the middle of a load; after each, both sides are the same."""

    @classmethod
    def setUpClass(cls):
        cls.one = cls.machine()
        cls.source, cls.destination = cls.stores(cls.one.network)

    def interrupted(self, category, interrupt):
        configure(self.one, category)
        load = self.load(self.source, category)
        wait_until(lambda: copied(self.one, category) > 0, SOON, "ditto copies")
        load.wait_for(500)
        interrupt(load)
        load.wait_for(500)
        load.close()
        self.assert_copied(self.source, self.destination, load.streams)

    def test_a_hang_is_ended_by_the_watchdog(self):
        # The unit's own minute is only waited for where it is looked at, in test_install.
        drop_in(self.one, "[Service]\nWatchdogSec=3s\n")
        self.addCleanup(drop_in, self.one, "")

        def interrupt(_):
            self.one.run("systemctl", "kill", "--signal=STOP", "--kill-whom=main", "ditto")
            wait_until(lambda: self.one.show("NRestarts") == "1", SOON, "the watchdog restarts it")
            self.assertIn("Watchdog timeout", self.one.journal("--unit", "ditto"))
            wait_until(lambda: self.one.show("ActiveState") == "active", SOON, "it is active again")

        self.interrupted("hang", interrupt)

    def test_a_stop_is_clean_and_within_its_limit(self):
        def interrupt(load):
            self.one.run("systemctl", "stop", "ditto")
            # Longer than the limit it would be "timeout".
            self.assertEqual(self.one.show("Result", "ExecMainStatus"), ["success", "0"])
            stopped = entries(self.one, "MESSAGE_ID=5d7f0a3c0c0b4c0f9c8a1b8f4f6a2e02")
            # It says otherwise when shutdown_timeout has cut it short.
            self.assertIn("everything in flight was finished", stopped[-1]["MESSAGE"])
            load.wait_for(500)
            self.one.run("systemctl", "start", "ditto")

        self.interrupted("stop", interrupt)

    def test_a_reboot(self):
        self.interrupted("reboot", lambda _: self.one.reboot())

    def test_a_kill(self):
        def interrupt(_):
            self.one.run("systemctl", "kill", "--signal=KILL", "--kill-whom=main", "ditto")
            wait_until(lambda: self.one.show("NRestarts") == "1", SOON, "systemd restarts it")

        self.interrupted("kill", interrupt)

    def test_the_plug_pulled(self):
        def interrupt(_):
            self.one.power_off()
            self.one.boot()

        self.interrupted("plug", interrupt)


class StalledJournal(MachineTest):
    """On a machine of its own: what comes after is thinned out by the journal's limit."""

    STALL = 30  # seconds

    def test_copying_goes_on_and_lost_lines_are_counted(self):
        one = self.machine()
        source, destination = self.stores(one.network)
        configure(one, "customer", more='[log]\nlevel = "debug"')
        # A debug log has a line for each event, with its type: long ones fill ditto's queue of lines sooner.
        load = self.load(source, "customer", event_type="customer_renamed_" + "x" * 4000)
        wait_until(lambda: copied(one, "customer") > 0, SOON, "ditto copies")
        self.assertEqual(metric(one, "ditto_log_lines_dropped_total"), 0)
        stalled = time.monotonic()
        self._journald(one, "STOP")
        try:
            dropped = lambda: metric(one, "ditto_log_lines_dropped_total")
            wait_until(dropped, COPIED, "lines are lost, and counted")
            # Also when the queue is full, and until the stall has lasted long enough.
            while True:
                before = copied(one, "customer")
                wait_until(lambda: copied(one, "customer") >= before + 200, COPIED, "copying goes on")
                if time.monotonic() >= stalled + self.STALL:
                    break
        finally:
            self._journald(one, "CONT")
        load.close()
        self.assert_copied(source, destination, load.streams)
        self.assertEqual(one.show("ActiveState", "NRestarts"), ["active", "0"])
        # And the log goes on too.
        one.write("/etc/ditto/ditto.toml", configuration("customer"))
        one.run("systemctl", "reload", "ditto")
        reloaded = lambda: entries(one, "MESSAGE_ID=5d7f0a3c0c0b4c0f9c8a1b8f4f6a2e03")
        wait_until(reloaded, SOON, "the journal has new lines")

    def _journald(self, machine, signal):
        machine.run("systemctl", "kill", f"--signal={signal}", "--kill-whom=main", "systemd-journald")


class Network(MachineTest):
    def test_a_cut_cable_and_a_mended_one(self):
        one, two = self.machine("one"), self.base_machine("two")
        self.join(one, two)
        source, destination = self.stores(one.network, two.network, "10.0.0.1", "10.0.0.2")
        configure(one, "customer", source=f"10.0.0.1:{SOURCE}", destination=f"10.0.0.2:{DESTINATION}")
        load = self.load(source, "customer")
        wait_until(lambda: in_state(one, "customer", "running"), SOON, "it runs")
        load.wait_for(500)
        two.network.cut(True)
        wait_until(lambda: in_state(one, "customer", "retrying"), SOON, "the cut is noticed")
        self.assertEqual(one.network.get(HTTP, "/readyz")[0], 503)
        wait_until(lambda: "retrying" in one.show("StatusText"), SOON, "STATUS says so")
        self.assertEqual(metric(one, "ditto_up", side="destination"), 0)
        load.wait_for(500)
        two.network.cut(False)
        wait_until(lambda: in_state(one, "customer", "running"), COPIED, "it runs again")
        load.close()
        self.assert_copied(source, destination, load.streams)
        self.assertEqual(one.show("NRestarts"), "0")


class Standby(MachineTest):
    def test_a_second_machine_takes_over(self):
        one, two = self.machine("one"), self.machine("two")
        self.join(one, two)
        # In the first machine's network, but not on the machine: they outlive it.
        source, destination = self.stores(one.network, None, "10.0.0.1", "10.0.0.1")
        addresses = {"source": f"10.0.0.1:{SOURCE}", "destination": f"10.0.0.1:{DESTINATION}"}
        configure(one, "customer", **addresses)
        load = self.load(source, "customer")
        wait_until(lambda: in_state(one, "customer", "running"), SOON, "the first one copies")
        configure(two, "customer", **addresses)
        wait_until(lambda: in_state(two, "customer", "standby"), SOON, "the second one stands by")
        self.assertEqual(two.network.get(HTTP, "/readyz")[0], 200)
        self.assertIn("standby", two.show("StatusText"))
        load.wait_for(500)
        one.power_off()
        wait_until(lambda: in_state(two, "customer", "running"), SOON, "the second one takes over")
        load.wait_for(500)
        load.close()
        self.assert_copied(source, destination, load.streams)

        with self.subTest("back again, the first one stands by"):
            one.boot()
            wait_until(lambda: in_state(one, "customer", "standby"), SOON, "it stands by")
            self.assertEqual(status(two)["subscriptions"][0]["state"], "running")


if __name__ == "__main__":
    unittest.main()
