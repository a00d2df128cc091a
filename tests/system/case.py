"""What all tests on booted machines share: machines with ditto installed, servers, and questions to ditto.

The variables DITTO_DEB, DEVSTORE, SUITE and FOLDER come from `run`. Never keeps anything between two test classes but the
file systems.
"""

import atexit
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import unittest

import image
import store
from machine import Machine, wait_until
from network import join

FOLDER = pathlib.Path(os.environ["FOLDER"])
SUITE = os.environ["SUITE"]
DEB = os.environ["DITTO_DEB"]
SOURCE, DESTINATION, HTTP = 2113, 4113, 5000
# For something that ditto does by itself, seconds: a deadline, on a machine that has other things to do too.
SOON = 60
COPIED = 180


# Like the key that interrupts: what was started is ended.
signal.signal(signal.SIGTERM, signal.default_int_handler)


class MachineTest(unittest.TestCase):
    """Machines, networks and servers that end with the test class."""

    def __init_subclass__(cls):
        cls.machines = []

    def run(self, result=None):
        """A failure is explained by what the journals of the machines say."""
        before = _problems(result)
        super().run(result)
        if _problems(result) > before:
            for machine in self.machines:
                print(f"--- {self.id()}: the end of ditto's journal on {machine.name}\n{machine.last_words()}", file=sys.stderr)

    @classmethod
    def base_machine(cls, name="one", extra=()):
        """Without ditto."""
        return cls._boot(name, [image.base(FOLDER / "images", SUITE, extra)])

    @classmethod
    def machine(cls, name="one"):
        """With ditto installed, as it is then: running and idle."""
        return cls._boot(name, [_installed(), image.base(FOLDER / "images", SUITE)])

    @classmethod
    def _boot(cls, name, layers):
        machine = Machine(_unique(name), layers, FOLDER / "machines" / SUITE)
        cls._close_in_the_end(machine)
        cls.machines.append(machine)
        return machine.boot()

    @classmethod
    def stores(cls, network, second=None, host="127.0.0.1", other_host="127.0.0.1"):
        """A source and a destination; the second one in another network if there is one."""
        source = store.Store(network, SOURCE, host)
        cls._close_in_the_end(source)
        destination = store.Store(second or network, DESTINATION, other_host)
        cls._close_in_the_end(destination)
        return source, destination

    @classmethod
    def _close_in_the_end(cls, started):
        cls.addClassCleanup(started.close)
        # A run that is interrupted skips the clean-up of its classes.
        atexit.register(started.close)

    @classmethod
    def join(cls, one, other):
        join(one.network, other.network)

    def load(self, source, category, **options):
        load = store.Load(source, category, **options)
        self.addCleanup(load.close)
        return load

    def assert_copied(self, source, destination, streams):
        """Soon everything is the same; what differs says the failure."""
        last = []

        def same():
            last[:] = [store.difference(source, destination, streams)]
            return not last[0]

        try:
            wait_until(same, COPIED, "everything is copied")
        except AssertionError:
            self.fail(f"not copied within {COPIED} s: {last[0]}")


def configuration(*categories, source=f"127.0.0.1:{SOURCE}", destination=f"127.0.0.1:{DESTINATION}", more=""):
    """Text of a ditto.toml that copies these categories."""
    text = f"""
[source]
connection_string = "esdb://{source}?tls=false"

[destination]
connection_string = "esdb://{destination}?tls=false"
"""
    for category in categories:
        text += f"""
[[subscription]]
stream = "$ce-{category}"
group = "ditto-{category}"
"""
    return f"{text}\n{more}\n"


def configure(machine, *categories, **options):
    """Gives ditto.service its configuration and restarts it."""
    machine.write("/etc/ditto/ditto.toml", configuration(*categories, **options))
    machine.run("systemctl", "restart", "ditto")


def drop_in(machine, text, unit="ditto.service"):
    """What `systemctl edit` would write."""
    machine.write(f"/etc/systemd/system/{unit}.d/override.conf", text)
    machine.run("systemctl", "daemon-reload")


def status(machine, port=HTTP):
    """The daemon's whole state, or None if it does not answer."""
    try:
        code, body = machine.network.get(port, "/status", timeout=5)
    except OSError:
        return None
    return json.loads(body) if code == 200 else None


def subscription(machine, category, port=HTTP):
    """The state of one subscription, or None."""
    report = status(machine, port) or {"subscriptions": []}
    return next((one for one in report["subscriptions"] if one["stream"] == f"$ce-{category}"), None)


def copied(machine, category):
    """Events that a subscription has copied since its start; 0 where nobody answers."""
    return (subscription(machine, category) or {"copied": 0})["copied"]


def in_state(machine, category, *states):
    found = subscription(machine, category)
    return found is not None and found["state"] in states


def metric(machine, name, port=HTTP, **labels):
    """The sum of a metric's series that have these labels, or None if there is none."""
    values = []
    for line in machine.network.get(port, "/metrics")[1].splitlines():
        found = re.fullmatch(rf"{name}(?:\{{(.*)\}})? (\S+)", line)
        if found:
            has = dict(re.findall(r'(\w+)="([^"]*)"', found[1] or ""))
            if labels.items() <= has.items():
                values.append(float(found[2]))
    return sum(values) if values else None


def entries(machine, *arguments):
    """Lines of the journal of ditto, with their fields."""
    output = machine.run("journalctl", "--unit", "ditto", "--output", "json", "--all", "--no-pager", *arguments)
    return [json.loads(line) for line in output.splitlines()]


def _problems(result):
    return len(result.errors) + len(result.failures)


_taken = set()


def _unique(name):
    """Short, for names of network devices; unique among all tests that run on this machine at the same time."""
    name = f"d{os.getpid()}{name}"
    while name in _taken:
        name += "x"
    _taken.add(name)
    return name


def _installed():
    """The layer that installing the package adds; made once in a run."""
    layer = FOLDER / "machines" / f"{SUITE}-installed"
    if layer.exists():
        return layer
    machine = Machine(_unique("base"), [image.base(FOLDER / "images", SUITE)], FOLDER / "machines" / SUITE)
    try:
        machine.boot()
        machine.put(DEB, "/root/ditto.deb")
        machine.run("apt-get", "install", "--yes", "--quiet", "/root/ditto.deb")
        machine.shut_down()
        for journal in machine.path("/var/log/journal").iterdir():
            shutil.rmtree(journal)
        # Each machine that is made of it gets an identity of its own.
        machine.write("/etc/machine-id", "")
        # With the marks by which the file system notes what is deleted.
        subprocess.run(["cp", "--archive", machine.folder / "upper", layer], check=True)
    finally:
        machine.close()
    return layer
