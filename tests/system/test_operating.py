"""docs/operating.md, command by command: whoever follows the page has a running copy, and comes back from a fail over.

The commands are taken from the page's blocks marked `sh`, in their order. Never leaves one out, and changes nothing in them
but the names of the servers.
"""

import pathlib
import re
import unittest

import store
from case import DEB, DESTINATION, SOURCE, MachineTest

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs/operating.md"
# A command that waits for a copy has its own time limit in the page; this one is for a command that hangs.
BLOCK = 900
# What the page says its reader has to replace. The servers here have no TLS.
OURS = {
    "source.example.net:2113": f"127.0.0.1:{SOURCE}?tls=false",
    "destination.example.net:2113": f"127.0.0.1:{DESTINATION}?tls=false",
}
CATEGORIES = ("customer", "order")


def blocks():
    """Heading and commands of each block that is to be tried."""
    heading = None
    for found in re.finditer(r"^## ([^\n]*)$|^```(\w*)\n(.*?)^```$", PAGE.read_text(encoding="utf-8"),
                             re.DOTALL | re.MULTILINE):
        title, language, commands = found.groups()
        if title:
            heading = title
        elif language == "sh":
            for name, ours in OURS.items():
                commands = commands.replace(name, ours)
            yield heading, commands


class Operating(MachineTest):
    @classmethod
    def setUpClass(cls):
        cls.one = cls.base_machine()
        cls.one.put(DEB, f"/root/{pathlib.Path(DEB).name}")
        cls.source = cls.server(SOURCE, "SOURCE-PASSWORD")
        cls.destination = cls.server(DESTINATION, "DESTINATION-PASSWORD")
        for category in CATEGORIES:
            for number in range(20):
                cls.source.write(f"{category}-{number}", 25)

    @classmethod
    def server(cls, port, password):
        """One with access control, so that a wrong password is not overlooked."""
        server = store.Store(cls.one.network, port, options=["--user", f"replicator:{password}:$admins"])
        cls.addClassCleanup(server.close)
        return server

    def test_the_page_leads_to_a_copy_and_back_from_a_fail_over(self):
        tried = []
        for heading, commands in blocks():
            if heading == "Fail back" and "Fail back" not in tried:
                self.write_at_the_destination()
            script = f"set -euo pipefail; cd /root\n{commands}"
            done = self.one.run("bash", "-c", script, check=False, timeout=BLOCK)
            if done.returncode != 0:
                state = self.one.run("ditto", "status", check=False).stdout
                self.fail(f"{heading}: {commands}gave {done.returncode}:\n{done.stdout}\n{state}")
            tried.append(heading)
        expected = ["Install", "Configure", "Start", "Watch", "Prove that it is a copy", "Change the configuration", "Upgrade",
                    "Fail over", "Fail back"]
        self.assertEqual(list(dict.fromkeys(tried)), expected)
        # The page ends with a comparison that finds nothing; here is another one, by somebody else.
        self.assertEqual(commands.splitlines()[-1], "ditto verify --strict")
        for category in CATEGORIES:
            streams = [f"{category}-{number}" for number in range(22)]
            self.assertEqual(store.difference(self.source, self.destination, streams), "")
            self.assertEqual(len(self.source.read(f"{category}-3")), 30)
        self.assertEqual(self.one.show("ActiveState", "UnitFileState"), ["active", "enabled"])

    def write_at_the_destination(self):
        """What applications do there after the fail over: more of the same streams, and new ones."""
        for category in CATEGORIES:
            for number in (3, 7, 20, 21):
                self.destination.write(f"{category}-{number}", 5)


if __name__ == "__main__":
    unittest.main()
