"""MinIO, built once from the pinned Go module and the patch that closes its forged-signature CVEs (see ``infra/minio``)."""

import json
import platform
import shutil
import sys
from pathlib import Path

from infra.install.cache import Artefact, workplace
from infra.install.network import certificate_variables
from infra.install.programs import clean_environment, go, package_folder, run
from infra.install.unified_diff import apply_patch

SOURCE = Path(__file__).resolve().parent.parent / "minio"
MODULE = "github.com/minio/minio"
RELEASE = "2026-02-12T20:18:48Z"
COMMIT = "7aac2a2c5b7c"
STAMPS = {
    "Version": RELEASE,
    "ReleaseTag": "DEVELOPMENT." + RELEASE.replace(":", "-"),
    "CommitID": COMMIT,
    "ShortCommitID": COMMIT,
    "CopyrightYear": RELEASE[:4],
}
FLAGS = (
    *("-mod=readonly", "-buildvcs=false", "-trimpath", "-tags", "kqueue", "-ldflags"),
    " ".join(["-s", "-w", *(f"-X {MODULE}/cmd.{name}={value}" for name, value in STAMPS.items())]),
)


def minio() -> Path:
    """The MinIO server program."""
    return minio_artefact().provide() / "minio"


def minio_artefact() -> Artefact:
    """MinIO as an artefact of its modules' checksums, the patch, the compiler and its flags."""
    inputs = {name: (SOURCE / name).read_bytes() for name in ("go.mod", "go.sum", "forged-signatures.patch")}
    inputs["go"] = (package_folder("go") / "VERSION").read_bytes()
    inputs["flags"] = "\n".join(FLAGS).encode()
    inputs["platform"] = f"{sys.platform} {platform.machine()}".encode()
    return Artefact("minio", inputs, _build, note="from source, about three minutes")


def _build(folder: Path) -> None:
    with workplace("minio") as place:
        environment = certificate_variables() | clean_environment(
            GOTOOLCHAIN="local", GOFLAGS="-modcacherw", GOWORK="off", CGO_ENABLED="0",
            GOPATH=str(place / "go"), GOMODCACHE=str(place / "modules"), GOCACHE=str(place / "objects"), GOTMPDIR=str(place),
        )  # fmt: skip
        for name in ("go.mod", "go.sum"):
            shutil.copyfile(SOURCE / name, place / name)
        source = _patched_source(place, environment)
        run(go(), "mod", "edit", f"-replace={MODULE}={source}", what="pinning MinIO", environment=environment, folder=place)
        run(go(), "build", *FLAGS, "-o", folder / "minio", MODULE, what="building MinIO", environment=environment, folder=place)


def _patched_source(place: Path, environment: dict[str, str]) -> Path:
    what = "downloading MinIO's source"
    answer = json.loads(run(go(), "mod", "download", "-json", MODULE, what=what, environment=environment, folder=place))
    source = place / "source"
    shutil.copytree(answer["Dir"], source)
    apply_patch((SOURCE / "forged-signatures.patch").read_text(encoding="utf-8"), source, strip=1)
    return source
