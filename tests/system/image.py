"""File systems that machines are booted from, as folders that are laid over one another.

As a program: image.py FOLDER SUITE... makes the least that boots. Never changes a layer that another one lies on.
"""

import os
import pathlib
import shutil
import subprocess
import sys

MIRROR = os.environ.get("DEBIAN_MIRROR", "http://deb.debian.org/debian")
# What a Debian server has anyway, as far as the tests ask it for something. What ditto needs comes with ditto.
_PACKAGES = "systemd,systemd-sysv,dbus,apt-utils,curl"
_HOOKS = (
    'rm -f "$1/etc/machine-id" "$1/etc/hostname"; : >"$1/etc/machine-id"; : >"$1/etc/resolv.conf"',
    r'printf "127.0.0.1 localhost\n::1 localhost\n" >"$1/etc/hosts"',
    'mkdir -p "$1/var/log/journal"',
    # Manual pages are left out of minimal systems, ditto's are to be looked at.
    'rm -f "$1/etc/dpkg/dpkg.cfg.d/excludes"',
)


def base(folder, suite, extra=()):
    """The least that boots, of one Debian release; made once and kept in `folder`."""
    target = pathlib.Path(folder) / "-".join([suite, *extra])
    if target.exists():
        return target
    unfinished = target.with_suffix(".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join([_PACKAGES, *extra])}"]
    for hook in _HOOKS:
        command.append(f"--customize-hook={hook}")
    subprocess.run([*command, suite, unfinished, f"deb {MIRROR} {suite} main"], check=True)
    unfinished.rename(target)
    return target


if __name__ == "__main__":
    for wanted in sys.argv[2:]:
        print(base(sys.argv[1], wanted))
