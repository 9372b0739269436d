"""What PostgreSQL answers, as the platform's errors: each by its true cause."""

import psycopg
import pytest
from sqlalchemy.exc import OperationalError

from commonweal.database import translated
from commonweal.errors import ConfigError, TransientError

FULL = 'connection failed: connection to server at "127.0.0.1" failed: FATAL:  could not write init file: No space left on device'


@pytest.mark.parametrize(
    ("cause", "kind", "words"),
    [
        (psycopg.OperationalError(FULL), TransientError, "disk is full"),
        (psycopg.errors.DiskFull("could not extend file"), TransientError, "disk is full"),
        (psycopg.OperationalError("connection failed: Connection refused"), TransientError, "unreachable"),
        (psycopg.errors.InvalidPassword("no"), ConfigError, "secret file"),
    ],
)
def test_the_cause_is_named_and_nothing_else(cause, kind, words):
    error = translated(OperationalError("select secret", {"name": "value"}, cause), "landing hotline.x")
    assert type(error) is kind
    assert words in str(error)
    assert not any(word in str(error) for word in ("select", "value", "127.0.0.1"))
