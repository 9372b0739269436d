"""The platform's settings in their ConfigMap: each exists and can be used, and none that must be set is missing."""

from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from commonweal.settings import ROOT, Settings
from infra.docs import ELSEWHERE
from infra.kubernetes.documents import Document, Problem

PREFIX = "COMMONWEAL_"
NAME = "commonweal-settings"
LOOPBACK = "127.0.0.1"


def settings_problems(document: Document) -> Iterator[Problem]:
    """What is wrong with the settings; nothing for any other document."""
    if document.kind != "ConfigMap" or document.content["metadata"]["name"] != NAME:
        return
    data = {name: value for name, value in document.content["data"].items() if name.startswith(PREFIX)}
    for name in sorted(data.keys() - _variables() - ELSEWHERE.keys()):
        yield Problem(document.name, f"data.{name}", "there is no such setting; see docs/settings.md")
    for name in sorted(must_be_set() - data.keys()):
        yield Problem(document.name, f"data.{name}", "is missing; its default is for one machine only")
    try:
        Settings(**{name.removeprefix(PREFIX).lower(): value for name, value in data.items()})
    except ValidationError as error:
        for item in error.errors():
            yield Problem(document.name, f"data.{PREFIX}{str(item['loc'][0]).upper()}", f"can't be used ({item['type']})")


def must_be_set() -> frozenset[str]:
    """Settings whose default is none, this machine, or a folder of the local stack; those of backups are optional."""
    fields = Settings.model_fields.items()
    return frozenset(f"{PREFIX}{name.upper()}" for name, field in fields if _is_local(field) and not name.startswith("backup_"))


def _is_local(field: FieldInfo) -> bool:
    default = field.default
    if isinstance(default, Path):
        return default.is_relative_to(ROOT / ".run")
    return default in ("", LOOPBACK, 0)


def _variables() -> frozenset[str]:
    return frozenset(f"{PREFIX}{name.upper()}" for name in Settings.model_fields)
