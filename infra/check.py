"""House rules that no linter knows: roofs on files, functions and signatures, and names that say nothing (``make check``)."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("commonweal", "streams", "jobs", "dags", "infra", "benchmarks", "tests")
FILE_LINES, FUNCTION_LINES, PARAMETERS = 300, 40, 6
# A module of such a name collects whatever has no place.
EMPTY_NAMES = frozenset({"utils", "util", "helpers", "helper", "common", "manager", "base", "misc"})

Function = ast.FunctionDef | ast.AsyncFunctionDef


def main() -> None:
    """Prints every breach with its place; exit code 1 if there is one."""
    files = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
    if not files:
        raise SystemExit("no Python file found: this check looked at nothing")
    breaches = [breach for path in files for breach in breaches_of(path.relative_to(ROOT), path.read_text(encoding="utf-8"))]
    for breach in breaches:
        print(breach)
    sys.exit(1 if breaches else 0)


def breaches_of(path: Path, text: str) -> Iterator[str]:
    """The breaches of one file, each with its line."""
    lines = text.count("\n")
    if lines > FILE_LINES:
        yield f"{path}:1 has {lines} lines; the roof is {FILE_LINES}"
    if path.stem in EMPTY_NAMES:
        yield f"{path}:1 is named after nothing; name what it holds"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, Function):
            yield from (f"{path}:{node.lineno} {node.name} {breach}" for breach in _breaches_of_function(node))


def _breaches_of_function(node: Function) -> Iterator[str]:
    lines = (node.end_lineno or node.lineno) - node.lineno + 1 - _docstring_lines(node)
    if lines > FUNCTION_LINES:
        yield f"has {lines} lines without its docstring; the roof is {FUNCTION_LINES}"
    names = [one.arg for one in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
    count = len([name for name in names if name not in {"self", "cls"}])
    if count > PARAMETERS and not _is_filled_by_name(node):
        yield f"has {count} parameters; the roof is {PARAMETERS}"


def _is_filled_by_name(node: Function) -> bool:
    """A command's parameters are its options, a test's its fixtures: nobody calls them by position."""
    if node.name.startswith("test_"):
        return True
    decorators = [item.func if isinstance(item, ast.Call) else item for item in node.decorator_list]
    return any(isinstance(item, ast.Attribute) and item.attr == "command" for item in decorators)


def _docstring_lines(node: Function) -> int:
    if ast.get_docstring(node) is None:
        return 0
    return (node.body[0].end_lineno or 0) - node.body[0].lineno + 1


if __name__ == "__main__":
    main()
