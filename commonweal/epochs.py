"""Which epoch of the pseudonym key a dataset stands under: all that it has landed is of one, or joins would fall apart."""

from sqlalchemy import Connection, Engine, text

from commonweal.database import database_errors
from commonweal.errors import ConflictError

OF_DATASET = text("select epoch from key_epoch where dataset = :dataset")
NEWEST = text("select max(epoch) from pseudonym_epoch")
FIRST = text("insert into key_epoch (dataset, epoch) values (:dataset, :epoch) on conflict do nothing")
MOVE = text("""
insert into key_epoch (dataset, epoch) values (:dataset, :epoch) on conflict (dataset) do update set epoch = excluded.epoch
""")
MADE = text("insert into pseudonym_epoch (epoch, person, reason) values (:epoch, :person, :reason)")


def newest_epoch(engine: Engine) -> int:
    """The newest epoch of the pseudonym key."""
    with database_errors("reading the epochs of the pseudonym key"), engine.begin() as connection:
        return int(connection.execute(NEWEST).scalar_one())


def dataset_epoch(engine: Engine, dataset: str) -> int | None:
    """The epoch under which the dataset's pseudonyms stand, or None when it never landed any."""
    with database_errors(f"reading the key epoch of {dataset}"), engine.begin() as connection:
        return connection.execute(OF_DATASET, {"dataset": dataset}).scalar()


def confirm(connection: Connection, dataset: str, epoch: int) -> None:
    """In a landing's transaction: the dataset stands under this epoch, as it does from its first landing on.

    Raises:
        ConflictError: It stands under another one: its keys were rotated meanwhile.
    """
    connection.execute(FIRST, {"dataset": dataset, "epoch": epoch})
    found = connection.execute(OF_DATASET, {"dataset": dataset}).scalar_one()
    if found != epoch:
        raise ConflictError(f"{dataset}: its pseudonym keys were rotated meanwhile; nothing was landed, run the step again")


def move(connection: Connection, dataset: str, epoch: int) -> None:
    """In a rotation's transaction: from now on the dataset stands under this epoch."""
    connection.execute(MOVE, {"dataset": dataset, "epoch": epoch})
