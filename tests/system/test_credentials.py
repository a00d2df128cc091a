"""Passwords that systemd hands over, as ditto(8) documents it."""

import unittest

from case import SOON, MachineTest, configuration, drop_in, status
from machine import wait_until

PASSWORD = "correct horse battery staple"
WITH_PASSWORD = configuration().replace(
    "\n\n[destination]", '\nuser = "replicator"\npassword_file = "source.password"\n\n[destination]'
)


class Credentials(MachineTest):
    @classmethod
    def setUpClass(cls):
        cls.one = cls.machine()
        cls.one.run("install", "-d", "-m", "0700", "/etc/ditto/secrets", "/etc/credstore.encrypted")

    def given(self, setting):
        drop_in(self.one, f"[Service]\n{setting}\n")
        self.one.write("/etc/ditto/ditto.toml", WITH_PASSWORD)
        self.one.run("systemctl", "restart", "ditto")
        self.assertEqual(self.one.show("ActiveState"), "active")
        wait_until(lambda: status(self.one), SOON, "ditto answers")

    def reloads(self):
        """A reload takes a good file and refuses a broken one, whether the check sees the credential or not."""
        one = self.one
        pid = one.show("MainPID")
        one.write("/etc/ditto/ditto.toml", WITH_PASSWORD + '\n[log]\nlevel = "debug"\n')
        one.run("systemctl", "reload", "ditto")
        one.write("/etc/ditto/ditto.toml", WITH_PASSWORD + "\n[log]\nlevl = 1\n")
        self.assertIn("levl", one.fails("ditto", "check"))
        one.fails("systemctl", "reload", "ditto")
        one.write("/etc/ditto/ditto.toml", WITH_PASSWORD)
        one.run("systemctl", "reload", "ditto")
        self.assertEqual(one.show("MainPID"), pid)
        # From a shell, which cannot see it.
        self.assertIn("source.password", one.run("ditto", "check"))
        self.assertNotIn(PASSWORD, one.journal("--unit", "ditto"))

    def test_from_a_file(self):
        self.one.write("/etc/ditto/secrets/source.password", PASSWORD + "\n")
        self.given("LoadCredential=source.password:/etc/ditto/secrets/source.password")
        self.reloads()

    def test_encrypted_for_this_machine(self):
        self.one.run("systemd-creds", "encrypt", "--with-key=host", "--name=source.password", "-",
                     "/etc/credstore.encrypted/source.password", input=PASSWORD)
        self.given("LoadCredentialEncrypted=source.password:/etc/credstore.encrypted/source.password")
        self.reloads()

    def test_one_that_is_not_given_ends_the_start_and_is_named(self):
        drop_in(self.one, "")
        self.one.write("/etc/ditto/ditto.toml", WITH_PASSWORD)
        self.one.fails("systemctl", "restart", "ditto")
        self.assertEqual(self.one.show("ExecMainStatus", "NRestarts"), ["78", "0"])
        self.one.wait_for_words(r"source\.password_file.*LoadCredential=")


if __name__ == "__main__":
    unittest.main()
