"""The reference pages that are made from the code: settings, commands, errors (``python -m infra.docs --write``)."""

import argparse
import importlib
import importlib.util
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import typer
from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo

from commonweal.errors import CommonwealError
from commonweal.settings import ROOT, Settings

DOCS = ROOT / "docs"
CLI = "commonweal.cli"
MADE = "<!-- Made by `python -m infra.docs --write`; edit the code instead. -->\n"
KINDS = {"Path": "path", "str": "text", "int": "whole number", "float": "number"}
BOUNDS = {Ge: ("ge", "≥"), Gt: ("gt", ">"), Le: ("le", "≤"), Lt: ("lt", "<")}
NOT_OURS = ("help", "install_completion", "show_completion")
# Read where no settings exist yet: before the installation, by one test fixture, and where a commit has no repository.
ELSEWHERE = {
    "COMMONWEAL_CACHE": "Folder of what an installation builds or downloads; by default `commonweal` in the user's cache folder.",
    "COMMONWEAL_CODE_VERSION": "Commit of the code, stamped on attempts and releases, where there is no git to ask.",
    "COMMONWEAL_QUICK_JAVA": "Set: Java compiles lightly only, for a stack that lives for minutes, as in a test run.",
    "COMMONWEAL_FAULTS_SEED": "Seed of the random run of faults in tests, the only one then; by default a new one.",
    "COMMONWEAL_TEST_STACK": "Run folder of a stack that tests use and leave running, for quick repeats.",
}


def main() -> None:
    """Write the pages, or check that they are what the code gives; exit code 1 if one is stale."""
    parser = argparse.ArgumentParser(description=__doc__)
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--write", action="store_true", help="write the pages")
    mode.add_argument("--check", action="store_true", help="name the pages that are stale")
    found = stale()
    if parser.parse_args().write:
        for name in found:
            (DOCS / name).write_text(pages()[name], encoding="utf-8")
            print(f"docs/{name}: written")
    elif found:
        raise SystemExit(f"stale: {', '.join(f'docs/{name}' for name in found)}; run: python -m infra.docs --write")


def pages() -> dict[str, str]:
    """Every page by its name under ``docs/``."""
    return {"settings.md": settings_page(), "cli.md": cli_page(), "errors.md": errors_page()}


def stale() -> list[str]:
    """Names of the pages that are missing or not what the code gives."""
    return [name for name, text in pages().items() if _read(DOCS / name) != text]


def settings_page() -> str:
    """Every setting with its variable, kind, default and meaning."""
    rows = [
        (f"`COMMONWEAL_{name.upper()}`", _kind(field), _default(field), field.description or "")
        for name, field in Settings.model_fields.items()
    ]
    text = """
A setting is an environment variable, or a line of `stack.env` in the run folder; the environment wins. The local stack writes
`stack.env`, which holds addresses only. A secret is never a setting: it is a file of mode 0600 in the folder of secrets, and one
that others may read is refused. Relative paths below are those of the checkout.

配置项为环境变量，或运行目录中 `stack.env` 的一行；环境变量优先。密钥不是配置项，而是密钥目录中权限为 0600 的文件。
"""
    elsewhere = _table(("variable", "what"), [(f"`{name}`", what) for name, what in ELSEWHERE.items()])
    head = ("variable", "kind", "default", "what")
    return f"# Settings · 配置\n\n{MADE}{text}\n{_table(head, rows)}\nBefore or beside the settings:\n\n{elsewhere}"


def cli_page() -> str:
    """Every command with its arguments and options; one that is announced but has no module yet is said to be missing."""
    commands: Mapping[str, str] = importlib.import_module(CLI).COMMANDS
    text = """
`commonweal COMMAND --help` says the same. A command ends with 0 or with one of the exit codes of
[errors](errors.md). `--json` gives what a program reads.

各命令的参数；退出码见 [errors](errors.md)。
"""
    parts = [part for name, summary in commands.items() for part in _command(name, summary)]
    return f"# Commands · 命令\n\n{MADE}{text}\n" + "\n".join(parts)


def errors_page() -> str:
    """The tree of errors, parents before children."""
    rows = [
        (f"{'　' * depth}`{error.__name__}`", error.exit_code, "yes" if error.retryable else "no", _first_line(error.__doc__))
        for error, depth in _tree(CommonwealError, 0)
    ]
    text = """
Sorted by what the caller does next. Each error gives the command that ends with it its exit code, and decides whether Airflow
tries the task again. A message names the dataset, the field, the rule and the count, and what to do, without any value of a row.

错误按“下一步做什么”分类；退出码即命令的结束码，也决定 Airflow 是否重试。错误信息不含任何行内数据。
"""
    others = "Beside them: 0 when all went well, 1 after a question that was answered with no, 2 when a command was called "
    others += "wrongly, 130 after Ctrl-C.\n"
    return f"# Errors · 错误\n\n{MADE}{text}\n{_table(('error', 'exit code', 'tried again', 'what it means'), rows)}\n{others}"


def _kind(field: FieldInfo) -> str:
    kind = KINDS[getattr(field.annotation, "__name__", "")]
    bounds = [f"{sign} {getattr(item, name)}" for item in field.metadata for name, sign in [BOUNDS[type(item)]]]
    return ", ".join((kind, *bounds))


def _default(field: FieldInfo) -> str:
    value = field.default
    if isinstance(value, Path):
        return f"`{value.relative_to(ROOT)}`"
    return f"`{value}`" if value != "" else "none"


def _command(name: str, summary: str) -> Iterator[str]:
    yield f"## commonweal {name}\n"
    if importlib.util.find_spec(f"{CLI}.{name}") is None:
        yield f"{summary} **Announced, and not there yet · 尚未实现**\n"
        return
    command = typer.main.get_command(importlib.import_module(f"{CLI}.{name}").app)
    children: Mapping[str, Any] = getattr(command, "commands", {})
    if children:
        yield f"{summary}\n"
    for child, inner in (children or {"": command}).items():
        yield from _usage(f"commonweal {name} {child}".strip(), inner, is_child=bool(children))


def _usage(path: str, command: Any, *, is_child: bool) -> Iterator[str]:  # noqa: ANN401 - typer gives its own click's classes
    if is_child:
        yield f"### {path}\n"
    yield f"{_paragraph(command.help)}\n"
    arguments = [_argument(item) for item in command.params if item.param_type_name == "argument"]
    yield f"    {' '.join((path, *arguments, '[OPTIONS]'))}\n"
    rows = [(f"`{_names(item)}`", _about(item)) for item in command.params if item.name not in NOT_OURS]
    if rows:
        yield _table(("argument or option", "what"), rows)


def _argument(item: Any) -> str:  # noqa: ANN401
    name = item.name.upper() + ("…" if item.nargs == -1 else "")
    return name if item.required else f"[{name}]"


def _names(item: Any) -> str:  # noqa: ANN401
    if item.param_type_name == "argument":
        return _argument(item)
    takes = "" if item.is_flag else " " + getattr(item.type, "name", "value").upper()
    return ", ".join(item.opts) + takes


def _about(item: Any) -> str:  # noqa: ANN401
    notes = ["repeatable"] if getattr(item, "multiple", False) else []
    if item.param_type_name == "option" and item.required:
        notes.append("needed" if not item.prompt else "asked for when it is not given")
    elif item.param_type_name == "option" and not item.is_flag and item.default not in (None, "", (), []):
        notes.append(f"by default `{item.default}`")
    return (item.help or "") + (f" ({'; '.join(notes)})" if notes else "")


def _tree(error: type[CommonwealError], depth: int) -> Iterator[tuple[type[CommonwealError], int]]:
    yield error, depth
    for child in sorted(error.__subclasses__(), key=lambda item: item.exit_code):
        if child.__module__ == CommonwealError.__module__:  # private ones of other modules are never seen by a caller
            yield from _tree(child, depth + 1)


def _table(head: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(str(cell).replace('|', '&#124;') for cell in line)} |\n" for line in lines)


def _first_line(text: str | None) -> str:
    return (text or "").strip().splitlines()[0]


def _paragraph(text: str | None) -> str:
    return " ".join((text or "").split("\n\n")[0].split())


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


if __name__ == "__main__":
    main()
