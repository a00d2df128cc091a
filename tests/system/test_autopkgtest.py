"""The package's own tests, as Debian runs them: inside a machine, by autopkgtest."""

import pathlib
import subprocess
import unittest

from case import DEB, MachineTest

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Autopkgtest(MachineTest):
    def test_it_passes_in_a_booted_machine(self):
        # autopkgtest would install the other two itself, from a network that the machine does not have.
        one = self.base_machine(extra=("autopkgtest", "dpkg-dev"))
        one.put(DEB, "/root/ditto.deb")
        tree = one.path("/root/ditto")
        (tree / "debian").mkdir(parents=True)
        for part in ("changelog", "control", "copyright", "rules", "source", "tests"):
            subprocess.run(["cp", "-r", ROOT / "debian" / part, tree / "debian"], check=True)
        one.run("apt-get", "install", "--yes", "--quiet", "/root/ditto.deb")
        # That this is a whole machine, which trixie's does not believe.
        whole = "--ignore-restrictions=isolation-machine"
        done = one.run("autopkgtest", "--no-built-binaries", whole, "/root/ditto", "--", "null", check=False)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertRegex(done.stdout, r"(?m)^smoke +PASS")


if __name__ == "__main__":
    unittest.main()
