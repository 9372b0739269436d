"""The jars of the Kafka broker and of Spark: resolved by the Ivy that pyspark carries, each checked against ``jars.lock``."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from commonweal.errors import ConfigError
from infra.install.cache import Artefact, workplace
from infra.install.network import java_options
from infra.install.programs import clean_environment, java, package_folder, run

SOURCE = Path(__file__).resolve().parent.parent / "jars"
GROUPS = ("broker", "spark")


@dataclass(frozen=True)
class JarSet:
    """Jars that are wanted and locked together.

    Attributes:
        name: Of the artefact that is made of them.
        source: Folder of ``ivy.xml`` and ``jars.lock``.
        groups: Ivy's configurations, each a folder of jars.
    """

    name: str
    source: Path
    groups: tuple[str, ...]

    def inputs(self) -> dict[str, bytes]:
        """What is wanted, and the checksums that it must have."""
        return {name: (self.source / name).read_bytes() for name in ("ivy.xml", "jars.lock")}


STACK = JarSet("jars", SOURCE, GROUPS)
"""What the local stack runs on."""
CRDS = JarSet("crds", SOURCE / "crds", ("crds",))
"""What makes Strimzi's custom resource definitions, for checking the cluster's manifests."""


def broker_jars() -> Path:
    """The folder of the Kafka broker's jars."""
    return jars_artefact().provide() / "broker"


def spark_jars() -> Path:
    """The folder of the jars that the Spark Connect server needs beside pyspark's own."""
    return jars_artefact().provide() / "spark"


def jars_artefact() -> Artefact:
    """All jars as an artefact of what is wanted and of the checksums it must have."""
    return Artefact(STACK.name, STACK.inputs(), _build, note="download of 170 MB")


def locked(lock: Path = SOURCE / "jars.lock") -> dict[str, str]:
    """The SHA-256 of each jar by ``<group>/<file name>``, from a file in the format of ``sha256sum``."""
    lines = lock.read_text(encoding="utf-8").splitlines()
    return {name: checksum for checksum, name in (line.split(maxsplit=1) for line in lines if line)}


def checksums(folder: Path, wanted: JarSet = STACK) -> dict[str, str]:
    """The SHA-256 of each jar below ``folder``, by ``<group>/<file name>``."""
    jars = sorted(path for group in wanted.groups for path in (folder / group).glob("*"))
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in jars}


def verify(folder: Path, expected: dict[str, str], wanted: JarSet = STACK) -> None:
    """Checks that ``folder`` holds the expected jars and no others.

    Raises:
        ConfigError: A jar is missing, unexpected or has other bytes; the message names each.
    """
    found = checksums(folder, wanted)
    wrong = sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))
    if wrong:
        lock = (wanted.source / "jars.lock").relative_to(SOURCE.parent.parent)
        raise ConfigError(
            f"{len(wrong)} of {len(expected)} jars are not the ones in {lock}: {', '.join(wrong)}; "
            f"if ivy.xml was changed on purpose run: make lock; if not, delete {folder} and install again"
        )


def resolve(folder: Path, wanted: JarSet = STACK) -> None:
    """Downloads the jars of ``ivy.xml`` into ``folder``, one folder a group, unchecked."""
    with workplace(wanted.name) as place:
        ivy = next((package_folder("pyspark") / "jars").glob("ivy-*.jar"))
        java_call = [str(java()), *java_options(), f"-Divy.default.ivy.user.dir={place}", "-jar", str(ivy)]
        asked = ["-ivy", f"{wanted.source}/ivy.xml", "-confs", *wanted.groups, "-types", "jar", "bundle"]
        target = ["-cache", f"{place}/cache", "-retrieve", f"{folder}/[conf]/[artifact]-[revision].[ext]", "-warn"]
        environment = clean_environment()
        run(*java_call, *asked, *target, what="downloading the jars", environment=environment, folder=place)


def _build(folder: Path) -> None:
    resolve(folder)
    verify(folder, locked())
