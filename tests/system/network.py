"""Networks of the tests: named network namespaces, joined by cables that can be cut.

Connections are opened from here inside a namespace; a machine's 127.0.0.1 is then ours. Never touches the network of the
machine that the tests run on.
"""

import contextlib
import ctypes
import http.client
import os
import socket
import subprocess

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


class Network:
    """One namespace, with loopback."""

    def __init__(self, name):
        self.name = name
        _ip("netns", "add", name)
        _ip("-n", name, "link", "set", "lo", "up")

    def close(self):
        _ip("netns", "del", self.name)

    def command(self, *command):
        """The command line that runs a program of this machine in there."""
        return ["ip", "netns", "exec", self.name, *command]

    @contextlib.contextmanager
    def inside(self):
        """Sockets that this thread opens meanwhile belong to the namespace, also afterwards."""
        with open("/proc/thread-self/ns/net", "rb") as ours, open(f"/run/netns/{self.name}", "rb") as theirs:
            _enter(theirs)
            try:
                yield
            finally:
                _enter(ours)

    def http(self, port, host="127.0.0.1", timeout=10):
        """An open connection; its requests may come from any thread."""
        connection = http.client.HTTPConnection(host, port, timeout=timeout)
        with self.inside():
            connection.sock = socket.create_connection((host, port), timeout)
        return connection

    def get(self, port, path, timeout=10):
        """Status and body of one request."""
        connection = self.http(port, timeout=timeout)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def cut(self, is_cut):
        """Takes the end of the cable down: no answer to anything, as from a black hole."""
        _ip("-n", self.name, "link", "set", "cable", "down" if is_cut else "up")


def join(one, other):
    """A cable between two networks: 10.0.0.1 and 10.0.0.2."""
    # Made inside, so that no name can clash with one of this machine.
    _ip("-n", one.name, "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", other.name)
    for network, address in ((one, "10.0.0.1/24"), (other, "10.0.0.2/24")):
        _ip("-n", network.name, "address", "add", address, "dev", "cable")
        _ip("-n", network.name, "link", "set", "cable", "up")


def _ip(*arguments):
    subprocess.run(["ip", *arguments], check=True)


def _enter(namespace):
    if _libc.setns(namespace.fileno(), _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
