"""Installing, upgrading, removing and purging the package."""

import pathlib
import subprocess
import tempfile
import unittest

from case import DEB, SOON, MachineTest, configuration, status
from machine import wait_until


class Installing(MachineTest):
    """From a machine without ditto to one without ditto; one test after the other, hence their names."""

    @classmethod
    def setUpClass(cls):
        cls.one = cls.base_machine()

    def test_1_the_first_start_is_active_and_idle(self):
        one = self.one
        with tempfile.TemporaryDirectory() as folder:
            one.put(previous_build(folder), "/root/ditto.deb")
        one.run("apt-get", "install", "--yes", "--quiet", "/root/ditto.deb")
        # apt reports success also if the service failed.
        self.assertEqual(one.show("ActiveState", "SubState", "NRestarts"), ["active", "running", "0"])
        self.assertEqual(one.show("UnitFileState"), "enabled")
        self.assertIn("no subscriptions", one.show("StatusText"))
        self.assertIn("no subscriptions", one.run("systemctl", "status", "ditto"))
        self.assertEqual(one.network.get(5000, "/readyz")[0], 200)
        self.assertEqual(one.run("systemctl", "is-enabled", "ditto.socket", check=False).stdout.strip(), "disabled")

    def test_2_the_configuration_is_for_root_and_ditto_alone(self):
        modes = self.one.run("stat", "--format", "%n %U:%G %a", "/etc/ditto", "/etc/ditto/ditto.toml")
        self.assertEqual(modes, "/etc/ditto root:ditto 750\n/etc/ditto/ditto.toml root:ditto 640\n")
        passwd = self.one.run("getent", "passwd", "ditto").strip().split(":")
        self.assertEqual(passwd[5:], ["/", "/usr/sbin/nologin"])

    def test_3_an_upgrade_keeps_edited_files_and_restarts_what_runs(self):
        one = self.one
        edited = one.read("/etc/ditto/ditto.toml") + "# edited\n"
        one.write("/etc/ditto/ditto.toml", edited)
        second = configuration(more='[http]\nlisten = "127.0.0.1:5001"')
        one.write("/etc/ditto/second.toml", second)
        one.run("systemctl", "start", "ditto@second")
        before = [one.show("MainPID", unit=unit) for unit in ("ditto", "ditto@second")]
        one.put(DEB, "/root/ditto.deb")
        one.run("apt-get", "install", "--yes", "--quiet", "-o", "Dpkg::Options::=--force-confdef",
                "-o", "Dpkg::Options::=--force-confold", "/root/ditto.deb")
        self.assertEqual(one.read("/etc/ditto/ditto.toml"), edited)
        self.assertTrue(one.path("/etc/ditto/ditto.toml.dpkg-dist").exists())
        for unit, pid in zip(("ditto", "ditto@second"), before):
            self.assertEqual(one.show("ActiveState", unit=unit), "active", unit)
            self.assertNotEqual(one.show("MainPID", unit=unit), pid, unit)
        self.assertEqual(one.run("stat", "--format", "%U:%G %a", "/etc/ditto/ditto.toml"), "root:ditto 640\n")

    def test_4_an_upgrade_lets_a_stopped_one_stay_stopped(self):
        one = self.one
        one.run("systemctl", "disable", "--now", "ditto", "ditto@second")
        one.run("apt-get", "install", "--yes", "--quiet", "--reinstall", "/root/ditto.deb")
        for unit in ("ditto", "ditto@second"):
            self.assertEqual(one.show("ActiveState", unit=unit), "inactive", unit)
        one.run("systemctl", "enable", "--now", "ditto", "ditto@second")

    def test_4a_an_upgrade_leaves_the_socket_listening(self):
        one = self.one
        one.run("systemctl", "stop", "ditto")
        one.run("systemctl", "enable", "--now", "ditto.socket")
        one.run("systemctl", "start", "ditto")
        one.run("apt-get", "install", "--yes", "--quiet", "--reinstall", "/root/ditto.deb")
        for unit in ("ditto.socket", "ditto.service"):
            self.assertEqual(one.show("ActiveState", "SubState", unit=unit), ["active", "running"], unit)
        self.assertEqual(one.network.get(5000, "/readyz", timeout=SOON)[0], 200)

    def test_5_what_was_removed_keeps_its_configuration(self):
        one = self.one
        one.run("apt-get", "remove", "--yes", "--quiet", "ditto")
        self.assertNotEqual(one.show("ActiveState", unit="ditto.socket"), "active")
        with self.assertRaises(OSError):
            one.network.get(5000, "/readyz", timeout=5)
        self.assertNotIn("ditto", one.run("sh", "-c", "cat /proc/[0-9]*/comm").split())
        self.assertTrue(one.path("/etc/ditto/ditto.toml").exists())
        self.assertFalse(one.path("/usr/bin/ditto").exists())

    def test_6_a_purge_leaves_nothing(self):
        one = self.one
        one.write("/etc/default/ditto-second", "RUST_LOG=info\n")
        one.run("apt-get", "purge", "--yes", "--quiet", "ditto")
        left = one.run("find", "/", "-xdev", "-name", "*ditto*", "-not", "-path", "/proc/*", "-not", "-path", "/sys/*",
                       "-not", "-path", "/root/*", "-not", "-path", "/run/*")
        self.assertEqual(left, "")
        # The name of a unit may stay in systemd's memory for a while, as "not-found".
        for question in ("list-unit-files", "list-units"):
            # Finding none is a failure to some versions.
            self.assertEqual(one.run("systemctl", question, "--no-legend", "ditto*", check=False).stdout.strip(), "")


class Contents(MachineTest):
    @classmethod
    def setUpClass(cls):
        cls.one = cls.machine()

    def test_the_units_are_right_and_sandboxed(self):
        for unit in ("ditto.service", "ditto@second.service", "ditto.socket"):
            self.assertEqual(self.one.run("systemd-analyze", "verify", "--man=no", unit), "", unit)
        # Tenths: 1.5 at most.
        self.one.run("systemd-analyze", "security", "--no-pager", "--threshold=15", "ditto.service")
        self.assertEqual(
            self.one.show("WatchdogUSec", "Restart", "RestartUSec", "StartLimitIntervalUSec", "RestartPreventExitStatus"),
            ["1min", "on-failure", "5s", "0", "64 78"],
        )

    def test_manual_pages_completions_and_catalogue_are_there(self):
        one = self.one
        for page in ("man8/ditto.8.gz", "man5/ditto.toml.5.gz"):
            self.assertIn(".SH NAME", one.run("zcat", f"/usr/share/man/{page}"))
        for command in ("run", "check", "status", "completions"):
            self.assertRegex(one.run("zcat", "/usr/share/man/man8/ditto.8.gz"), rf"(?m)^\.SS .*ditto {command}")
        completions = "/usr/share/bash-completion/completions/ditto"
        completed = one.run("bash", "-c", f'. {completions}; COMP_WORDS=(ditto ch); COMP_CWORD=1; _ditto ditto ch ditto; '
                            'echo "${COMPREPLY[@]}"')
        self.assertEqual(completed, "check\n")
        for file in ("/usr/share/zsh/vendor-completions/_ditto", "/usr/share/fish/vendor_completions.d/ditto.fish",
                     "/usr/share/ditto/monitoring/alerts.yaml", "/usr/share/ditto/monitoring/dashboard.json",
                     "/usr/share/doc/ditto/README.md.gz", "/usr/share/doc/ditto/CHANGELOG.md.gz"):
            self.assertTrue(one.path(file).exists() or one.path(file.removesuffix(".gz")).exists(), file)
        explained = one.run("journalctl", "--catalog", "--unit", "ditto", "--no-pager")
        self.assertIn("ditto has read its configuration and begins to copy.", explained)

    def test_the_service_cannot_read_or_write_what_it_should_not(self):
        one = self.one
        self.assertIn("Permission denied", one.fails("setpriv", "--reuid=ditto", "--regid=ditto", "--clear-groups",
                                                     "cat", "/etc/shadow"))
        one.write("/home/somebody/secret", "x")
        seen = f"/proc/{one.show('MainPID')}/root"
        # Through the daemon's own view of the file system, even as root.
        self.assertEqual(one.run("sh", "-c", f"ls -A {seen}/home {seen}/root | grep -v :$ || true").strip(), "")
        self.assertIn("Read-only file system", one.fails("touch", f"{seen}/etc/ditto/written"))
        self.assertIn("Read-only file system", one.fails("touch", f"{seen}/var/lib/written"))
        state = _process_status(one)
        self.assertEqual((state["CapEff"].strip("0"), state["NoNewPrivs"], state["Seccomp"]), ("", "1", "2"))

    def test_processes_that_are_not_ditto_cannot_read_the_configuration(self):
        denied = self.one.fails("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups",
                                "cat", "/etc/ditto/ditto.toml")
        self.assertIn("Permission denied", denied)


class BrokenConfiguration(MachineTest):
    def test_a_start_fails_with_78_and_is_not_tried_again(self):
        one = self.machine()
        one.write("/etc/ditto/ditto.toml", configuration("a", more="[daemon]\nshutdown_timout = '1s'"))
        one.fails("systemctl", "restart", "ditto")
        self.assertEqual(one.show("ActiveState", "SubState", "Result", "ExecMainStatus", "NRestarts"),
                         ["failed", "failed", "exit-code", "78", "0"])
        one.wait_for_words(r"ditto\.toml.*daemon\.shutdown_timout.*shutdown_timeout")
        # Repaired, it starts again without `systemctl reset-failed`.
        one.write("/etc/ditto/ditto.toml", configuration())
        one.run("systemctl", "start", "ditto")
        wait_until(lambda: status(one), SOON, "ditto answers")


class Instances(MachineTest):
    @classmethod
    def setUpClass(cls):
        cls.one = cls.machine()

    def test_a_second_one_has_its_own_file_variables_and_port(self):
        one = self.one
        one.write("/etc/ditto/second.toml", configuration())
        one.write("/etc/default/ditto-second", "DITTO__HTTP__LISTEN=127.0.0.1:5001\n")
        one.run("systemctl", "start", "ditto@second")
        self.assertEqual(status(one, 5001)["file"], "/etc/ditto/second.toml")
        self.assertEqual(status(one)["file"], "/etc/ditto/ditto.toml")

    def test_a_port_that_is_taken_names_the_key(self):
        one = self.one
        one.write("/etc/ditto/third.toml", configuration())
        one.fails("systemctl", "start", "ditto@third")
        one.wait_for_words(r"127\.0\.0\.1:5000[^\n]*(\[http\] listen|http\.listen)|http\.listen[^\n]*127\.0\.0\.1:5000")
        one.run("systemctl", "stop", "ditto@third")


def _process_status(machine):
    text = machine.run("cat", f"/proc/{machine.show('MainPID')}/status")
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


def previous_build(folder):
    """The package as an older version with another default configuration: what there is to upgrade from."""
    tree = pathlib.Path(folder) / "tree"
    subprocess.run(["dpkg-deb", "--raw-extract", DEB, tree], check=True)
    control = tree / "DEBIAN/control"
    version = next(line for line in control.read_text().splitlines() if line.startswith("Version: "))
    control.write_text(control.read_text().replace(version, f"{version}~previous"))
    shipped = tree / "etc/ditto/ditto.toml"
    shipped.write_text(shipped.read_text() + "# of the previous version\n")
    file = pathlib.Path(folder) / "previous.deb"
    subprocess.run(["dpkg-deb", "-Znone", "--root-owner-group", "--build", tree, file], check=True, stdout=subprocess.DEVNULL)
    return file


if __name__ == "__main__":
    unittest.main()
