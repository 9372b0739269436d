"""What a stack is made of: one of each service, or as many as it takes to lose one and go on."""

from dataclasses import dataclass
from pathlib import Path

from commonweal.errors import ConfigError

FILE = "profile"


@dataclass(frozen=True)
class Profile:
    """The shape of a stack.

    Attributes:
        name: As people choose it.
        brokers: Kafka brokers, each also a controller; topics are kept by up to three of them.
        drives: Folders over which the object store spreads each object.
        workers: Spark workers, under a master of their own; 0 for a Connect server that does the work itself.
    """

    name: str
    brokers: int
    drives: int
    workers: int

    @property
    def kafka(self) -> tuple[str, ...]:
        """The brokers' services."""
        return ("kafka", *(f"kafka-{number}" for number in range(2, self.brokers + 1)))

    @property
    def spark(self) -> tuple[str, ...]:
        """The services of Spark beside the Connect server."""
        workers = tuple(f"spark-worker-{number}" for number in range(1, self.workers + 1))
        return ("spark-master", *workers) if workers else ()

    @property
    def ports(self) -> tuple[str, ...]:
        """Names of the ports on which its services listen."""
        kafka = tuple(name for service in self.kafka for name in (service, f"{service}-controller"))
        return ("postgres", "minio", *kafka, "spark", "airflow", "metrics", *self.spark[:1])


LOCAL = Profile("local", brokers=1, drives=1, workers=0)
CLUSTER = Profile("cluster", brokers=3, drives=4, workers=2)
PROFILES = {profile.name: profile for profile in (LOCAL, CLUSTER)}


def kept_profile(run_dir: Path) -> Profile:
    """The profile that a run folder was made with; the local one where nobody chose.

    Raises:
        ConfigError: The folder's file names none that there is.
    """
    path = run_dir / FILE
    name = path.read_text(encoding="utf-8").strip() if path.is_file() else LOCAL.name
    if name not in PROFILES:
        raise ConfigError(f"{path} names no profile; write into it with which the stack was made: {', '.join(PROFILES)}")
    return PROFILES[name]


def choose_profile(run_dir: Path, wanted: str | None) -> Profile:
    """The profile for a run folder: the one it was made with, since what services keep is laid out for that.

    Raises:
        ConfigError: There is no profile of that name, or the folder was made with another.
    """
    if wanted is not None and wanted not in PROFILES:
        raise ConfigError(f"--profile: there is no {wanted}; choose from {', '.join(PROFILES)}")
    kept = kept_profile(run_dir)
    if wanted in (None, kept.name):
        return kept
    if (run_dir / "data").is_dir():
        raise ConfigError(
            f"the stack in {run_dir} is of profile {kept.name}, and what it keeps is laid out for that; "
            f"choose another --run-dir, or throw it away first: commonweal stack reset"
        )
    return PROFILES[wanted]


def keep_profile(run_dir: Path, profile: Profile) -> None:
    """Write down with which profile a run folder is made."""
    if profile != kept_profile(run_dir):
        (run_dir / FILE).write_text(f"{profile.name}\n", encoding="utf-8")
