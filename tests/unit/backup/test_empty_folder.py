"""A restore goes into an empty run folder: what it takes to reach the backup may be there, and nothing else."""

import pytest

from commonweal.cli.restore import refuse_what_is_there
from commonweal.errors import ConfigError
from commonweal.settings import Settings


@pytest.fixture
def settings(tmp_path):
    secrets = tmp_path / "run" / "secrets"
    secrets.mkdir(parents=True)
    return Settings(run_dir=tmp_path / "run", backup_secret_file=secrets / "backup-s3")


def test_what_reaches_the_backup_may_be_there(settings):
    refuse_what_is_there(settings)
    settings.backup_secret_file.write_text("secret")
    (settings.run_dir / "ports.json").write_text("{}")
    refuse_what_is_there(settings)


def test_a_folder_that_is_not_there_is_empty(settings, tmp_path):
    refuse_what_is_there(settings.model_copy(update={"run_dir": tmp_path / "none"}))


@pytest.mark.parametrize("name", ["secrets/postgres-pipeline", "data/postgres/PG_VERSION", "keys/1"])
def test_anything_else_is_refused_by_its_name(settings, name):
    path = settings.run_dir / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    with pytest.raises(ConfigError, match=name):
        refuse_what_is_there(settings)
