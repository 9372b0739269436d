"""The machine's trusted certificates, as a PEM bundle and as a Java trust store: so installs work behind a company CA."""

import os
import ssl
from pathlib import Path

from infra.install.cache import Artefact

# A trust store holds public certificates only; Java insists on a password, its usual one is as good as any.
PASSWORD = "changeit"  # noqa: S105
NAMED_BY = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT")
USUAL = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


def certificate_bundle() -> Path | None:
    """The PEM bundle this machine trusts: what the environment names, else the system's; None if there is none."""
    named = [os.environ[name] for name in NAMED_BY if os.environ.get(name)]
    default = ssl.get_default_verify_paths().cafile
    places = [*named, *([default] if default else []), *USUAL]
    return next((Path(place) for place in places if Path(place).is_file()), None)


def trust_store() -> Path:
    """A PKCS12 trust store with the machine's certificates; its password is ``PASSWORD``."""
    return trust_store_artefact().provide() / "trust.p12"


def trust_store_artefact() -> Artefact:
    """The trust store as an artefact of the PEM bundle."""
    pem = _bundle().read_bytes()
    return Artefact("trust", {"bundle": pem}, lambda folder: _build(pem, folder / "trust.p12"))


def java_options() -> list[str]:
    """Options that make Java trust what the machine trusts."""
    return [f"-Djavax.net.ssl.trustStore={trust_store()}", "-Djavax.net.ssl.trustStoreType=PKCS12",
            f"-Djavax.net.ssl.trustStorePassword={PASSWORD}"]  # fmt: skip


def _bundle() -> Path:
    found = certificate_bundle()
    if found:
        return found
    import certifi

    return Path(certifi.where())


def _build(pem: bytes, path: Path) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption
    from cryptography.hazmat.primitives.serialization.pkcs12 import PKCS12Certificate, serialize_java_truststore

    certificates = x509.load_pem_x509_certificates(pem)
    named = [PKCS12Certificate(certificate, str(number).encode()) for number, certificate in enumerate(certificates)]
    path.write_bytes(serialize_java_truststore(named, BestAvailableEncryption(PASSWORD.encode())))
