"""The ``WANDB_...`` variables that reach a run: what wandb refuses is a mistake, named before the first trial."""

from __future__ import annotations

import pytest
import wandb

from tests.support.mistakes import KEY
from typed_tune_wandb import WandbSettingsError
from typed_tune_wandb.settings import _environment as environment_module
from typed_tune_wandb.settings import check_environment, validate_environment

TEXTS = (
    *("", "true", "maybe", "1", "1.5", "2.0", "1e3", "nan", "-3", "off", "offline", "ofline", "a,b", " 1 ", "1_000"),
    *("YES", "allow", "must", "auto", "{}", "a?_step=1", "http://localhost", "create_new", "x" * 65, KEY),
)
SPECIAL = {"root_dir": "WANDB_DIR", "run_tags": "WANDB_TAGS", "run_name": "WANDB_NAME", "run_notes": "WANDB_NOTES"}
# The key is checked with the credentials; nothing is read of anonymous; no text is a function.
OTHERS = {"api_key", "anonymous", "stop_fn"}
# Where this library is stricter than the client, as for the keys of an entry: the server refuses them.
STRICTER = {("WANDB_PROJECT", " 1 "), *(("WANDB_ENTITY", text) for text in (" 1 ", "a?_step=1", "http://localhost"))}


def takes(field: str, value: object) -> bool:
    """Whether the installed wandb takes a value."""
    try:
        wandb.Settings(**{field: value})  # type: ignore[arg-type]  # any field
    except Exception:
        return False
    return True


# What wandb refuses by now, and this library with any wandb.
REFUSED_LATER = {field for field, value in {"run_id": "a,b", "run_tags": ("",)}.items() if takes(field, value)}


def variable_of(field: str) -> str:
    return SPECIAL.get(field) or ("WANDB__" + field[2:] if field.startswith("x_") else "WANDB_" + field).upper()


@pytest.mark.parametrize("field", sorted(set(wandb.Settings.model_fields) - OTHERS))
def test_what_wandb_refuses(field: str) -> None:
    """Every variable that wandb reads, with texts of every kind: the mistakes are those for which wandb ends a run."""
    variable = variable_of(field)
    for text in TEXTS:
        known = wandb.Settings()
        try:
            known.update_from_env_vars({variable: text})
            refused = (variable, text) in STRICTER
        except Exception:
            refused = True
        found = None
        try:
            check_environment({variable: text})
        except WandbSettingsError as error:
            found = error
            refused = refused or field in REFUSED_LATER
        assert (variable, text, refused) == (variable, text, found is not None)
        if found is not None:
            assert {variable} == {problem.path.partition("[")[0] for problem in found.problems}
            assert "the environment" == found.source
            assert KEY not in str(found)


@pytest.mark.parametrize(
    ("variable", "text", "expected"),
    [
        ("WANDB_MODE", "ofline", 'got another str. Did you mean "offline"?'),
        ("WANDB_MODE", "", "got an empty str."),
        ("WANDB_TAGS", f"a,{'b' * 65}", "WANDB_TAGS[1]: expected 1 to 64 characters, got 65."),
        ("WANDB_RESUME", "alow", 'Did you mean "allow"?'),
        ("WANDB_RESUME_FROM", "run", "WANDB_RESUME_FROM: expected a moment of a run."),
        ("WANDB_FORK_FROM", "run", "WANDB_FORK_FROM: expected a moment of a run."),
        ("WANDB_RUN_ID", "a/b", "WANDB_RUN_ID: has a character that W&B refuses"),
        ("WANDB_PROJECT", "team/mnist", "WANDB_PROJECT: has a character that W&B refuses"),
        ("WANDB_PROJECT_NAME", "team/mnist", "WANDB_PROJECT_NAME: has a character that W&B refuses"),
        ("WANDB_ENTITY", " ", "WANDB_ENTITY: expected a name"),
        ("WANDB_CONSOLE", "nowhere", "WANDB_CONSOLE: expected "),
        ("WANDB_QUIET", "maybe", 'WANDB_QUIET: expected a bool, such as "true" or "false".'),
        ("WANDB_INIT_TIMEOUT", "long", "WANDB_INIT_TIMEOUT: expected a number."),
        ("WANDB_HTTP_TIMEOUT", "long", "WANDB_HTTP_TIMEOUT: expected a number."),
        ("WANDB_CONFIG_PATHS", "a.yaml", "WANDB_CONFIG_PATHS: wandb cannot read this setting from a variable"),
    ],
)
def test_each_is_named(variable: str, text: str, expected: str) -> None:
    """With the variable as its path, and what was probably meant."""
    (problem,) = validate_environment({variable: text})
    assert expected in str(problem)


def test_all_at_once() -> None:
    """Every mistake, and what excludes each other."""
    environ = {"WANDB_QUIET": "x", "WANDB_RESUME": "allow", "WANDB_FORK_FROM": "a?_step=1", "WANDB_BASE_URL": KEY}
    with pytest.raises(WandbSettingsError) as caught:
        check_environment(environ)
    assert [
        'WANDB_QUIET: expected a bool, such as "true" or "false".',
        "WANDB_FORK_FROM: WANDB_RESUME and WANDB_FORK_FROM exclude each other: keep one.",
        "WANDB_BASE_URL: Input should be a valid URL, relative URL without a base.",
    ] == [str(problem) for problem in caught.value.problems]


def test_others_are_not_looked_at() -> None:
    """What wandb does not read, and what belongs to somebody else."""
    assert [] == validate_environment({"WANDB_BOGUS": "?", "WANDB_SERVICE": "3-1", "MODE": "x", "WANDB_SILENT": "true"})


@pytest.mark.parametrize(
    ("variable", "field"),
    sorted(item for item in environment_module._FIELDS.items() if item[1] in wandb.Settings.model_fields),
)
def test_variables_with_names_of_their_own(variable: str, field: str) -> None:
    """Wandb sets the field that is named here."""
    known = wandb.Settings()
    known.update_from_env_vars({variable: "7"})
    assert field in known.model_fields_set
