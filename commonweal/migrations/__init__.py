"""The database's tables, built step by step by Alembic as their owner, the role ``commonweal``."""

from pathlib import Path

from alembic import command
from alembic.config import Config

from commonweal.database import engine
from commonweal.settings import Settings

FOLDER = Path(__file__).resolve().parent


def migrate(settings: Settings) -> None:
    """Bring the database's tables to the newest version; does nothing when they are there.

    Raises:
        TransientError: PostgreSQL is unreachable.
    """
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    with engine(settings, "commonweal").begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
