"""How an install reaches the network: behind a company's own CA and proxy as well."""

import os
import ssl
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies

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


def certificate_variables() -> dict[str, str]:
    """Variables by which uv and Go, pip, and npm trust what the machine trusts; none that the user has set already."""
    bundle = certificate_bundle()
    names = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS") if bundle else ()
    return {name: str(bundle) for name in names if not os.environ.get(name)}


def trust_store() -> Path:
    """A PKCS12 trust store for Java with the machine's certificates; its password is ``PASSWORD``."""
    return trust_store_artefact().provide() / "trust.p12"


def trust_store_artefact() -> Artefact:
    """The trust store as an artefact of the PEM bundle."""
    pem = (certificate_bundle() or _packaged_bundle()).read_bytes()
    return Artefact("trust", {"bundle": pem}, lambda folder: _build(pem, folder / "trust.p12"))


def java_options() -> list[str]:
    """Options by which Java trusts what the machine trusts and uses the proxy that the environment names."""
    store = {"trustStore": trust_store(), "trustStoreType": "PKCS12", "trustStorePassword": PASSWORD}
    return [*(f"-Djavax.net.ssl.{name}={value}" for name, value in store.items()), *_proxy_options(getproxies())]


def _proxy_options(proxies: dict[str, str]) -> list[str]:
    """Java knows no ``HTTPS_PROXY``. A proxy that wants a password can't be told to it without showing the password to all."""
    options = []
    for scheme in ("http", "https"):
        place = urlsplit(proxies.get(scheme, ""))
        if place.hostname:
            options += [f"-D{scheme}.proxyHost={place.hostname}", f"-D{scheme}.proxyPort={place.port or 80}"]
    exempt = [f"*{name.strip()}" if name.strip().startswith(".") else name.strip() for name in proxies.get("no", "").split(",")]
    return [*options, f"-Dhttp.nonProxyHosts={'|'.join(exempt)}"] if options and any(exempt) else options


def _packaged_bundle() -> Path:
    import certifi

    return Path(certifi.where())


def _build(pem: bytes, path: Path) -> None:
    import warnings

    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption
    from cryptography.hazmat.primitives.serialization.pkcs12 import PKCS12Certificate, serialize_java_truststore

    with warnings.catch_warnings():
        # Old roots of the system's bundle have serial numbers that today's rules forbid; that is not ours to judge.
        warnings.simplefilter("ignore")
        certificates = x509.load_pem_x509_certificates(pem)
    named = [PKCS12Certificate(certificate, str(number).encode()) for number, certificate in enumerate(certificates)]
    path.write_bytes(serialize_java_truststore(named, BestAvailableEncryption(PASSWORD.encode())))
