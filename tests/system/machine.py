"""A Debian machine, really booted by systemd, in a container of systemd-nspawn.

Each has a writable layer of its own over a shared file system and a network of its own. Never leaves one running: a machine
is closed by whoever made it.
"""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

from cgroup import ControlGroup
from network import Network

BOOT = 60  # seconds that a machine may take to boot, or to shut down
COMMAND = 120  # that a command may take in it
_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "TERM": "dumb",
    "DEBIAN_FRONTEND": "noninteractive",
    "SYSTEMD_PAGER": "",
}


def wait_until(condition, within, what):
    """Asks again and again until the answer is true, and returns it; `within` is a deadline, not a time to measure."""
    deadline = time.monotonic() + within
    while not (answer := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {within} s")
        time.sleep(0.1)
    return answer


class Machine:
    def __init__(self, name, layers, folder):
        self.name = name
        self.folder = pathlib.Path(folder) / name
        self.root = self.folder / "root"
        self.process = None
        for part in ("upper", "work", "root"):
            (self.folder / part).mkdir(parents=True)
        options = f"lowerdir={':'.join(map(str, layers))},upperdir={self.folder}/upper,workdir={self.folder}/work"
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, self.root], check=True)
        self.network = Network(name)
        self.group = ControlGroup(name)

    def boot(self):
        console = open(self.folder / "console.log", "ab")
        self.process = subprocess.Popen(
            self.group.command(
                "systemd-nspawn", "--quiet", "--directory", self.root, "--machine", self.name, "--register=no", "--keep-unit",
                "--boot", f"--network-namespace-path=/run/netns/{self.name}", "--link-journal=no", "--resolv-conf=off",
                "--timezone=off", "--console=pipe",
            ),
            stdin=subprocess.DEVNULL, stdout=console, stderr=console, start_new_session=True,
            # A pure cgroup v2 tree, as a real machine has it.
            env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
        )
        console.close()
        try:
            wait_until(self._is_up, BOOT, f"{self.name} has booted")
        except AssertionError:
            raise AssertionError(f"{self.name} did not boot:\n{self._console()}") from None
        return self

    def shut_down(self):
        """A clean power-off; what is on disk stays."""
        self.run("systemctl", "poweroff", "--no-block")
        self.process.wait(BOOT)
        self.process = None

    def reboot(self):
        self.shut_down()
        self.boot()

    def power_off(self):
        """As if the plug were pulled: nothing in it gets to do anything. The network stays."""
        os.kill(int(self._leader()), signal.SIGKILL)
        self.process.wait(BOOT)
        self.process = None

    def close(self):
        """Forgets the machine with all that is on it; once more does no harm."""
        if not self.folder.exists():
            return
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(BOOT)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        subprocess.run(["umount", self.root], check=True)
        self.network.close()
        self.group.close()
        shutil.rmtree(self.folder)
        shutil.rmtree(f"/run/systemd/nspawn/propagate/{self.name}", ignore_errors=True)

    def run(self, *command, check=True, input=None, timeout=COMMAND):
        """Runs a command as root in the machine; gives its output, or with check=False the finished process."""
        done = subprocess.run(
            ["nsenter", "--target", self._leader(), "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root",
             "--wd", "--", *command],
            env=_ENVIRONMENT, input=input, text=True, stdin=None if input is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout,
        )
        if not check:
            return done
        if done.returncode != 0:
            # Why a service did not start is not in systemctl's words.
            why = self.last_words() if command[0] == "systemctl" else ""
            raise AssertionError(f"{self.name}: {' '.join(map(str, command))} gave {done.returncode}:\n{done.stdout}{why}")
        return done.stdout

    def fails(self, *command):
        """The output of a command that must fail."""
        done = self.run(*command, check=False)
        if done.returncode == 0:
            raise AssertionError(f"{self.name}: {' '.join(command)} was to fail:\n{done.stdout}")
        return done.stdout

    def show(self, *properties, unit="ditto"):
        """Properties of a unit, in the order asked for; a text if it is one."""
        output = self.run("systemctl", "show", unit, "--property", ",".join(properties))
        found = dict(line.split("=", 1) for line in output.splitlines() if "=" in line)
        values = [found[name] for name in properties]
        return values[0] if len(values) == 1 else values

    def path(self, path):
        """Where a file of the machine is on this one."""
        return self.root / path.lstrip("/")

    def put(self, source, path):
        self.path(path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, self.path(path))

    def write(self, path, text):
        """Replaces a file's text; owner and permissions of one that is there already stay."""
        target = self.path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")

    def read(self, path):
        return self.path(path).read_text(encoding="utf-8")

    def journal(self, *arguments):
        return self.run("journalctl", "--no-pager", "--output=cat", *arguments)

    def wait_for_words(self, words):
        """Until ditto's errors have this in them. Asked by its name: of a process that has ended meanwhile, a journal that is
        behind cannot tell the unit."""
        said = lambda: re.search(words, self.journal("--identifier=ditto", "--priority=err"))
        wait_until(said, COMMAND, f"the journal of {self.name} has {words}")

    def last_words(self):
        """The end of what ditto and systemd have said, also of a machine that is off."""
        done = subprocess.run(
            ["journalctl", "--root", self.root, "--no-pager", "--identifier=ditto", "--identifier=systemd", "--lines=60",
             "--output=short-precise"],
            text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
        return done.stdout

    def _leader(self):
        """The machine's first process. While a machine is being made there is another one before it for a moment."""
        if self.process is None or self.process.poll() is not None:
            raise AssertionError(f"{self.name} is not running:\n{self._console()}")
        pid = self.process.pid
        return pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().strip()

    def _console(self):
        return (self.folder / "console.log").read_text(errors="replace")

    def _is_up(self):
        if not self._leader().isdigit():
            return False
        state = self.run("systemctl", "is-system-running", check=False).stdout.strip()
        return state in ("running", "degraded")
