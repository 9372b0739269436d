"""What the gate says, from the files under ``translations``: one per language, the same keys and placeholders in each."""

import math
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources

from commonweal.contract.model import Text

LANGUAGES = ("en", "zh")


@cache
def translations(language: str) -> dict[str, dict[str, str]]:
    """All entries of one language, by check."""
    file = resources.files("commonweal.gate").joinpath("translations", f"{language}.toml")
    return tomllib.loads(file.read_text("utf-8"))


def worded(entry: str, part: str, **values: Text | str | int) -> Text:
    """One text with its values filled in, in both languages.

    Args:
        entry: A check, or ``page``.
        part: ``sentence`` or ``cure`` of a check; any key of the page.
        values: What stands for the placeholders; a ``Text`` gives each language its own.
    """
    filled = {language: translations(language)[entry][part].format(**_in(language, values)) for language in LANGUAGES}
    return Text(**filled)


def worded_page(key: str, **values: Text | str | int) -> Text:
    """One text of the report's page."""
    return worded("page", key, **values)


def percent(share: float) -> str:
    """A share as people read it; a small one never reads as none, one below the whole never as all."""
    if not math.isfinite(share):
        return "–"
    if 0 < share < 0.0001:
        return "<0.01%"
    if 0.9999 < share < 1:
        return ">99.99%"
    return f"{share * 100:.2f}".rstrip("0").rstrip(".") + "%"


def _in(language: str, values: Mapping[str, object]) -> dict[str, str]:
    def one(value: object) -> str:
        if isinstance(value, Text):
            return str(getattr(value, language))
        return f"{value:,}" if isinstance(value, int) else str(value)

    return {name: one(value) for name, value in values.items()}
