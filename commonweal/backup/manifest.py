"""What a backup holds: one JSON document, written last, so that a backup without one was not finished.

It is not encrypted, since the next backup must know what is there already: names of datasets and objects, sizes, digests and
offsets. Its own digest stands in the evidence (``backed_up``).
"""

import hashlib

from pydantic import BaseModel, ConfigDict, ValidationError

from commonweal.errors import ConfigError

FORMAT = 1
NAME = "manifest.json"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class File(_Frozen):
    """One encrypted file in the target: its name there, its bytes, and SHA-256 of them in hex."""

    name: str
    size: int
    sha256: str


class Object(_Frozen):
    """One object of the platform's store, and the file that holds it."""

    bucket: str
    key: str
    etag: str
    content_type: str
    file: File


class Topic(_Frozen):
    """Where one topic stood.

    Attributes:
        dataset: Whose it is.
        topic: Its name.
        topic_id: Kafka's id of it.
        landed: By partition (as text), up to where it is landed in the backup.
        unlanded: Records that Kafka had acknowledged, and that are not in the backup.
        since: Records appended to Kafka from this instant on (ISO 8601, UTC) are not in the backup.
    """

    dataset: str
    topic: str
    topic_id: str
    landed: dict[str, int]
    unlanded: int
    since: str


class Manifest(_Frozen):
    """A backup.

    Attributes:
        format: Of this document.
        name: Of the backup: the time of its snapshot.
        made_at: The snapshot's instant, ISO 8601, UTC.
        code_version: Commit of the code.
        schema_version: Of the database's tables.
        recipient: The age recipient that all files are encrypted to.
        evidence_seq: Entries in the evidence log.
        evidence_hash: The log's head, in hex; empty when it has no entry.
        database: The dump.
        secrets: Keys, secrets and certificates.
        objects: Every object that the snapshot reaches.
        topics: Where each topic stood.
    """

    format: int
    name: str
    made_at: str
    code_version: str
    schema_version: str
    recipient: str
    evidence_seq: int
    evidence_hash: str
    database: File
    secrets: File
    objects: tuple[Object, ...]
    topics: tuple[Topic, ...]

    @property
    def files(self) -> tuple[File, ...]:
        """Every file of the backup."""
        return self.database, self.secrets, *(item.file for item in self.objects)


def written(manifest: Manifest) -> bytes:
    """The manifest as it is stored."""
    return manifest.model_dump_json(indent=1).encode()


def read(content: bytes) -> Manifest:
    """The manifest of stored bytes.

    Raises:
        ConfigError: They aren't one, or one of a newer release of the software.
    """
    try:
        found = Manifest.model_validate_json(content)
    except ValidationError as error:
        places = sorted({".".join(str(part) for part in item["loc"][:2]) for item in error.errors()})
        raise ConfigError(
            f"{NAME} of the backup is damaged (wrong: {', '.join(places[:5]) or 'no JSON'}); use another backup"
        ) from None
    if found.format != FORMAT:
        raise ConfigError(
            f"the backup has format {found.format}, this release reads format {FORMAT}; use the release that made it"
        )
    return found


def digest(content: bytes) -> str:
    """SHA-256 of a stored manifest, in hex."""
    return hashlib.sha256(content).hexdigest()
