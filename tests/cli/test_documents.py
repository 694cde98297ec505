"""Where things stand in YAML, JSON and TOML files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet

from typed_tune_wandb.cli._documents import Document, DocumentError, Place, read_documents
from typed_tune_wandb.cli._entries import check_entry, find_entries, parse_place
from typed_tune_wandb.cli._installation import judged
from typed_tune_wandb.cli._surroundings import look_at_folder


def read(name: str, text: str) -> list[Document]:
    Path(name).write_text(text, encoding="utf-8")
    return read_documents(Path(name))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=12,
)


def places(value: object, place: Place = ()) -> list[Place]:
    """Every place in a value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [inner for key, item in items for inner in ((*place, key), *places(item, (*place, key)))]


@given(VALUES, st.sampled_from([None, 0, 2, "\t"]), st.booleans())
def test_json_has_the_position_of_everything(value: object, indent: int | str | None, ascii: bool) -> None:
    """At each position stands what is said to stand there."""
    text = json.dumps(value, indent=indent, ensure_ascii=ascii)
    (document,) = read("any.json", text)
    assert value == document.value
    assert {*places(value)} == {*document.positions}
    lines = text.split("\n")
    for place, (line, column) in document.positions.items():
        named = place[-1] if isinstance(place[-1], str) else document.at(place)
        rest = "\n".join([lines[line - 1][column - 1 :], *lines[line:]])
        assert named == json.JSONDecoder().raw_decode(rest)[0]


def test_yaml() -> None:
    """Block and flow style, anchors, merged keys, several documents, and an anchor inside of itself."""
    text = "base: &base\n  mode: offline\nwandb:\n  <<: *base\n  tags: [a,\n    b]\n---\nx: &x\n  - *x\n"
    first, second = read("a.yaml", text)
    assert (2, 3) == first.position(("wandb", "mode"))
    assert (5, 10) == first.position(("wandb", "tags", 0))
    assert (6, 5) == first.position(("wandb", "tags", 1))
    assert (3, 1) == first.position(("wandb", "nothing", "at", "all"))
    assert (1, 1) == first.position(("nothing",))
    assert (8, 1) == second.position(("x",))


def test_toml() -> None:
    """Headers, dotted keys, quoted keys, tables in braces and arrays of tables."""
    text = (
        "[tune.config.wandb]\nproject = 'p'\n  settings.console = 'off'\n"
        "\"mode\" = 'x'\nconfig = {lr = 1, \"b\" = 2}\ntags = [\n 'a', # c = 3\n]\n[[runs]]\na = 1\n[[runs]]\na = 2\n"
        "[runs.deep]\nb = 1\n"
    )
    (document,) = read("a.toml", text)
    entry = ("tune", "config", "wandb")
    expected = {
        entry: (1, 2),
        (*entry, "project"): (2, 1),
        (*entry, "settings", "console"): (3, 3),
        (*entry, "mode"): (4, 1),
        (*entry, "config", "lr"): (5, 11),
        (*entry, "config", "b"): (5, 19),
        (*entry, "tags", 0): (6, 1),
        ("runs", 1, "a"): (12, 1),
        ("runs", 1, "deep", "b"): (14, 1),
    }
    assert expected == {place: document.position(place) for place in expected}


@pytest.mark.parametrize(
    ("name", "text", "position", "kind"),
    [
        ("a.yaml", "a: 1\nb: [\n", (3, 1), "YAML"),
        ("a.yml", "a: !env KEY\n", (1, 4), "YAML"),
        ("a.yaml", "a: 2024-13-45\n", (1, 1), "YAML"),
        ("a.yaml", "a: \x00\n", (1, 1), "YAML"),
        ("a.json", '{\n "a": }', (2, 7), "JSON"),
        ("a.json", "", (1, 1), "JSON"),
        ("a.json", "1" * 5000, (1, 1), "JSON"),
        ("a.json", "[" * 100_000, (1, 1), "nested"),
        ("a.toml", "a = 1\nb = \n", (2, 5), "TOML"),
        ("a.toml", "a = [1", (1, 1), "TOML"),
    ],
)
def test_files_that_cannot_be_read(name: str, text: str, position: tuple[int, int], kind: str) -> None:
    """The place and what kind of file it is no valid one of."""
    with pytest.raises(DocumentError, match=kind) as caught:
        read(name, text)
    assert position == caught.value.position


def test_no_text() -> None:
    """Bytes that are no UTF-8; a byte order mark is one."""
    Path("a.json").write_bytes(b"\xff\xfe")
    with pytest.raises(DocumentError, match="no UTF-8"):
        read_documents(Path("a.json"))
    Path("b.json").write_bytes(b'\xef\xbb\xbf{"wandb": {}}')
    assert [{"wandb": {}}] == [document.value for document in read_documents(Path("b.json"))]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ({"wandb": {}}, ["wandb"]),
        ({"wandb": {"config": {"wandb": {}}}}, ["wandb"]),
        ({"logger_config": {"wandb": {}}}, ["logger_config.wandb"]),
        ({"config": {"wandb": {}}, "b": {"config": {"wandb": {}}}}, ["config.wandb", "b.config.wandb"]),
        ({"a": {"param_space": {"train_loop_config": {"wandb": {}}}}}, ["a.param_space.train_loop_config.wandb"]),
        ({"env": {"b": {"config": {"wandb": {}}}}}, []),
        ([{"wandb": {}}], []),
        ({"wandb": None, "config": None}, []),
    ],
)
def test_where_entries_are_found(content: object, found: list[str]) -> None:
    """In what Tune, RLlib and Ray Train read as a config; an entry's own config is none."""
    Path("a.json").write_text(json.dumps(content))
    entries, problems = find_entries(Path("a.json"), None)
    assert found == [".".join(map(str, entry.place)) for entry in entries]
    assert bool(problems) is not bool(entries)


def test_two_entries_in_one_config_are_a_problem() -> None:
    """As for Tune."""
    Path("a.json").write_text('{"wandb": {}, "logger_config": {"wandb": {}}}')
    _, problems = find_entries(Path("a.json"), None)
    assert ["a.json:1:1: wandb: there are two W&B entries, here and in logger_config: keep one."] == [
        *map(str, problems)
    ]


@pytest.mark.parametrize(
    ("name", "text", "shown"),
    [
        ("a.yaml", "wandb:\n  mode: offline\n  mode: online\n", ["3:3: mode"]),
        ("a.yaml", "wandb: {mode: offline}\nwandb:\n  mode: online\n", ["2:1: the W&B entry"]),
        ("a.yaml", "wandb: {config: {a: 1, b: {c: 1}, a: 2, b: {c: 2}}}\nlr: 1\nlr: 2\n", ["1:35", "1:41"]),
        ("a.yaml", "x: &x {mode: offline}\ny: &y {mode: online}\nwandb:\n  <<: [*x, *y]\n  mode: online\n", []),
        ("a.json", '{"config": {"wandb": {"id": "a",\n"id": "a"}}}', ["2:1: id"]),
        ("a.json", '{"config": {}, "config": {"wandb": {}}}', ["1:16: the W&B entry"]),
        ("a.json", '{"config": {"a": 1, "a": 2, "wandb": {}}}', []),
    ],
)
def test_a_key_that_is_there_twice(name: str, text: str, shown: list[str]) -> None:
    """In an entry or on the way to it; merged keys are none."""
    Path(name).write_text(text)
    ((entry,), _) = find_entries(Path(name), None)
    problems = [str(problem) for problem in check_entry(Path(name), entry)]
    assert len(shown) == len(problems)
    for expected, problem in zip(shown, problems, strict=True):
        assert problem.startswith(f"{name}:{expected}")
        assert problem.endswith("is given twice: keep one.")


def test_places() -> None:
    """A number is an index, or a key."""
    assert ("a", 0, "b") == parse_place("a.0.b")
    assert 1 == Document({"a": [{"b": 1}]}).at(("a", 0, "b")) == Document({"a": {"0": 1}}).at(("a", 0))
    for place in (("b",), ("a", 1), ("a", 0, "b", "c")):
        with pytest.raises(LookupError):
            Document({"a": [{"b": 1}]}).at(place)


def test_versions() -> None:
    """Too old, missing, newer than tested, and right."""
    needed = SpecifierSet(">=2.51")
    assert (False, "not supported: >=2.51 is needed") == (
        (part := judged("ray", "2.9.0", needed)).supported,
        part.note,
    )
    assert (False, "not installed: >=2.51 is needed") == ((part := judged("ray", None, needed)).supported, part.note)
    assert (True, "supported") == ((part := judged("ray", "2.51.1", needed)).supported, part.note)
    assert judged("ray", "99.0.0.dev0", needed).note.startswith("newer than")
    assert judged("Python", "3.14.0rc1", SpecifierSet(">=3.10")).supported


def test_folders(tmp_path: Path) -> None:
    """One that is not there yet counts as the nearest one above it; a file is none."""
    assert look_at_folder(tmp_path / "a" / "b").is_right
    (tmp_path / "file").write_text("")
    assert "cannot be written" == look_at_folder(tmp_path / "file" / "b").text
