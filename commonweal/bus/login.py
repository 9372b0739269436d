"""One blocking TLS and SCRAM exchange with a broker: its first failure says what is wrong, where the client would time out."""

import socket
import ssl
from typing import Any

from kafka.net.sasl import get_sasl_mechanism
from kafka.protocol.api_message import ApiMessage
from kafka.protocol.parser import KafkaProtocol
from kafka.protocol.sasl import SaslAuthenticateRequest, SaslHandshakeRequest

from commonweal.errors import ConfigError, TransientError

MECHANISM = "SCRAM-SHA-512"
CONNECT_SECONDS = 10.0

# OpenSSL's X509_V_ERR_CERT_NOT_YET_VALID and X509_V_ERR_CERT_HAS_EXPIRED.
_NOT_VALID_NOW = {9, 10}
# Codes of Kafka's protocol (https://kafka.apache.org/protocol#protocol_error_codes).
_NO_ERROR, _SASL_FAILED = 0, 58


def dial(server: str, ca: str) -> ssl.SSLSocket:
    """A TLS channel to a broker.

    Args:
        server: ``host:port``.
        ca: Path of the PEM file of its CA.

    Raises:
        ConfigError: Address, CA or protocol is wrong; the message says which.
        OSError: The broker doesn't answer.
    """
    host, _, port = server.rpartition(":")
    if not host or not port.isdigit():
        raise ConfigError(f"COMMONWEAL_KAFKA_BOOTSTRAP holds {server}, which is not host:port")
    plain = socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_SECONDS)
    try:
        return ssl.create_default_context(cafile=ca).wrap_socket(plain, server_hostname=host.strip("[]"))
    except ssl.SSLCertVerificationError as error:
        raise _mistrusted(server, error) from None
    except ssl.SSLEOFError:
        raise  # also what a broker that is stopping looks like
    except ssl.SSLError:
        raise ConfigError(f"{server} does not speak TLS; COMMONWEAL_KAFKA_BOOTSTRAP must name a SASL_SSL port") from None
    finally:
        plain.close()  # without effect once wrapped: wrap_socket detaches it


def authenticate(channel: ssl.SSLSocket, options: dict[str, Any]) -> bool:
    """Whether the broker takes the principal's password.

    Raises:
        ConfigError: The broker doesn't offer our mechanism.
        TransientError: It did not finish the exchange.
    """
    principal = options["sasl_plain_username"]
    protocol = KafkaProtocol(client_id=options["client_id"])
    answer = _ask(channel, protocol, SaslHandshakeRequest[1](mechanism=MECHANISM))
    if answer.error_code != _NO_ERROR:
        raise ConfigError(f"Kafka does not offer {MECHANISM}; enable it on the listener of COMMONWEAL_KAFKA_BOOTSTRAP")
    mechanism = get_sasl_mechanism(MECHANISM)(**options)
    while not mechanism.is_done():
        answer = _ask(channel, protocol, SaslAuthenticateRequest[1](mechanism.auth_bytes()))
        if answer.error_code == _SASL_FAILED:
            return False
        if answer.error_code != _NO_ERROR:
            raise TransientError(
                f"Kafka did not finish the login of {principal} (code {answer.error_code}); see: commonweal stack status"
            )
        mechanism.receive(answer.auth_bytes)
    return True


def _mistrusted(server: str, error: ssl.SSLCertVerificationError) -> ConfigError:
    if error.verify_code in _NOT_VALID_NOW:
        why = f"{error.verify_message} by this machine's clock"
        return ConfigError(f"the certificate of {server} is not taken ({why}); set the clock, or renew the certificate")
    return ConfigError(
        f"the certificate of {server} is not trusted ({error.verify_message}); COMMONWEAL_KAFKA_CA must name its CA"
    )


def _ask(channel: ssl.SSLSocket, protocol: KafkaProtocol, request: ApiMessage) -> ApiMessage:
    protocol.send_request(request)
    channel.sendall(protocol.send_bytes())
    while True:
        data = channel.recv(65536)
        if not data:
            raise ConnectionResetError("closed during the login")
        for _, response in protocol.receive_bytes(data):
            return response


def cause(error: OSError) -> str:
    """Why a broker did not answer, in a few words."""
    if isinstance(error, ssl.SSLError):
        return "closed during the TLS handshake"
    return error.strerror or type(error).__name__
