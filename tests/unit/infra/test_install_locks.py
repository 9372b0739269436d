"""What is locked: every input by hash, no registry's address, and what is wanted is what is locked."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from commonweal.errors import ConfigError
from infra.install import environment, jars

ROOT = Path(__file__).resolve().parents[3]
LOCKS = (
    "requirements.lock",
    "infra/install/uv.lock",
    "infra/jars/jars.lock",
    "infra/jars/crds/jars.lock",
    "infra/browser/package-lock.json",
    "infra/minio/go.sum",
)
WANTED = (
    *("requirements.in", "infra/jars/ivy.xml", "infra/jars/crds/ivy.xml", "infra/browser/package.json", "infra/browser/.npmrc"),
    "infra/minio/go.mod",
)
# An address, an index option, or npm's and Ivy's words for where something comes from.
PLACE = re.compile(r"https?://(?!github\.com/sponsors/)|--(extra-)?index|--find-links|\"resolved\"|<url|resolver", re.IGNORECASE)
PACKAGE = re.compile(r"^([a-z0-9-]+)(?:\[[a-z,-]+\])?==(\S+) \\$", re.MULTILINE)


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", LOCKS + WANTED)
def test_no_file_names_a_registry(name):
    found = {line for line in read(name).splitlines() if PLACE.search(line) and '"url": "https://opencollective' not in line}
    assert found == set()


@pytest.mark.parametrize("name", ["requirements.lock", "infra/install/uv.lock"])
def test_every_package_has_one_version_and_a_hash(name):
    blocks = re.split(r"\n(?=[a-z0-9])", read(name))
    assert blocks
    for block in blocks:
        assert PACKAGE.match(block), block.splitlines()[0]
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", block), block.splitlines()[0]


def test_nothing_is_installed_without_its_hash():
    assert len(environment.FROM_REGISTRIES) == 2
    assert all("--require-hashes" in command for command in environment.FROM_REGISTRIES)
    assert {"--no-deps", "--no-build-isolation"} <= set(environment.OURSELVES)


def test_the_lock_answers_the_requirements():
    wanted = [Requirement(line) for line in read("requirements.in").splitlines() if line and not line.startswith("#")]
    locked = dict(PACKAGE.findall(read("requirements.lock")))
    assert wanted
    for one in wanted:
        assert one.specifier.contains(locked[canonicalize_name(one.name)]), one


def test_uv_is_the_one_of_the_requirements():
    (first,) = PACKAGE.findall(read("infra/install/uv.lock"))
    assert first[0] == "uv"
    assert first in PACKAGE.findall(read("requirements.lock"))


def test_every_jar_has_a_checksum():
    locked = jars.locked()
    assert locked
    for name, checksum in locked.items():
        assert re.fullmatch(r"(broker|spark)/[\w.-]+\.jar", name)
        assert re.fullmatch(r"[0-9a-f]{64}", checksum)


def test_the_wanted_jars_are_the_locked_ones():
    wanted = ElementTree.parse(jars.SOURCE / "ivy.xml").findall(".//dependency")
    names = {f"{one.attrib['conf'].split('->')[0]}/{one.attrib['name']}-{one.attrib['rev']}.jar" for one in wanted}
    assert names
    assert names <= jars.locked().keys()
    # Nothing but the wanted may reach Spark's class path.
    assert {name for name in names if name.startswith("spark/")} == {name for name in jars.locked() if name.startswith("spark/")}


def test_the_jars_that_make_the_resource_definitions_are_locked_and_no_others():
    wanted = ElementTree.parse(jars.CRDS.source / "ivy.xml").findall(".//dependency")
    assert all(one.attrib["transitive"] == "false" for one in wanted)
    locked = jars.locked(jars.CRDS.source / "jars.lock")
    assert locked.keys() == {f"crds/{one.attrib['name']}-{one.attrib['rev']}.jar" for one in wanted} != set()
    assert all(re.fullmatch(r"[0-9a-f]{64}", checksum) for checksum in locked.values())


def test_every_npm_package_has_a_hash_and_the_wanted_version():
    packages = json.loads(read("infra/browser/package-lock.json"))["packages"]
    wanted = json.loads(read("infra/browser/package.json"))
    assert all(package["integrity"].startswith("sha512-") for name, package in packages.items() if name)
    for name, version in (wanted["dependencies"] | wanted["devDependencies"]).items():
        assert packages[f"node_modules/{name}"]["version"] == version


@pytest.fixture
def folder(tmp_path):
    for group in jars.GROUPS:
        (tmp_path / group).mkdir()
        (tmp_path / group / f"{group}-1.0.jar").write_bytes(group.encode())
    return tmp_path


def test_the_locked_jars_pass(folder):
    jars.verify(folder, jars.checksums(folder))


def test_a_corrupted_jar_is_refused(folder):
    expected = jars.checksums(folder)
    (folder / "spark" / "spark-1.0.jar").write_bytes(b"spbrk")
    with pytest.raises(ConfigError, match=r"1 of 2 jars .*: spark/spark-1\.0\.jar; "):
        jars.verify(folder, expected)


def test_a_missing_and_an_unexpected_jar_are_refused(folder):
    expected = jars.checksums(folder)
    (folder / "broker" / "broker-1.0.jar").rename(folder / "broker" / "other-1.0.jar")
    with pytest.raises(ConfigError, match=r"broker/broker-1\.0\.jar, broker/other-1\.0\.jar"):
        jars.verify(folder, expected)
