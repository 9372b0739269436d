"""A department that exists for tests of access only, so that no record reaches a dataset that others land."""

import shutil
from collections.abc import Iterator

import pytest

from commonweal.settings import Settings

GUEST = "access_guest"
SYSTEMS = ("postgres", "minio", "kafka")


@pytest.fixture(scope="module")
def guest(stack, tmp_path_factory) -> Iterator[Settings]:
    """Settings whose contracts have the department and its dataset ``service_request`` more, applied; taken back at the end."""
    from commonweal import bus
    from commonweal.apply import apply

    folder = tmp_path_factory.mktemp("guest") / "schemas"
    shutil.copytree(stack.settings.schemas_dir, folder)
    with (folder / "_departments.yaml").open("a") as register:
        register.write(f"  - {{id: {GUEST}, title: {{en: Guest, zh: 来宾}}, role: department}}\n")
    contract = (folder / "hotline" / "service_request.yaml").read_text()
    (folder / GUEST).mkdir()
    (folder / GUEST / "service_request.yaml").write_text(contract.replace("hotline", GUEST))
    settings = stack.settings.model_copy(update={"schemas_dir": folder})
    apply(settings, only=SYSTEMS)
    yield settings
    topic = f"{GUEST}.service_request.v1"
    with bus.admin(stack.settings, "admin") as admin:
        admin.delete_topics([topic, f"commonweal.repair.{topic}"])
    apply(stack.settings, only=SYSTEMS)
    for name in (f"kafka-dept-{GUEST}", f"postgres-dept_{GUEST}"):
        (stack.settings.secrets_dir / name).unlink()
