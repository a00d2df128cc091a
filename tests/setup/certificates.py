"""Makes certificates for 127.0.0.1 with the program openssl, for servers of tests. Never one that is kept."""

import os
import subprocess


def certificate(folder, name, days):
    """A certificate that is its own authority, valid from now on for so many days; gives the paths of it and its key."""
    paths = [os.path.join(folder, f"{name}.{kind}") for kind in ("pem", "key")]
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
               "-days", str(days), "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1",
               "-addext", "basicConstraints=critical,CA:FALSE", "-out", paths[0], "-keyout", paths[1]]
    subprocess.run(command, check=True, capture_output=True)
    return paths
