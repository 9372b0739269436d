"""The patch applier: exact or not at all."""

from pathlib import Path

import pytest

from commonweal.errors import ConfigError
from infra.install import minio_build
from infra.install.unified_diff import apply_patch, changed, parse

BEFORE = "one\ntwo\nthree\n\nfive\nsix\n"
AFTER = "one\n2\nthree\n\nfive\nfive and a half\nsix\n"
PATCH = """\
--- a/numbers.txt
+++ b/numbers.txt
@@ -1,3 +1,3 @@
 one
-two
+2
 three
@@ -4,3 +4,4 @@ a heading
 
 five
+five and a half
 six
"""  # noqa: W293 - an empty context line is one blank


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "numbers.txt").write_text(BEFORE)
    return tmp_path


def test_applies_every_hunk(folder):
    assert apply_patch(PATCH, folder, strip=1) == (folder / "numbers.txt",)
    assert (folder / "numbers.txt").read_text() == AFTER


@pytest.mark.parametrize(
    ("old", "new"),
    [("two\n", "too\n"), ("six\n", "six \n"), ("one\n", "zero\none\n"), ("six\n", "")],
    ids=["another line", "another blank", "one line off", "end missing"],
)
def test_refuses_a_hunk_that_does_not_match(folder, old, new):
    other = BEFORE.replace(old, new)
    (folder / "numbers.txt").write_text(other)
    with pytest.raises(ConfigError, match="doesn't match line"):
        apply_patch(PATCH, folder, strip=1)
    assert (folder / "numbers.txt").read_text() == other


def test_a_patch_is_applied_once(folder):
    apply_patch(PATCH, folder, strip=1)
    with pytest.raises(ConfigError, match="doesn't match"):
        apply_patch(PATCH, folder, strip=1)


def test_all_files_or_none(folder):
    second = PATCH.replace("numbers.txt", "missing.txt")
    with pytest.raises(ConfigError, match=r"missing\.txt, which is not there"):
        apply_patch(PATCH + second, folder, strip=1)
    assert (folder / "numbers.txt").read_text() == BEFORE


@pytest.mark.parametrize(
    "patch",
    [
        "",
        "@@ -1 +1 @@\n-a\n+b\n",
        PATCH.replace("-1,3 +1,3", "-1,4 +1,3"),
        PATCH.replace("-1,3 +1,3", "-1,2 +1,3"),
        PATCH[:-6],
        PATCH.replace(" three", "three"),
        PATCH + "+seven\n",
    ],
    ids=["empty", "no file", "too short", "too long", "cut", "no mark", "after the hunk"],
)
def test_refuses_a_malformed_patch(folder, patch):
    with pytest.raises(ConfigError):
        apply_patch(patch, folder, strip=1)
    assert (folder / "numbers.txt").read_text() == BEFORE


def test_minio_patch_is_whole():
    """Three files, four changes: each closes one way that was open."""
    files = parse((minio_build.SOURCE / "forged-signatures.patch").read_text())
    assert {Path(name).name: len(hunks) for name, hunks in files.items()} == {
        "handler-utils.go": 1,
        "object-handlers.go": 2,
        "object-multipart-handlers.go": 1,
    }
    for hunks in files.values():
        text = "\n" * (hunks[0].start - 1) + "\n".join(hunks[0].old)
        assert changed(text, hunks[:1], "self") != text
