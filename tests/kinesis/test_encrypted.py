"""Two TLS stacks in one process: the source's client and the AWS SDK. Never verifies more than that both work together.
"""

import datetime
import ipaddress
import os
import tempfile
import unittest

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from kurrentdbclient import KurrentDBClient

from copying import Copy, streams_of
from programs import ditto


def certificates(folder):
    """An authority, and what it signed for 127.0.0.1; gives the files of the authority, the certificate and its key."""
    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ditto test authority")])
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ditto test")])
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    names = x509.SubjectAlternativeName([address, x509.DNSName("localhost")])
    made = [
        signed(authority, authority_key, authority, authority_key, x509.BasicConstraints(ca=True, path_length=0)),
        signed(name, key, authority, authority_key, names),
    ]
    pem = serialization.Encoding.PEM
    contents = [certificate.public_bytes(pem) for certificate in made]
    contents.append(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    files = [os.path.join(folder, name) for name in ("authority.pem", "certificate.pem", "key.pem")]
    for path, content in zip(files, contents):
        with open(path, "wb") as file:
            file.write(content)
    return files


def signed(subject, key, issuer, issuer_key, extension):
    now = datetime.datetime.now(datetime.UTC)
    day = datetime.timedelta(days=1)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - day).not_valid_after(now + day)
    return builder.add_extension(extension, critical=False).sign(issuer_key, hashes.SHA256())


class Encrypted(Copy):
    def setUp(self):
        self.authority, *self.tls = certificates(self.enterContext(tempfile.TemporaryDirectory()))
        # What the SDK, and only it, takes for the machine's authorities.
        os.environ["SSL_CERT_FILE"] = self.authority
        self.addCleanup(os.environ.pop, "SSL_CERT_FILE")
        super().setUp()

    def source_options(self):
        return ["--tls-cert", self.tls[0], "--tls-key", self.tls[1]]

    def source_string(self):
        return f"esdb://{self.source_address}?tlsCaFile={self.authority}"

    def source_client(self):
        with open(self.authority, encoding="ascii") as file:
            return KurrentDBClient(f"esdb://admin:changeit@{self.source_address}", root_certificates=file.read())

    def test_a_source_with_tls_is_copied_to_an_endpoint_with_tls(self):
        streams = streams_of(10, 3)
        self.write(streams)
        with ditto(self.config):
            self.wait_for(streams)
        self.assert_complete_and_in_order(streams)


if __name__ == "__main__":
    unittest.main()
