"""The mypy plugin: raw dicts as documented, checked as if they were annotated."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
from mypy import build, nodes
from mypy.options import Options
from mypy.server.subexpr import get_subexpressions

from tests.support import checkers, programs
from tests.support.mistakes import MISTAKES

PROGRAMS = Path(__file__).parent / "typing"

HEAD = """
from typing import Any
from ray import tune
from typed_tune_wandb import WandbConfigDict
def train(config: dict[str, Any]) -> None: ...
"""
# Each name stands once, in another place. Only the arguments of super() are left out: mypy's walk passes them by, and
# nothing is done to a dict there.
EVERY_PLACE = """
n1 = n2.a = n3[n4:n5:n6] = (n7, [n8, *n9]) = {n10: n11, **n12}
n13 += n14; n15: int = {n16, *n17}; del n18, n19[n20]
assert n21, n22
if n23: n24
elif n25: n26
else: n27
while n28: n29
else: n30
for n31 in n32: n33
else: n34
with n35 as n36, n37 as (n38, n39): n40
try: n41
except n42 as n43: n44
else: n45
finally: n46
try: raise n47 from n48
except* n49: n50
match n51:
    case {"a": n52, **n53} if n54: n55
    case [n56, *n57] | n58.a: n59
    case n60(n61, a=n62) as n63: n64
    case "a": n65
@n66
def f(a=n67, *b, c=n68, **d): return n69
@n70
@n71
async def g():
    async with n72: await n73
    async for n74 in n75: yield n76
    return
def h(): return (yield from n77)
class C(n78, a=n79, metaclass=n80): n81
@n82
class D(NamedTuple): a: int = n83
lambda a=n84: n85
[n86 for n87 in n88 if n89]; {n90: n91 for n92 in n93 if n94}; {n95 for a in b}; (n96 for a in b)
f(n97, *n98, a=n99, **n100); n101 if n102 else n103; not n104; n105 and n106 or n107; n108 < n109 < n110
n111 + n112; f"{n113:{n114}}{n115}"; (n116 := n117); n118.a.b; cast(int, n119); reveal_type(n120)
class E:
    @property
    def a(self): n121
    @a.setter
    def a(self, b): n122
    @overload
    def b(self) -> int: ...
    @overload
    def b(self, a: int = n123) -> int: ...
    def b(self, a: int = 1) -> int: n124
if TYPE_CHECKING: n125
else: n126
"""
EVERY_PLACE = "from typing import NamedTuple, TYPE_CHECKING, cast, overload\n" + EVERY_PLACE
WAYS = {
    "annotated": "annotated_{i}: WandbConfigDict = {entry}",
    "run": 'tune.run(train, config={{"lr": 0.1, "wandb": {entry}}})',
    "Tuner": 'tune.Tuner(train, param_space={{"wandb": {entry}}})',
    "logger_config": 'tune.Tuner(train, param_space={{"logger_config": {{"wandb": {entry}}}}})',
    "variable": 'config_{i} = {{"wandb": {entry}}}; tune.run(train, config=config_{i})',
    "search": 'tune.run(train, config={{"wandb": tune.choice([{entry}])}})',
}


@pytest.fixture(scope="module")
def cache(pytestconfig: pytest.Config) -> Path:
    assert pytestconfig.cache is not None
    return pytestconfig.cache.mkdir("mypy")


@pytest.mark.parametrize("stubs", [True, False], ids=["stubs", "no stubs"])
def test_every_way_in_is_as_good_as_an_annotation(cache: Path, tmp_path: Path, stubs: bool) -> None:
    """Each mistake that types can show has the same error, by message and code, whatever way the dict comes in."""
    program = tmp_path / "ways.py"
    lines = [way.format(i=i, entry=mistake.entry) for i, mistake in enumerate(MISTAKES) for way in WAYS.values()]
    program.write_text(HEAD + "\n".join(lines), encoding="utf-8")
    found = checkers.mypy([program], cache / ("stubs" if stubs else "bare"), stubs=stubs)
    first = len(HEAD.splitlines()) + 1
    messages: dict[int, set[str]] = {}
    for finding in found:
        messages.setdefault(finding.line - first, set()).add(f"{finding.message} [{finding.code}]")
    for index, mistake in enumerate(MISTAKES):
        by_way = [messages.get(index * len(WAYS) + way, set()) for way in range(len(WAYS))]
        assert {mistake.title: mistake.in_types} == {mistake.title: bool(by_way[0])}
        assert [by_way[0]] * len(WAYS) == by_way


@pytest.mark.parametrize("stubs", [True, False], ids=["stubs", "no stubs"])
def test_right_programs_have_no_error(cache: Path, stubs: bool) -> None:
    """No error where a config is right, or is put right before Tune reads it, with the stubs or without."""
    right = sorted((PROGRAMS / "pass").glob("raw_dicts*.py"))
    assert len(right) == 3
    assert [] == checkers.mypy(right, cache / ("stubs" if stubs else "bare"), stubs=stubs)


@pytest.mark.parametrize("stubs", [True, False], ids=["stubs", "no stubs"])
def test_mistakes_stand_at_their_lines(cache: Path, stubs: bool) -> None:
    """Each mistake that is certain has its error at its own line, with the stubs or without."""
    wrong = [PROGRAMS / "fail" / "raw_dicts.py"]
    found = [f.without_message() for f in checkers.mypy(wrong, cache / ("stubs" if stubs else "bare"), stubs=stubs)]
    assert checkers.expected("mypy", wrong) == found


def test_random_programs(cache: Path, tmp_path: Path) -> None:
    """No program that passes validation has an error of the plugin, and each error names what validation refuses."""
    results = programs.compare(range(400), tmp_path, cache)
    assert {} == {result.program: result.false_errors for result in results if result.false_errors}
    refused = [result for result in results if result.is_comparable and result.verdict.is_refused]
    found = [result for result in refused if result.found]
    # What the comparison compares: without the plugin there is nothing to find.
    assert (len(refused) > 100, len(found) > 50) == (True, True)


def test_every_name_of_a_file_is_seen() -> None:
    """A name in any place that Python's grammar has is found by mypy's walk: one that is missed could be a change."""
    options = Options()
    options.python_version, options.preserve_asts, options.incremental = (3, 12), True, False
    done = build.build([build.BuildSource("places.py", "places", EVERY_PLACE)], options)
    found = {node.name for node in get_subexpressions(done.files["places"]) if isinstance(node, nodes.NameExpr)}
    assert {*re.findall(r"\bn\d+\b", EVERY_PLACE)} == {name for name in found if re.fullmatch(r"n\d+", name)}


def test_a_parameter_that_only_the_installed_wandb_has(project: Path) -> None:
    """A key that is none of ours is no error where the installed ``wandb.init`` has that parameter."""
    (project / "wandb").mkdir()
    stub = "class Settings: ...\ndef init(project: str, brand_new: int, anonymous: int) -> None: ..."
    (project / "wandb" / "__init__.pyi").write_text(stub, encoding="utf-8")
    lines = [
        'tune.Tuner("PPO", param_space={"wandb": {"brand_new": 1}})',
        'tune.Tuner("PPO", param_space={"wandb": {"old": 1}})',
    ]
    (project / "program.py").write_text("\n".join(["from ray import tune", *lines]), encoding="utf-8")
    output = checkers.run(["mypy", "program.py"], project)
    assert ["program.py:3"] == re.findall(r"program.py:\d+(?=: error: Extra key)", output)


def test_options_of_mypy(cache: Path) -> None:
    """Options that change what a name or a type means add no error: a redefined parameter, a None of any type."""
    folder = cache / "options"
    folder.mkdir(exist_ok=True)
    made = "def made(seed: int, tags: str) -> dict[str, Any]:"
    body = '    seed = str(seed)\n    tags = tags.split(",")\n    return {"wandb": {"group": seed, "tags": tags}}'
    lines = [HEAD, made, body, 'tune.run(train, config=made(1, "a"))']
    (folder / "redefined.py").write_text("\n".join(lines), encoding="utf-8")
    lines = [
        HEAD,
        "def main(maybe: str) -> None:",
        '    tune.run(train, config={"wandb": {"nam": maybe, "group": maybe}})',
    ]
    (folder / "lax.py").write_text("\n".join(lines), encoding="utf-8")
    right = [str(path) for path in sorted((PROGRAMS / "pass").glob("raw_dicts*.py"))]
    lines = ["[mypy]", "plugins = typed_tune_wandb.mypy_plugin", "explicit_package_bases = true"]
    (folder / "mypy.ini").write_text("\n".join([*lines, f"mypy_path = {checkers.ROOT}"]), encoding="utf-8")
    for options in (["--allow-redefinition", "redefined.py"], ["--no-strict-optional", "lax.py"]):
        assert "Success" in checkers.run(["mypy", "--local-partial-types", *options, *right], folder)


def test_only_the_plugin_sees_raw_dicts(cache: Path) -> None:
    """Without the plugin mypy has nothing to say about the same mistakes."""
    wrong = PROGRAMS / "fail" / "raw_dicts.py"
    assert [] == checkers.mypy([wrong], cache / "no plugin", stubs=False, plugin=False)


def test_a_program_without_this_library(cache: Path, tmp_path: Path) -> None:
    """A program that imports Ray alone is checked as well: its logger may come by RAY_TUNE_CALLBACKS."""
    program = tmp_path / "alone.py"
    entry = '"wandb": {"projct": "a"}'
    calls = [f'ray.tune.run("PPO", config={{{entry}}})', f'ray.tune.Tuner("PPO", param_space={{{entry}}})']
    program.write_text("\n".join(["import ray.tune", *calls]), encoding="utf-8")
    found = [finding.without_message() for finding in checkers.mypy([program], cache / "bare", stubs=False)]
    assert [checkers.Finding("alone.py", line, "typeddict-unknown-key") for line in (2, 3)] == found


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A user's folder, whose mypy has the plugin."""
    (tmp_path / "mypy.ini").write_text("[mypy]\nplugins = typed_tune_wandb.mypy_plugin", encoding="utf-8")
    return tmp_path


@pytest.fixture
def daemon(project: Path) -> Iterator[Callable[[], str]]:
    """What mypy's daemon says of the programs in the folder."""
    options = ["--timeout", "300", "--"]
    yield lambda: checkers.run(["mypy.dmypy", "run", *options, *sorted(p.name for p in project.glob("*.py"))], project)
    checkers.run(["mypy.dmypy", "stop"], project)


def test_the_daemon_names_no_other_file(daemon: Callable[[], str], project: Path) -> None:
    """It keeps other files' functions, which mypy forgets: what they return is not looked into."""
    made = 'def made(given: str | int) -> dict[str, Any]:\n    return {"wandb": {"projct": given}}'
    (project / "library.py").write_text(f"from typing import Any\n\n\n{made}", encoding="utf-8")
    lines = ["from ray import tune", "from library import made", 'tune.Tuner("PPO", param_space=made(1))']
    (project / "program.py").write_text("\n".join(lines), encoding="utf-8")
    assert "Success: no issues found in 2 source files" in daemon()
    (project / "program.py").write_text("\n".join([*lines, lines[2]]), encoding="utf-8")
    assert "Success: no issues found in 2 source files" in daemon()


@pytest.mark.skipif(
    version("mypy").startswith("1.15."), reason="its daemon crashes over these changes without the plugin as well"
)
def test_the_daemon_reads_a_changed_file_anew(daemon: Callable[[], str], project: Path) -> None:
    """What was found out of a file's tree does not outlive it, nor a change of another file that it depends on."""
    program, library = project / "program.py", project / "library.py"
    lines = ["from ray import tune", "from library import pick", 'config = {"wandb": {"mode": pick(["ofline"])}}']
    call = 'tune.Tuner("PPO", param_space=config)'
    library.write_text("from ray.tune import choice as pick", encoding="utf-8")
    program.write_text("\n".join([*lines, call]), encoding="utf-8")
    assert "program.py:3: error: Incompatible types" in daemon()
    library.write_text("def pick(modes: list[str]) -> str:\n    return modes[0]", encoding="utf-8")
    assert "Success" in daemon()
    program.write_text("\n".join([*lines, 'config["wandb"] = {"projct": 1}', call]), encoding="utf-8")
    assert "program.py:4: error: Extra key" in daemon()
    program.write_text("\n".join([*lines, 'config["wandb"] = {"project": "a"}', call]), encoding="utf-8")
    assert "Success" in daemon()


def test_without_installed_packages(project: Path) -> None:
    """``--no-site-packages`` hides Ray and this library alike: the plugin adds no error that a user cannot silence."""
    program = project / "program.py"
    program.write_text("import ray  # type: ignore[import-not-found]", encoding="utf-8")
    output = checkers.run(["mypy", "--no-site-packages", program.name], project)
    assert "Success: no issues found in 1 source file\n" == output
