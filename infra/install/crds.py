"""Strimzi's custom resource definitions, made of its API by its own generator, as each of its releases makes them."""

from pathlib import Path

from infra.install import jars
from infra.install.cache import Artefact, workplace
from infra.install.programs import clean_environment, java, run

GENERATOR = "io.strimzi.crdgenerator.CrdGenerator"
MODEL = "io.strimzi.api.kafka.model"
KINDS = {
    "Kafka": f"{MODEL}.kafka.Kafka",
    "KafkaNodePool": f"{MODEL}.nodepool.KafkaNodePool",
    "KafkaUser": f"{MODEL}.user.KafkaUser",
}
"""By kind the class that describes it."""
OPTIONS = ("--target-kube", "1.27+", "--crd-api-version", "v1")


def strimzi_crds() -> Path:
    """The folder of the definitions: ``<kind>.yaml`` for each of ``KINDS``."""
    return crds_artefact().provide()


def crds_artefact() -> Artefact:
    """The definitions as an artefact of the locked jars and of what is asked of them."""
    asked = " ".join((GENERATOR, *OPTIONS, *KINDS.values())).encode()
    return Artefact(jars.CRDS.name, jars.CRDS.inputs() | {"asked": asked}, _build, note="download of 20 MB")


def _build(folder: Path) -> None:
    with workplace(jars.CRDS.name) as place:
        jars.resolve(place, jars.CRDS)
        jars.verify(place, jars.locked(jars.CRDS.source / "jars.lock"), jars.CRDS)
        wanted = [f"{described}={folder / kind}.yaml" for kind, described in KINDS.items()]
        command = (str(java()), "-Xmx256m", "-cp", f"{place}/crds/*", GENERATOR, *OPTIONS, *wanted)
        run(*command, what="making Strimzi's resource definitions", environment=clean_environment(), folder=place)
