"""Starts the programs of this workspace on free ports for tests that are written in Python, and ends them.

Takes the folder of the programs from the variable PROGRAMS. Never leaves one running.
"""

import contextlib
import os
import random
import re
import signal
import socket
import subprocess
import tempfile
import time

START = 15  # seconds that a program may take until it listens
END = 20  # seconds that it may take to end after SIGTERM
# Below those that the system gives to clients and to port 0, above the chaos test's: nobody takes one between two starts.
PORTS = range(10_000, 20_000)


def wait_until(condition, within, what):
    """Asks again and again until the condition holds; `within` is a deadline, not a duration to measure."""
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {within} s")
        time.sleep(0.05)


def free_port():
    """For a program that has to come back to the same port, or is told where to listen before it starts."""
    for port in random.sample(PORTS, 100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError(f"a hundred ports of {PORTS} are taken")


@contextlib.contextmanager
def devstore(*options):
    """A fresh development server; gives its address, which it prints once it listens."""
    with _running("devstore", "--listen", "127.0.0.1:0", *options, stdout=subprocess.PIPE) as process:
        yield _first_line(process).split()[-1]


@contextlib.contextmanager
def ditto(config):
    """The daemon with this configuration text; `file` is where it stands, `log()` what it has said so far, `address()`
    where it serves HTTP. It must end cleanly when asked to; a test that kills it sets `is_killed`.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "ditto.toml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(config)
        with _running("ditto", "run", "--config", path) as process:
            process.file = path
            process.is_killed = False
            process.address = lambda: _http_address(process)
            yield process
        if process.returncode != 0 and not process.is_killed:
            raise AssertionError(f"ditto ended with {process.returncode} after SIGTERM")


@contextlib.contextmanager
def _running(name, *arguments, stdout=None):
    program = os.path.join(os.environ["PROGRAMS"], name)
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen([program, *arguments], stdout=stdout or output, stderr=output)
        process.log = lambda: os.pread(output.fileno(), os.fstat(output.fileno()).st_size, 0).decode(errors="replace")
        try:
            yield process
        except BaseException:
            lines = process.log().splitlines()[-40:]
            print(f"--- last lines of {name}", *lines, sep="\n", flush=True)
            raise
        finally:
            _end(process)


def _http_address(process):
    """The address in the line that a daemon says its configuration in."""

    def said():
        if process.poll() is not None:
            raise AssertionError(f"ditto ended with {process.returncode} instead of listening")
        return re.search(r" http=(\S+)", process.log())

    wait_until(said, START, "ditto says where it serves HTTP")
    return said().group(1)


def _end(process):
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(END)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process.stdout:
        process.stdout.close()


def _first_line(process):
    """The line that a program says its address in; nothing within START is an error."""
    os.set_blocking(process.stdout.fileno(), False)
    text = b""

    def complete():
        nonlocal text
        if process.poll() is not None:
            raise AssertionError(f"{process.args[0]} ended with {process.returncode} instead of listening")
        text += process.stdout.read() or b""
        return b"\n" in text

    wait_until(complete, START, f"{process.args[0]} says where it listens")
    return text.split(b"\n")[0].decode()
