"""Secrets that applying the contracts makes: once, whole, and with a plain word where it can't."""

import pytest

from commonweal.apply.secret_files import ensure_secret
from commonweal.errors import ConfigError
from commonweal.settings import Settings


def test_a_secret_is_made_once(tmp_path):
    settings = Settings(run_dir=tmp_path, secrets_dir=tmp_path / "secrets")
    settings.secrets_dir.mkdir(mode=0o700)
    made = ensure_secret(settings, "kafka-dept-hotline")
    assert len(made) == 32
    assert ensure_secret(settings, "kafka-dept-hotline") == made
    assert [path.name for path in settings.secrets_dir.iterdir()] == ["kafka-dept-hotline"]


def test_where_secrets_are_only_handed_in_the_missing_one_is_named(tmp_path):
    settings = Settings(run_dir=tmp_path, secrets_dir=tmp_path / "secrets")
    with pytest.raises(ConfigError, match=r"secret kafka-dept-hotline is missing and can't be made in .*secrets .*put it there"):
        ensure_secret(settings, "kafka-dept-hotline")
