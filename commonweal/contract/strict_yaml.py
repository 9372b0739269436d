"""YAML that can only mean one thing: contracts come from departments and are data, never code.

Read from the parser's events, so nothing is built before it was checked: no anchors, aliases, tags or second documents, no
duplicate keys, bounded size and depth. A plain scalar is null, true, false or a decimal number only where JSON would say so;
``NO``, ``12:30`` and ``2024-01-01`` are texts (YAML 1.2), and a number in any other notation (``007``, ``0x1F``) must be quoted.
"""

import re
from collections.abc import Iterator
from typing import NoReturn

import yaml

MAX_BYTES = 1_000_000
MAX_DEPTH = 24
MAX_NODES = 50_000
MAX_INTEGER = 2**53 - 1  # beyond it two readers of JSON may not see the same number (RFC 8785 refuses it)

_WORDS: dict[str, object] = {"": None, "~": None, "null": None, "true": True, "false": False}
_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]{0,17})\.[0-9]{1,17}")
_AMBIGUOUS = re.compile(
    r"[-+]?(0[0-9_]+|0x[0-9a-fA-F_]+|0o[0-7_]+|0b[01_]+|[0-9][0-9_]*|\.?[0-9][0-9_]*\.?[0-9_]*([eE][-+]?[0-9]+)?)|[-+]?\.(inf|nan)",
    re.I,
)


class StrictYamlError(ValueError):
    """The text is not strict YAML.

    Attributes:
        rule: Stable name of the rule that was broken.
        line: Line of the text, from 1.
        cure: What is wrong and what to do.
    """

    def __init__(self, rule: str, line: int, cure: str) -> None:
        super().__init__(f"line {line}: [{rule}] {cure}")
        self.rule, self.line, self.cure = rule, line, cure


def read_yaml(text: str) -> object:
    """The value that a strict YAML text holds: mappings, lists, texts, numbers, booleans, null.

    Raises:
        StrictYamlError: The text is too long or too deep, or says something in a way that can be misread.
    """
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise StrictYamlError("yaml_size", 1, f"longer than {MAX_BYTES} bytes; split the contract")
    return _Builder(_events(text)).document()


def _events(text: str) -> Iterator[yaml.Event]:
    try:
        yield from yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise StrictYamlError("yaml_syntax", line, f"{error.problem or 'not YAML'}; correct the line") from None
    except yaml.YAMLError:
        raise StrictYamlError("yaml_syntax", 1, "a character that YAML does not allow; save the file as plain UTF-8") from None


class _Builder:
    """Builds the value from events, checking each before anything is made of it."""

    def __init__(self, events: Iterator[yaml.Event]) -> None:
        self._events = events
        self._nodes = 0

    def document(self) -> object:
        self._next()  # the stream's start
        if not isinstance(self._next(), yaml.DocumentStartEvent):
            raise StrictYamlError("yaml_empty", 1, "the file is empty; write the contract")
        value = self._value(self._next(), 0)
        self._next()  # the document's end
        event = self._next()
        if not isinstance(event, yaml.StreamEndEvent):
            _refuse(event, "yaml_documents", "a second document; one file holds one document")
        return value

    def _next(self) -> yaml.Event:
        return next(self._events)

    def _value(self, event: yaml.Event, depth: int) -> object:
        self._check(event, depth)
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(depth + 1)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(depth + 1)
        if isinstance(event, yaml.ScalarEvent):
            return _scalar(event)
        raise AssertionError(type(event))

    def _check(self, event: yaml.Event, depth: int) -> None:
        self._nodes += 1
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            _refuse(event, "yaml_alias", "an anchor or alias; write the value out")
        if getattr(event, "tag", None):
            _refuse(event, "yaml_tag", "a tag (!…); remove it")
        if depth > MAX_DEPTH or self._nodes > MAX_NODES:
            _refuse(event, "yaml_size", f"deeper than {MAX_DEPTH} levels or more than {MAX_NODES} values; simplify the contract")

    def _mapping(self, depth: int) -> dict[str, object]:
        found: dict[str, object] = {}
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            key = self._value(event, depth)
            if not isinstance(key, str):
                _refuse(event, "yaml_key", "a key that is not a text; quote it")
            if key in found:
                _refuse(event, "yaml_duplicate_key", f"key {key[:60]!r} stands twice; keep one")
            found[key] = self._value(self._next(), depth)
        return found

    def _sequence(self, depth: int) -> list[object]:
        found = []
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            found.append(self._value(event, depth))
        return found


def _scalar(event: yaml.ScalarEvent) -> object:
    text: str = event.value
    if event.style:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text) and abs(int(text)) <= MAX_INTEGER:
        return int(text)
    if _DECIMAL.fullmatch(text):
        return float(text)
    if _AMBIGUOUS.fullmatch(text):
        _refuse(event, "yaml_number", "a number in a notation that can be misread; quote it, or write it as 12 or 1.5")
    return text


def _refuse(event: yaml.Event, rule: str, cure: str) -> NoReturn:
    raise StrictYamlError(rule, event.start_mark.line + 1 if event.start_mark else 1, cure)
