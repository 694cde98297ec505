"""YAML, TOML and JSON files, with the line and the column of everything in them."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

import yaml
from attrs import Factory, frozen

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Step: TypeAlias = str | int
Place: TypeAlias = tuple[Step, ...]
"""The keys and indices that lead to a value, from the root of a document on."""
Position: TypeAlias = tuple[int, int]
"""A line and a column, both from 1 on."""


@frozen
class Document:
    """One document of a file.

    Attributes:
        value: What it says, as plain values.
        positions: Where each key of a mapping and each item of a list stands.
        repeated: The keys that a mapping has more than once, and where the last of them stands: it counts.
    """

    value: object
    positions: Mapping[Place, Position] = Factory(dict)
    repeated: Mapping[Place, Position] = Factory(dict)

    def position(self, place: Place) -> Position:
        """Return where a value stands, or the nearest value around it whose position is known."""
        known = (self.positions.get(place[:length]) for length in range(len(place), 0, -1))
        return next((position for position in known if position is not None), (1, 1))

    def at(self, place: Place) -> object:
        """Return the value at a place.

        Raises:
            LookupError: There is none.
        """
        value: Any = self.value
        for step in place:
            if isinstance(value, Mapping):
                value = value[step if step in value else str(step)]
            elif isinstance(value, list) and isinstance(step, int):
                value = value[step]
            else:
                raise LookupError(step)
        return value


class DocumentError(ValueError):
    """A file cannot be read.

    Attributes:
        message: What is wrong.
        position: Where.
    """

    def __init__(self, message: str, position: Position = (1, 1)) -> None:
        super().__init__(message)
        self.message, self.position = message, position


def read_documents(path: Path) -> list[Document]:
    """Read every document of a file; only YAML can have several.

    Args:
        path: A file whose name ends in one of :data:`READERS`.

    Raises:
        DocumentError: It cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise DocumentError("the file is no UTF-8 text.") from None
    except OSError as error:
        raise DocumentError(f"the file cannot be read ({error.strerror}).") from None
    try:
        return READERS[path.suffix.lower()](text)
    except RecursionError:
        raise DocumentError("the file is nested too deeply.") from None


def _repeated(positions: Iterable[tuple[Place, Position]]) -> dict[Place, Position]:
    """Return the keys that are there more than once, without those inside of them."""
    seen: set[Place] = set()
    repeated: dict[Place, Position] = {}
    for place, position in positions:
        if place in seen and not any(place[:length] in repeated for length in range(1, len(place))):
            repeated[place] = position
        seen.add(place)
    return repeated


def _read_yaml(text: str) -> list[Document]:
    try:
        loader = yaml.SafeLoader(text)
        documents = []
        while loader.check_node():
            node = loader.get_node()
            repeated = _repeated(_yaml_positions(node, (), frozenset()))
            value = loader.construct_document(node)
            # Read again: construction has put the merged keys ("<<") in their place.
            documents.append(Document(value, dict(_yaml_positions(node, (), frozenset())), repeated))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        position = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise DocumentError(f"this is no valid YAML: {error.problem or error.context}.", position) from None
    except (yaml.YAMLError, ValueError):  # a character that YAML forbids; a date such as 2024-13-45
        raise DocumentError("this is no valid YAML.") from None
    return documents


def _yaml_positions(node: Any, place: Place, around: frozenset[int]) -> Iterator[tuple[Place, Position]]:
    if id(node) in around:  # an anchor inside of itself
        return
    around |= {id(node)}
    if isinstance(node, yaml.MappingNode):
        for key, item in node.value:
            inner = (*place, str(key.value))
            yield inner, (key.start_mark.line + 1, key.start_mark.column + 1)
            yield from _yaml_positions(item, inner, around)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield (*place, index), (item.start_mark.line + 1, item.start_mark.column + 1)
            yield from _yaml_positions(item, (*place, index), around)


def _read_json(text: str) -> list[Document]:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise DocumentError(f"this is no valid JSON: {error.msg}.", (error.lineno, error.colno)) from None
    except ValueError:  # a number of thousands of digits
        raise DocumentError("this is no valid JSON.") from None
    tokens = ((match[1], match.start(1)) for match in _JSON_TOKEN.finditer(text))
    positions = [*_json_positions(tokens, next(tokens)[0], (), lambda at: _line_column(text, at))]
    return [Document(value, dict(positions), _repeated(positions))]


_JSON_TOKEN: Final = re.compile(r'\s*("(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s{}\[\]:,"]+)', re.DOTALL)


def _json_positions(
    tokens: Iterator[tuple[str, int]], first: str, place: Place, locate: Callable[[int], Position]
) -> Iterator[tuple[Place, Position]]:
    """Yield the positions inside a value of a text that is valid JSON, and read its tokens up to its end.

    Args:
        tokens: The tokens after the first, with their offsets.
        first: The value's first token.
        place: Where the value is.
        locate: Returns the line and the column of an offset.
    """
    if first not in ("{", "["):
        return
    for index, (token, at) in enumerate(tokens):
        if token in ("}", "]"):
            return
        step = json.loads(token) if first == "{" else index
        yield (*place, step), locate(at)
        if first == "{":
            next(tokens)  # the colon
            token, _ = next(tokens)
        yield from _json_positions(tokens, token, (*place, step), locate)
        if next(tokens)[0] != ",":
            return


def _line_column(text: str, offset: int) -> Position:
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


def _read_toml(text: str) -> list[Document]:
    try:
        value = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        reason, _, where = str(error).partition(" (at ")
        found = re.match(r"line (\d+), column (\d+)", where)
        position = (int(found[1]), int(found[2])) if found else (text.count("\n") + 1, 1)
        raise DocumentError(f"this is no valid TOML: {reason}.", position) from None
    except ValueError:  # a number of thousands of digits
        raise DocumentError("this is no valid TOML.") from None
    return [Document(value, dict(_toml_positions(text)))]


_TOML_KEY: Final = r"""(?:[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*')"""
_TOML_DOTTED: Final = rf"{_TOML_KEY}(?:[ \t]*\.[ \t]*{_TOML_KEY})*"
_TOML_LINE: Final = re.compile(rf"[ \t]*(\[\[?)?[ \t]*({_TOML_DOTTED})[ \t]*(\]\]?|=)(.*)")
_TOML_INNER: Final = re.compile(rf"(?<=[{{,])[ \t]*({_TOML_DOTTED})[ \t]*=")


def _toml_positions(text: str) -> Iterator[tuple[Place, Position]]:
    """Yield where keys seem to stand: no reader of TOML tells it.

    Right for a key on a line of its own, and for a table's header. Of a table inside braces the keys of its first level
    are found if they are on the line of the table; what is deeper, and items of lists, count as where their key is. A
    line of a text over several lines that looks like a key is taken for one.
    """
    table: Place = ()
    tables: dict[Place, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        match = _TOML_LINE.match(line)
        if match is None:
            continue
        keys = _toml_keys(match[2])
        at = (number, match.start(2) + 1)
        if match[1]:
            table = keys
            if match[1] == "[[":
                tables[keys] = tables.get(keys, -1) + 1
            for length in range(len(keys), 0, -1):  # inside of an array of tables: its last one
                if (index := tables.get(keys[:length])) is not None:
                    table = (*keys[:length], index, *keys[length:])
                    break
            yield table, at
        elif match[3] == "=":
            for length in range(1, len(keys) + 1):
                yield (*table, *keys[:length]), at
            for inner in _TOML_INNER.finditer(match[4]):
                yield (*table, *keys, *_toml_keys(inner[1])), (number, match.start(4) + inner.start(1) + 1)


def _toml_keys(dotted: str) -> Place:
    return tuple(key.strip("\"'") for key in re.findall(_TOML_KEY, dotted))


READERS: Final[Mapping[str, Callable[[str], list[Document]]]] = {
    ".yaml": _read_yaml,
    ".yml": _read_yaml,
    ".json": _read_json,
    ".toml": _read_toml,
}
"""The readers, by the ends of the names of their files."""
