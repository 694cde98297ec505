"""Random programs around a W&B entry: written by a grammar, run up to validation, and checked by mypy.

The gate is the strict validation of what reaches Tune: of each value that a search value in it can have, for each
outcome of the program's branches. A program is right if no call in it is refused whenever it is reached.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from random import Random
from types import CodeType, ModuleType
from typing import Any, Final
from unittest import mock

from attrs import frozen
from ray import tune
from ray.tune.search.sample import Categorical, Domain

from tests.support import checkers
from typed_tune_wandb import WandbSettings, WandbSettingsError

_HEAD: Final = """\
import contextlib
import sys
from typing import TYPE_CHECKING, Any
from ray import tune
from ray.tune import Tuner
from outcomes import flag
def train(config: dict[str, Any]) -> None: ...
def give(value: Any) -> Any: return value
def number() -> int: return 3
def text(value: str = "text") -> str: return value
def fix(config: dict[str, Any]) -> None: config["wandb"] = {"project": "right"}
def mend(entry: dict[str, Any]) -> None: entry.clear()
class Mending(dict[str, Any]):
    def __setitem__(self, key: str, value: Any) -> None: pass
    def update(self, *_: Any, **__: Any) -> None: pass
    def __or__(self, other: Any) -> Any: return {}
    def __ror__(self, other: Any) -> Any: return {}
    def __ior__(self, other: Any) -> Any: return {}
"""
_RIGHT: Final = {
    "project": ['"demo"', "None", "text()", 'f"{text()}"', "give('a')", "tune.choice(['a', 'b'])", "name"],
    "group": ['"a"', "None", "'a' if flag(0) else 'b'", "3 if False else 'a'", "tune.grid_search(['a'])", "name"],
    "job_type": ['"a"', "text('b')", "give(['a'])[0]", "dict(a='b')['a']", '{"grid_search": ["a", None]}', "name"],
    "mode": ['"offline"', "text('offline')", "tune.choice(['online', 'offline'])", "give('online')", "mode"],
    "tags": ["['a']", "('a', 'b')", "[*'ab']", "list('ab')", "[text()]", "[]", "[{'grid_search': ['a']}]", "tags"],
    "log_config": ["True", "None", "not flag(0)", "give(1) == 1"],
    "config": ["{}", "{'a': 1}", "dict(a=[1])", "{**give({})}", "{text(): {1: 2}}", "{'grid_search': [{}]}"],
    "unknown": ["None", "give(None)", "{'grid_search': [None]}"],
}
_WRONG: Final = {
    "project": ["3", "['a']", "number()", "True", "tune.choice(['a', 1])", "give(3)", "tune.uniform(0, 1)"],
    "group": ["1.5", "-3", "tune.grid_search(['a', 2])", "3 if flag(0) else 4", "{'grid_search': [1]}", "b'a'"],
    "job_type": ["{'a': 1}", "{1}", "[*'ab']", "len('ab')", "number()", "tune.choice(tags)"],
    "mode": ['"ofline"', "3", "tune.choice(['online', 'ofline'])", "text('ofline')", "False", "name"],
    "tags": ['"abc"', "[1]", "{'a'}", "text()", "['a', 1.5]", "','.join(['a'])", "[None, *'ab']", "{'a': 1}", "name"],
    "log_config": ['"no"', "1", "0.5", "number()", "[]"],
    "config": ["[1]", "{1: 2}", "3", "number()", "tags"],
    "unknown": ["3", "'a'", "text()", "[None]", "give(1)", "number()", "tune.choice([1])", "name"],
}
# What stands in capitals is written anew at each place.
_ENTRIES: Final = [
    *["{ITEMS}"] * 12,
    *["{}", "dict(WORDS)", "dict(entry, WORDS)", "{**entry, ITEMS}", "{ITEMS, **entry}", "entry | {ITEMS}", "[entry]"],
    *["tune.choice([{ITEMS}, {ITEMS}])", "{ITEMS} if flag(1) else entry", "entry", "entry", "entry", "entry.copy()"],
    *["give(entry)", "(entry or {})", "{**give({'mode': 'offline'}), ITEMS}", "'demo'", "{ITEMS, **give({})}"],
    *["{'grid_search': [{ITEMS}]}", "{ITEMS, ITEMS}", "{give('mode'): 'offline', ITEMS}", "{ITEMS} | entry"],
    *["Mending() | {ITEMS}", "{ITEMS} | Mending()", "tune.choice(*[[{ITEMS}]])", "{**Mending(), ITEMS}"],
]
_CONFIGS: Final = [
    *["{'lr': 0.1, 'wandb': ENTRY}"] * 12,
    *["{'wandb': ENTRY, 'wandb': ENTRY}", "{'wandb': ENTRY, **give({})}", "{**config, 'wandb': ENTRY}", "make()"],
    *["{'wandb': ENTRY, **config}", "dict(config, wandb=ENTRY)", "config | {'wandb': ENTRY}", "{**make()}", "config"],
    *["{'logger_config': {'wandb': ENTRY}}", "{give('wandb'): ENTRY}", "{'wandb': ENTRY, give('wandb'): ENTRY}"],
    *["{'wandb': ENTRY, **give({'wandb': {}})}", "copied", "give(config)", "[config][0]", "dict(wandb=ENTRY)"],
]
_STARTS: Final = [
    *["{'lr': 0.1, 'wandb': ENTRY}"] * 4,
    "{'lr': 0.1}",
    "make()",
    "{**make(), 'lr': 0.1}",
    "dict(wandb=ENTRY)",
]
_LINES: Final = [
    *["config['wandb'] = ENTRY", "config['lr'] = 0.2", "entry[KEY] = VALUE", "config.update(wandb=ENTRY)"] * 8,
    *["entry.update({ITEMS})", "entry.update(WORDS)", "entry |= {ITEMS}", "config |= {'wandb': ENTRY}"] * 4,
    *["print(config)", "print(entry, len(config))", "other = config", "pass"] * 3,
    *["config['wandb'][KEY] = VALUE", "config['wandb'].pop(KEY, None)", "entry.pop(KEY, None)", "entry.clear()"],
    *["config.setdefault('wandb', ENTRY)", "config = CONFIG", "entry = ENTRY", "copied = CONFIG", "fix(config)"],
    *["config['wandb'] = config['wandb']", "entry[give(KEY)] = VALUE", "alias = config; alias['wandb'] = ENTRY"],
    *["alias = entry; alias.clear()", "mend(entry)", "mend(config['wandb'])", "del config['wandb']", "del entry"],
    *["[mend(each) for each in [entry]]", "copied, config = config, copied", "(config := CONFIG)", "name = 'b'"],
    *["exec('fix(config)')", "globals().get('config', {}).pop('wandb', None)", "give(lambda: fix(config))()"],
    *["copied['wandb'] = entry", "copied = config", "copied |= config", "tags.append('b')", "tags[0] = 'a'"],
    *["mode = 'online'", "config['wandb'] = entry = ENTRY", "config['nested'] = config", "holder = [entry]"],
    *["for mode in ['online']: pass", "fixed = config.update; fixed(wandb=ENTRY)", "name += 'b'"],
    *["with contextlib.suppress(KeyError): entry['project'] = give({})['none']", "from outcomes import config"],
    *[
        "[(entry := ENTRY)]",
        "entry = Mending()",
        "config, *rest = [CONFIG, CONFIG]",
        "give(config.update)()",
    ],
    *["for entry in [ENTRY]: pass", "del config; config = CONFIG", "copied = {**config}", "copied = config | {}"],
    *["setattr(sys.modules[__name__], 'config', {})", "late.append(lambda: tune.run(train, config=config))"],
    *[
        "late.append(tune.run(train, config=config) for _ in 'a')",
        "for each in late: give(each)",
        "both = config = CONFIG",
    ],
]
_BLOCKS: Final = [
    *["if flag(0):\n BODY", "if flag(1):\n BODY\nelse:\n BODY", "for each in give(['tags', 'mode']):\n BODY"],
    *[
        "while flag(2):\n BODY",
        "for each in 'ab':\n config = CONFIG\n [next(x) if hasattr(x, 'send') else x() for x in late]\n BODY",
        "try:\n BODY\n give({})['none']\nexcept KeyError:\n BODY",
        "try:\n BODY\nfinally:\n BODY",
    ],
    *["with contextlib.suppress(KeyError):\n BODY\n give({})['none']\n BODY", "class Held:\n BODY"],
    *["match give(config):\n case {'wandb': entry}:\n  BODY", "def change() -> None:\n BODY\nchange()"],
    *["def change() -> None:\n OUTER config, entry\n BODY\nchange()", "if TYPE_CHECKING:\n pass\nelse:\n BODY"],
    *["if sys.version_info < (3, 8):\n BODY\nelse:\n BODY"],
]
_CALLS: Final = [
    *["tuner = tune.Tuner(train, param_space=CONFIG)", "tuner = Tuner(train, param_space=config)"] * 4,
    *["tune.run(train, config=config)", "tune.run(train, config=CONFIG)", "tune.Experiment('a', train, config=config)"],
    *["tuner = [tune.Tuner(train, param_space=config) for _ in 'a'][0]", "(lambda: tune.run(train, config=config))()"],
    *["tuner = tune.Tuner(train, param_space=config, run_config=fix(config))"],
]
_PLACES: Final = ["BODY", "if __name__ == '__main__':\n BODY", "def main() -> None:\n BODY\nmain()"]


def write(random: Random) -> str:
    """Write a program."""
    return _HEAD + _Grammar(random).program()


class _Grammar:
    """Replaces the placeholders in capitals in a template, each by something that can stand in its place."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def program(self) -> str:
        pick = self._random.choice
        start = ["entry: dict[str, Any] = {ITEMS}", "config: dict[str, Any] = " + pick(_STARTS)]
        head = ["name = 'a'", "mode = 'offline'", "tags = ['a']", "copied: dict[str, Any] = {}", "late: list[Any] = []"]
        between = [
            pick(_BLOCKS) if self._random.random() < 0.3 else pick(_LINES) for _ in range(pick([0, 0, 1, 1, 2, 3]))
        ]
        after = [pick(_BLOCKS) if self._random.random() < 0.3 else pick(_LINES) for _ in range(pick([0, 0, 0, 1]))]
        body = "\n".join([*head, *start, *between, pick(_CALLS), *after, "tuner.fit()"])
        place = pick(_PLACES)
        made = "def make(name: str = 'made') -> dict[str, Any]: return {'wandb': {ITEMS}}\n"
        text = made + _indented(place, "BODY", body)
        return self._expanded(text).replace("OUTER", "nonlocal" if "main()" in place else "global") + "\n"

    def _expanded(self, text: str) -> str:
        """Replace the placeholders one after the other, from the left."""
        options = {"ENTRY": _ENTRIES, "CONFIG": _CONFIGS, "LINE": _LINES}
        while found := _WORD.search(text):
            word = found.group()
            if word == "BODY":
                lines = [self._random.choice([*_LINES, *_BLOCKS[:2], *_CALLS[:8]]) for _ in range(2)]
                text = _indented(text, word, "\n".join(lines))
                continue
            if word in options:
                new = self._random.choice(options[word])
            elif word == "VALUE":  # of a key that is not written out
                new = self._value("mode")
            else:
                keys = [self._random.choice([*_RIGHT]) for _ in range(self._random.choice([1, 1, 2]))]
                new = {
                    "ITEMS": ", ".join(f"{key!r}: {self._value(key)}" for key in keys),
                    "WORDS": ", ".join(f"{key}={self._value(key)}" for key in dict.fromkeys(keys)),
                    "KEY": repr(keys[0]),
                }[word]
                if word == "KEY":
                    text = text.replace("VALUE", self._value(keys[0]), 1)
            text = text[: found.start()] + new + text[found.end() :] if word != "KEY" else text.replace("KEY", new, 1)
        return text

    def _value(self, key: str) -> str:
        return self._random.choice((_RIGHT if self._random.random() < 0.6 else _WRONG)[key])


_WORD: Final = re.compile(r"\b(BODY|CONFIG|ENTRY|ITEMS|KEY|LINE|VALUE|WORDS)\b")


def _indented(text: str, word: str, body: str) -> str:
    """Put lines in the place of a placeholder, at the indentation of its line."""
    before, after = text.split(word, 1)
    indentation = before[before.rfind("\n") + 1 :]
    return before + body.replace("\n", "\n" + indentation) + after


@frozen
class Verdict:
    """The problems that validation finds in a program.

    Attributes:
        problems: For each call that was reached, by its line: for each time, the keys of which the gate had a problem.
    """

    problems: dict[int, list[set[str]]]

    @property
    def is_refused(self) -> bool:
        """Whether some call is refused whenever it is reached."""
        return any(all(times) for times in self.problems.values())

    def explains(self, finding: checkers.Finding) -> bool:
        """Whether some call has the problem of an error whenever it is reached."""
        named = _NAMED.search(finding.message)
        return any(
            all((named.group(1) in keys) if named else keys for keys in times) for times in self.problems.values()
        )


_CALL: Final = re.compile(r"\b(tune\.run|Tuner|Experiment)\(")
_NAMED: Final = re.compile(r'(?:item|key) "(\w+)"')


def run(program: str) -> Verdict:
    """Run a program up to validation, once for each outcome of its branches."""
    problems: dict[int, list[set[str]]] = defaultdict(list)
    code = compile(program, "program", "exec")
    for outcomes in itertools.product([False, True], repeat=3):
        _Run(outcomes).run(code, problems)
    return Verdict(dict(problems))


class _Run:
    """One run of a program, with functions in place of Tune's that keep the configs they are given."""

    def __init__(self, outcomes: tuple[bool, ...]) -> None:
        self._outcomes = outcomes
        self._asked = [0, 0, 0]
        self._kept: list[tuple[int, object]] = []
        self._problems: dict[int, list[set[str]]] = {}

    def run(self, code: CodeType, problems: dict[int, list[set[str]]]) -> None:
        self._problems = problems
        module = ModuleType("outcomes")
        vars(module).update(flag=self._flag, config={"wandb": {"project": "right"}})
        fakes = {"Tuner": self._keep, "Experiment": self._keep, "run": self._check_now}
        with contextlib.ExitStack() as stack:
            stack.enter_context(mock.patch.dict(sys.modules, {"outcomes": module}))
            stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
            for name, fake in fakes.items():
                stack.enter_context(mock.patch.object(tune, name, fake))
            with contextlib.suppress(Exception):  # a program may fail before its call
                exec(code, {"__name__": "__main__", "TYPE_CHECKING": False, "sys": sys})
            for line, config in self._kept:  # as they were left
                problems[line].append(problems_in(config))

    def _flag(self, number: int) -> bool:
        self._asked[number] += 1
        return self._outcomes[number] and self._asked[number] < 3

    def _keep(self, *_: object, param_space: object = None, config: object = None, **__: object) -> Any:
        kept = (sys._getframe(1).f_lineno, config if param_space is None else param_space)
        self._kept.append(kept)
        return mock.Mock(fit=lambda: self._fit(kept))

    def _fit(self, kept: tuple[int, object]) -> None:
        self._kept.remove(kept)
        self._problems[kept[0]].append(problems_in(kept[1]))

    def _check_now(self, *_: object, config: object = None, **__: object) -> None:
        self._problems[sys._getframe(1).f_lineno].append(problems_in(config))


def problems_in(config: object) -> set[str]:
    """Return the keys in which validation finds a problem, in any config that a trial can get."""
    keys: set[str] = set()
    entries = (
        {key: config[key] for key in ("wandb", "logger_config") if key in config} if isinstance(config, dict) else {}
    )
    for variant in itertools.islice(_variants(entries), 64):
        if "wandb" in {**(variant.get("logger_config") or {}), **variant}:
            try:
                WandbSettings.from_config(variant)
            except WandbSettingsError as error:
                keys.update(re.split(r"[.\[]", problem.path)[0] or "<entry>" for problem in error.problems)
    return keys


def _variants(value: object) -> Iterator[Any]:
    """Yield what a value can be in a trial, search values being drawn."""
    if isinstance(value, Categorical):
        yield from itertools.chain.from_iterable(map(_variants, value.categories))
    elif isinstance(value, Domain):
        yield value.sample()
    elif isinstance(value, dict) and len(value) == 1 and isinstance(value.get("grid_search"), list):
        yield from itertools.chain.from_iterable(map(_variants, value["grid_search"]))
    elif isinstance(value, dict):
        for items in itertools.product(*map(_variants, value.values())):
            yield dict(zip(value, items, strict=True))
    elif isinstance(value, (list, tuple)):
        yield from map(type(value), itertools.product(*map(_variants, value)))
    else:
        yield value


@frozen
class Result:
    """A program, the problems that validation finds, and the plugin's errors."""

    program: str
    verdict: Verdict
    found: list[checkers.Finding]

    @property
    def is_comparable(self) -> bool:
        """Whether each call in the program was reached."""
        calls = {number for number, line in enumerate(self.program.splitlines(), 1) if _CALL.search(line)}
        return calls == self.verdict.problems.keys()

    @property
    def false_errors(self) -> list[checkers.Finding]:
        """The errors that no call explains."""
        return [finding for finding in self.found if self.is_comparable and not self.verdict.explains(finding)]


def compare(seeds: range, folder: Path, cache: Path) -> list[Result]:
    """Write programs, run each, and check all by one mypy with the plugin, and one without.

    Args:
        seeds: One for each program.
        folder: Where the programs are written.
        cache: The folder of mypy's caches.
    """
    stub = folder / "outcomes.pyi"
    stub.write_text("from typing import Any\nconfig: dict[str, Any]\ndef flag(number: int) -> bool: ...\n", "utf-8")
    paths = {f"program_{seed}.py": folder / f"program_{seed}.py" for seed in seeds}
    for seed, path in zip(seeds, paths.values(), strict=True):
        path.write_text(write(Random(seed)), encoding="utf-8")
    files = [*paths.values(), stub]
    added = Counter(checkers.mypy(files, cache / "bare", stubs=False))
    added -= Counter(checkers.mypy(files, cache / "no plugin", stubs=False, plugin=False))
    results = []
    for name, path in paths.items():
        program = path.read_text(encoding="utf-8")
        results.append(Result(program, run(program), [finding for finding in added if finding.file == name]))
    return results
