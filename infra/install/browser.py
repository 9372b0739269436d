"""A headless Chromium for tests and screenshots, and the Chinese font of the pages, both from npm (see ``infra/browser``)."""

import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from infra.install.cache import Artefact, cache_folder, workplace
from infra.install.network import certificate_variables
from infra.install.programs import clean_environment, npm, run

SOURCE = Path(__file__).resolve().parent.parent / "browser"
FILES = ("package.json", "package-lock.json", ".npmrc")


@dataclass(frozen=True)
class ChromiumPaths:
    """Where Chromium is.

    Attributes:
        executable: The program.
        libraries: The folder for ``LD_LIBRARY_PATH``: libraries that a bare machine lacks.
    """

    executable: Path
    libraries: Path


def chromium() -> ChromiumPaths:
    """The headless Chromium; how it is started stands in ``infra/browser/README.md``."""
    folder = chromium_artefact().provide()
    return ChromiumPaths(folder / "chromium", folder / "al2023" / "lib")


def chinese_font() -> Path:
    """The folder of Noto Sans SC: style sheets, and under ``files`` the font in pieces by range of characters."""
    return font_artefact().provide() / "noto-sans-sc"


def chromium_artefact() -> Artefact:
    """Chromium as an artefact of the locked npm packages."""
    return Artefact("chromium", _inputs(), _build_chromium, note="download of 70 MB")


def font_artefact() -> Artefact:
    """The font as an artefact of the locked npm packages."""
    return Artefact("font", _inputs(), _build_font, note="download of 80 MB")


def _inputs() -> dict[str, bytes]:
    return {name: (SOURCE / name).read_bytes() for name in FILES}


@contextmanager
def _packages(name: str, *options: str) -> Iterator[Path]:
    with workplace(name) as place:
        for file in FILES:
            shutil.copyfile(SOURCE / file, place / file)
        environment = certificate_variables() | clean_environment()
        # Scripts of packages are not run: what we want is data.
        command = (*npm(), "ci", "--ignore-scripts", "--cache", str(cache_folder() / "npm"), *options)
        run(*command, what=f"downloading {name} with npm", environment=environment, folder=place)
        yield place / "node_modules"


def _build_chromium(folder: Path) -> None:
    import brotli

    with _packages("chromium") as packages:
        packed = packages / "@sparticuz" / "chromium" / "bin"
        executable = folder / "chromium"
        executable.write_bytes(brotli.decompress((packed / "chromium.br").read_bytes()))
        executable.chmod(0o755)
        for name, target in (("al2023", folder / "al2023"), ("swiftshader", folder)):
            content = BytesIO(brotli.decompress((packed / f"{name}.tar.br").read_bytes()))
            with tarfile.open(fileobj=content) as archive:
                archive.extractall(target, filter="data")


def _build_font(folder: Path) -> None:
    with _packages("font", "--omit=dev") as packages:
        shutil.copytree(packages / "@fontsource" / "noto-sans-sc", folder / "noto-sans-sc")
