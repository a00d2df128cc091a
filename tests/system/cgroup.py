"""A control group for each machine. Machines that share one have one tree of services between them: the systemd of one then
removes the group of a service that ended while the other's is just starting the service of the same name in it.

Never touches groups that it has not made.
"""

import os
import pathlib

# Enters the groups before "--", then becomes the command behind it.
_ENTER = 'for group do [ "$group" = -- ] && break; echo $$ >"$group/cgroup.procs" || exit 1; shift; done; shift; exec "$@"'


class ControlGroup:
    """One group, in each hierarchy that a systemd looks at."""

    def __init__(self, name):
        self._folders = [folder / name for folder in _own_folders()]
        for folder in self._folders:
            folder.mkdir(exist_ok=True)

    def command(self, *command):
        """The command line that runs a program in the group."""
        return ["sh", "-c", _ENTER, "sh", *map(str, self._folders), "--", *command]

    def close(self):
        """Removes it with all that was made in it; nothing may run there any more."""
        for folder in self._folders:
            for below, _, _ in os.walk(folder, topdown=False):
                os.rmdir(below)


def _own_folders():
    """Where this process is, in each hierarchy that says where systemd-nspawn puts a machine: version 2, and on a host with
    version 1 also "name=systemd", whose path it takes over into the other one."""
    paths = {}
    for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        paths[controllers] = path
    for line in pathlib.Path("/proc/self/mounts").read_text().splitlines():
        _, mounted, kind, options = line.split()[:4]
        if kind == "cgroup2":
            yield pathlib.Path(mounted + paths[""])
        elif kind == "cgroup" and "name=systemd" in options.split(","):
            yield pathlib.Path(mounted + paths["name=systemd"])
