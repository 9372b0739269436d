"""Writes the locks of jars and npm packages anew, from what is wanted: ``make lock``, then read the diff."""

import shutil

from infra.install import browser, jars
from infra.install.cache import workplace
from infra.install.network import certificate_variables
from infra.install.programs import clean_environment, npm, run


def write_jars_lock() -> None:
    """Downloads the jars of each ``ivy.xml`` and writes the checksum of each jar."""
    for wanted in (jars.STACK, jars.CRDS):
        with workplace("jars-lock") as place:
            jars.resolve(place / "jars", wanted)
            lines = [f"{checksum}  {name}" for name, checksum in jars.checksums(place / "jars", wanted).items()]
        (wanted.source / "jars.lock").write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_npm_lock() -> None:
    """Lets npm write ``package-lock.json``; ``.npmrc`` beside it keeps registry addresses out."""
    with workplace("npm-lock") as place:
        for name in browser.FILES:
            shutil.copyfile(browser.SOURCE / name, place / name)
        environment = certificate_variables() | clean_environment()
        run(*npm(), "install", "--package-lock-only", "--ignore-scripts", what="npm", environment=environment, folder=place)
        shutil.copyfile(place / "package-lock.json", browser.SOURCE / "package-lock.json")


if __name__ == "__main__":
    write_jars_lock()
    write_npm_lock()
