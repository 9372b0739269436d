"""The jars of the Kafka broker and of Spark: resolved by the Ivy that pyspark carries, each checked against ``jars.lock``."""

import hashlib
from pathlib import Path

from commonweal.errors import ConfigError
from infra.install.cache import Artefact, workplace
from infra.install.network import java_options
from infra.install.programs import clean_environment, java, package_folder, run

SOURCE = Path(__file__).resolve().parent.parent / "jars"
GROUPS = ("broker", "spark")


def broker_jars() -> Path:
    """The folder of the Kafka broker's jars."""
    return jars_artefact().provide() / "broker"


def spark_jars() -> Path:
    """The folder of the jars that the Spark Connect server needs beside pyspark's own."""
    return jars_artefact().provide() / "spark"


def jars_artefact() -> Artefact:
    """All jars as an artefact of what is wanted and of the checksums it must have."""
    inputs = {name: (SOURCE / name).read_bytes() for name in ("ivy.xml", "jars.lock")}
    return Artefact("jars", inputs, _build, note="download of 170 MB")


def locked(lock: Path = SOURCE / "jars.lock") -> dict[str, str]:
    """The SHA-256 of each jar by ``<group>/<file name>``, from a file in the format of ``sha256sum``."""
    lines = lock.read_text(encoding="utf-8").splitlines()
    return {name: checksum for checksum, name in (line.split(maxsplit=1) for line in lines if line)}


def checksums(folder: Path) -> dict[str, str]:
    """The SHA-256 of each jar below ``folder``, by ``<group>/<file name>``."""
    jars = sorted(path for group in GROUPS for path in (folder / group).glob("*"))
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in jars}


def verify(folder: Path, expected: dict[str, str]) -> None:
    """Checks that ``folder`` holds the expected jars and no others.

    Raises:
        ConfigError: A jar is missing, unexpected or has other bytes; the message names each.
    """
    found = checksums(folder)
    wrong = sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))
    if wrong:
        raise ConfigError(
            f"{len(wrong)} of {len(expected)} jars are not the ones in infra/jars/jars.lock: {', '.join(wrong)}; "
            f"if ivy.xml was changed on purpose run: make lock; if not, delete {folder} and install again"
        )


def resolve(folder: Path) -> None:
    """Downloads the jars of ``ivy.xml`` into ``folder``, one folder a group, unchecked."""
    with workplace("jars") as place:
        ivy = next((package_folder("pyspark") / "jars").glob("ivy-*.jar"))
        java_call = [str(java()), *java_options(), f"-Divy.default.ivy.user.dir={place}", "-jar", str(ivy)]
        wanted = ["-ivy", f"{SOURCE}/ivy.xml", "-confs", *GROUPS, "-types", "jar", "bundle"]
        target = ["-cache", f"{place}/cache", "-retrieve", f"{folder}/[conf]/[artifact]-[revision].[ext]", "-warn"]
        environment = clean_environment()
        run(*java_call, *wanted, *target, what="downloading the jars", environment=environment, folder=place)


def _build(folder: Path) -> None:
    resolve(folder)
    verify(folder, locked())
