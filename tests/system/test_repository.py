"""An apt repository made by packaging/publish-apt.sh: installing from it and upgrading through it."""

import os
import pathlib
import subprocess
import tempfile
import unittest

from case import DEB, FOLDER, MachineTest
from test_install import previous_build

PUBLISH = pathlib.Path(__file__).resolve().parents[2] / "packaging/publish-apt.sh"
OWNER = "ditto@packages.example"
SOURCE = """Types: deb
URIs: file:/srv/apt
Suites: stable
Components: main
Signed-By: /etc/apt/keyrings/ditto.asc
"""


class Repository(MachineTest):
    @classmethod
    def setUpClass(cls):
        cls.one = cls.base_machine()
        folder = tempfile.TemporaryDirectory(dir=FOLDER)
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        # A short path: gpg's agent puts its socket there.
        home = tempfile.TemporaryDirectory(prefix="gpg")
        cls.addClassCleanup(home.cleanup)
        cls.environment = {**os.environ, "GNUPGHOME": home.name}
        cls.addClassCleanup(cls.gpg, "gpgconf", "--kill", "all")
        cls.gpg("gpg", "--batch", "--quiet", "--passphrase", "", "--quick-generate-key", OWNER, "ed25519", "sign", "never")

    @classmethod
    def gpg(cls, *command):
        subprocess.run(command, check=True, env=cls.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def publish(self, package):
        return subprocess.run([PUBLISH, self.folder / "apt", OWNER, package], env=self.environment,
                              capture_output=True, text=True)

    def test_install_and_upgrade_through_it(self):
        one = self.one
        previous = previous_build(self.folder)
        self.assertEqual(self.publish(previous).returncode, 0)
        self._serve()
        one.put(self.folder / "apt/ditto-archive-keyring.asc", "/etc/apt/keyrings/ditto.asc")
        one.write("/etc/apt/sources.list.d/ditto.sources", SOURCE)
        one.run("apt-get", "update", "--quiet", "-o", "Dir::Etc::SourceList=/dev/null")
        one.run("apt-get", "install", "--yes", "--quiet", "ditto")
        self.assertEqual(one.show("ActiveState"), "active")
        old, pid = self._version(), one.show("MainPID")

        done = self.publish(pathlib.Path(DEB))
        self.assertEqual(done.returncode, 0, done.stderr)
        self._serve()
        one.run("apt-get", "update", "--quiet", "-o", "Dir::Etc::SourceList=/dev/null")
        one.run("apt-get", "upgrade", "--yes", "--quiet", "-o", "Dpkg::Options::=--force-confdef",
                "-o", "Dpkg::Options::=--force-confold")
        self.assertNotEqual(self._version(), old)
        self.assertEqual(one.show("ActiveState"), "active")
        self.assertNotEqual(one.show("MainPID"), pid)

        with self.subTest("a version is published once"):
            other = self.folder / "other.deb"
            other.write_bytes(pathlib.Path(DEB).read_bytes() + b"\n")
            self.assertNotEqual(self.publish(other).returncode, 0)

        with self.subTest("a repository that was changed after signing is refused"):
            packages = one.path("/srv/apt/dists/stable/main/binary-amd64/Packages")
            packages.write_text(packages.read_text().replace("ditto", "dItto", 1))
            packages.with_suffix(".gz").unlink()
            # Else apt takes its word for what it has already.
            one.run("sh", "-c", "rm -rf /var/lib/apt/lists/*")
            one.fails("apt-get", "update", "--quiet", "--error-on=any", "-o", "Dir::Etc::SourceList=/dev/null")

    def _serve(self):
        subprocess.run(["rm", "-rf", self.one.path("/srv/apt")], check=True)
        subprocess.run(["cp", "-r", self.folder / "apt", self.one.path("/srv/apt")], check=True)

    def _version(self):
        return self.one.run("dpkg-query", "--show", "--showformat", "${Version}", "ditto")


if __name__ == "__main__":
    unittest.main()
