"""Templates of a run's name, group, job type and tags: mistakes at construction, and a valid text for any config."""

from __future__ import annotations

import string
from typing import Any

import pytest
import wandb
from hypothesis import example, given
from hypothesis import strategies as st

from typed_tune_wandb import WandbSettings, WandbSettingsError, check_search_space, explain_settings
from typed_tune_wandb.credentials import Secret
from typed_tune_wandb.settings import resolve_destination
from typed_tune_wandb.settings._templates import TemplateValues, as_literal, fill
from typed_tune_wandb.tune._init_arguments import init_arguments
from typed_tune_wandb.tune._names import KeptNames, NameFiller, TrialNames, artifact_name, trainable_in

KEY = "0123456789abcdef0123456789abcdef01234567"
NAMES = TrialNames("train", "exp", "ab12c_00000", "train_ab12c_00000")
CONFIG: dict[str, Any] = {
    "lr": 0.01,
    "model": {"name": "resnet", "depth": 18, "a/b": "slash"},
    "layers": [8, 16],
    "optimizer": "adam",
    "hf_token": "k1tten-of-the-house",
    "badge": 4711,
    "commit": KEY,
    "blank": " ",
    "none": None,
    "wandb": {"project": "p", "api_key": KEY},
    "logger_config": {"wandb": {"project": "p"}},
}
MISTAKES = {
    "{trainble}": ("has an unknown field, trainble.", '"{trainable}"'),
    "{experimnt}": ("has an unknown field, experimnt.", '"{experiment}"'),
    "{lr}": ("has an unknown field, lr.", '"{config[lr]}"'),
    "run {1}": ("has braces around something else than a field", None),
    "a{}": ("has braces around something else than a field", None),
    "{": ("has a single { or }", None),
    "{trial_id}}": ("has a single { or }", None),
    "{trial_id!}": ("has a single { or }", None),
    "{config}": ("has a field of config that cannot be read", None),
    "{config[]}": ("has a field of config that cannot be read", None),
    "{config[lr].real}": ("has a field of config that cannot be read", None),
    "{config.lr}": ("reads an attribute of config", '"{config[lr]}"'),
    "{config.model.depth}": ("reads an attribute of config", '"{config[model][depth]}"'),
    "{config.__class__}": ("reads an attribute of config", None),
    "{trial_id.__class__}": ("reads a part of trial_id", '"{trial_id}"'),
    "{trial_id[0]}": ("reads a part of trial_id", '"{trial_id}"'),
    "{config['lr']}": ("has a key in quotes", '"{config[lr]}"'),
    "{config[wandb][api_key]}": ("reads the W&B entry", None),
    "{config[wandb/api_key]}": ("reads the W&B entry", None),
    "{config[logger_config][wandb]}": ("reads the W&B entry", None),
    "{config[lr]!r}": ("converts config[lr]", None),
    "{trial_id:.2e}": ("has a format for trial_id that suits no value", None),
    "{config[lr]:Z}": ("has a format for config[lr] that suits no value", None),
    "{config[lr]:>1000000000}": ("has a format for config[lr] that suits no value", None),
    "{config[lr]:{config[width]}}": ("has a format for config[lr] that suits no value", None),
}


def mistakes_in(**entry: Any) -> list[tuple[str, str, str | None]]:
    with pytest.raises(WandbSettingsError) as caught:
        WandbSettings(**entry)
    return [(problem.path, problem.message, problem.suggestion) for problem in caught.value.problems]


def filled(
    trial_config: dict[str, Any] | None = None,
    names: TrialNames = NAMES,
    kept: KeptNames | None = None,
    key: str | None = None,
    **fields: Any,
) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """What the templates become, and what was warned of."""
    warned: list[tuple[str, str]] = []
    settings = WandbSettings(**fields)
    chosen = CONFIG if trial_config is None else trial_config
    filler = NameFiller(settings, names, chosen, lambda *text: warned.append(text), key, {} if kept is None else kept)
    return filler.arguments(), warned


@pytest.mark.parametrize("template", MISTAKES)
@pytest.mark.parametrize("key", ["name", "run_name", "group", "job_type", "tags"])
def test_a_mistake_is_found_at_construction(key: str, template: str) -> None:
    """In each key, with its path, what was expected, and what was probably meant."""
    message, suggestion = MISTAKES[template]
    entry: dict[str, Any] = {key: ["a", template] if key == "tags" else template}
    (found,) = mistakes_in(**entry)
    assert ("tags[1]" if key == "tags" else key, suggestion) == (found[0], found[2])
    assert found[1].startswith(message)


def test_all_mistakes_at_once() -> None:
    """Of one template, of several, and of the rest of the entry."""
    found = mistakes_in(name="{trainble}-{lr}", group="{", tags=["{x}", "a" * 65], projct="p", job_type="{trial_id!s}")
    assert ["name", "name", "group", "tags[0]", "tags[1]", "projct", "job_type"] == [path for path, _, _ in found]


def test_no_message_shows_a_secret() -> None:
    """A key that stands in braces by mistake."""
    for template in (f"{{{KEY}}}", f"{{config.{KEY}}}", f"{{config['{KEY}']}}", f"{{config[{KEY}]!r}}"):
        assert KEY not in str(mistakes_in(name=template))


def test_the_other_ways_in() -> None:
    """Candidates of a search space are checked, and ``explain_settings`` tells of mistakes."""
    space = {"wandb": {"project": "p", "name": {"grid_search": ["{trial_id}", "{trial}"]}}}
    with pytest.raises(WandbSettingsError, match=r"name: has an unknown field, trial\."):
        check_search_space(space)
    explained = explain_settings({"wandb": {"project": "p", "mode": "offline", "tags": ["{optimizer}"]}})
    assert "tags[0]" in [problem.path for problem in explained.problems]


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{trainable}-lr{config[lr]:.0e}-{trial_id}", "train-lr1e-02-ab12c_00000"),
        ("{experiment}/{config[model][name]}", "exp/resnet"),
        ("{config[model/depth]:03d}", "018"),
        ("{config[model][a/b]}", "slash"),
        ("{config[layers][1]}{config[layers/0]}", "168"),
        ("{config[optimizer]:>6}|{config[none]}", "  adam|None"),
        ("{trial_name:.5}", "train"),
        ("{{{trial_id}}}", "{ab12c_00000}"),
        ("run {{1}}", "run {1}"),
        ("{config[own]}", "from the entry"),
    ],
)
def test_filled(template: str, text: str) -> None:
    """As ``str.format`` does it, with nested keys and indexes; braces are doubled."""
    assert ({"name": text}, []) == filled(name=template, config={"own": "from the entry"})


def test_a_text_without_a_brace_that_opens_is_none() -> None:
    """It stays as it is, as does an id with braces, and what stands in wandb's own settings."""
    assert ({}, []) == filled(name="100%}", group="a", tags=["b}"])
    settings = WandbSettings(id="a{trial_id}", settings={"run_name": "{x}", "run_tags": ["{y}"], "run_group": "{z}"})
    arguments = init_arguments(settings, default_id="t", name="train_t")
    assert ("a{trial_id}", "{x}") == (arguments["id"], arguments["name"])
    resolved = resolve_destination(WandbSettings(mode="disabled", settings={"run_group": "{z}"}), default_group="exp")
    assert "{z}" == filled(group=resolved.group)[0]["group"]


@pytest.mark.parametrize("variable", ["WANDB_RUN_GROUP", "WANDB_GROUP_NAME", ""])
def test_a_group_of_the_environment_or_an_experiment_is_no_template(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Braces in it are braces; also where it is the fallback."""
    if variable:
        monkeypatch.setenv(variable, "{a}")
    experiment = "exp" if variable else "{a}"
    resolved = resolve_destination(WandbSettings(project="p"), default_group=experiment)
    assert {"group": "{a}"} == filled(group=resolved.group)[0]
    names = TrialNames(experiment=experiment)
    assert {"group": "{a}"} == filled(names=names, group="{config[nope]}")[0]


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{config[nope]}", "config[nope] is not in the run's config."),
        ("{config[model][nope]}", "config[model][nope] is not in the run's config."),
        ("{config[layers][7]}", "config[layers][7] is not in the run's config."),
        ("{config[optimizer][0]}", "config[optimizer][0] is not in the run's config."),
        ("{config[optimizer]:.0e}", "the value of config[optimizer] has another type"),
        ("{config[layers]:.0e}", "the value of config[layers] has another type"),
        ("{config[hf_token]}", "config[hf_token] is a secret."),
        ("{config[hf_token]:.3}", "config[hf_token] is a secret."),
        ("{config[badge]}", "config[badge] is a secret."),
        ("{config[commit]}", "config[commit] is a secret."),
        ("{config[commit]:.20}", "config[commit] is a secret."),
        ("{config[excluded]}", "config[excluded] is not in the run's config."),
        ("{config[blank]}", "the text is empty."),
    ],
)
def test_what_cannot_be_filled(template: str, reason: str) -> None:
    """One warning for each field, without a value; Tune's own name and group count, and a tag is left out."""
    config = {**CONFIG, "excluded": 1}
    fields: dict[str, Any] = {"name": template, "group": template, "job_type": template, "tags": ["a", template]}
    arguments, warned = filled(config, key=KEY, secret_names=["badge"], excludes=["excluded"], **fields)
    assert {"name": None, "group": "exp", "job_type": None, "tags": ["a"]} == arguments
    # The same template again is not tried again.
    assert ["name"] == [path for path, _ in warned]
    assert reason in warned[0][1]
    settings = WandbSettings(secret_names=["badge"], **fields)
    init = init_arguments(settings, default_id="t", name="train_t", filled=arguments)
    assert ("train_t", "exp", ["a"]) == (init["name"], init["group"], init["tags"])
    assert "job_type" not in init


def test_a_secret_in_tunes_names_is_in_no_name() -> None:
    """Nor in the fallback."""
    names = TrialNames("train", "exp", "t", "train_password=k1tten9_t")
    arguments, warned = filled(names=names, name="{trial_name}")
    assert {"name": None} == arguments
    assert 1 == len(warned)
    init = init_arguments(WandbSettings(name="{trial_name}"), default_id="t", name=names.trial_name, filled=arguments)
    assert "k1tten9" not in str(init)


def test_the_key_as_a_field_is_no_part_of_the_config() -> None:
    """Whatever class hides it."""
    assert {"name": None} == filled({"x": Secret(KEY)}, name="{config[x]}")[0]


def test_what_a_template_became_stays() -> None:
    """Also that it could not be filled; a template that is changed is filled anew."""
    kept: KeptNames = {}
    fields: dict[str, Any] = {"name": "{config[lr]}", "group": "{config[later]}", "tags": ["{config[lr]:.0e}"]}
    first = filled(kept=kept, **fields)[0]
    changed = {**CONFIG, "lr": 5, "later": 1}
    assert (first, []) == filled(changed, kept=kept, **fields)
    assert {"name": "lr5"} == filled(changed, kept=kept, name="lr{config[lr]}")[0]


def test_checkpoints_of_trials_with_one_name() -> None:
    """A name that a template gives to several trials: the artifact's name has the trial's id too, within the limit."""
    by_template = WandbSettings(name="{config[model]}")
    assert "resnet-t1" == artifact_name(by_template, "resnet", "t1")
    assert "resnet-t1" == artifact_name(by_template, "resnet-t1", "t1")
    assert 117 == len(artifact_name(by_template, "r" * 128, "t1", 117))
    assert artifact_name(by_template, "r" * 128, "t1", 117).endswith("-t1")
    assert "baseline" == artifact_name(WandbSettings(name="baseline"), "baseline", "t1")


def test_the_trainable_in_a_trials_process() -> None:
    """It is what Tune's name of the trial begins with, without RLlib's environment."""
    assert "PPO" == trainable_in("PPO_CartPole_ab12c_00000", "ab12c_00000", "CartPole")
    assert "train" == trainable_in("train_ab12c_00000", "ab12c_00000", 7)
    assert None is trainable_in("own name", "ab12c_00000", None)
    assert None is trainable_in(None, None, None)


@given(st.text())
def test_any_text_can_be_said(text: str) -> None:
    """``as_literal`` of it is a template without a mistake, and becomes the text."""
    if text.strip() and text.isprintable():
        template = WandbSettings(name=as_literal(text)).name or ""
        assert text == fill(template, TemplateValues({}, {}))


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.complex_numbers()
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner), max_leaves=6
)
CONFIGS = st.dictionaries(st.sampled_from(["lr", "model", "wandb", "api_key", "a/b"]) | st.text(), VALUES, max_size=5)
PIECES = st.one_of(
    st.text(max_size=5),
    st.sampled_from(["{trainable}", "{experiment}", "{trial_id}", "{trial_name:.3}", "{{", "}}", "{", "}", "!r", ":"]),
    st.sampled_from(["lr", "model", "a/b", "model][0", "model/x", "wandb", "wandb/api_key"]).flatmap(
        lambda key: st.sampled_from(["", ":.0e", ":>9", ":d", ":c", ":,", ":%", ":128", "!s"]).map(
            lambda spec: f"{{config[{key}]{spec}}}"
        )
    ),
    st.text(string.printable, max_size=5).map(lambda text: f"{{{text}}}"),
)
TEMPLATES = st.lists(PIECES, min_size=1, max_size=5).map("".join)


@given(TEMPLATES, CONFIGS, st.sampled_from(["name", "group", "job_type", "tags"]))
@example("{config[lr]:c}", {"lr": 0xD800}, "tags")
@example("{config[lr]:c}", {"lr": 10}, "name")
@example("{config[lr]}", {"lr": "x" * 1000}, "tags")
@example("{config[lr]:,}", {"lr": 10**4000}, "name")
@example("{config[lr]:.99f}", {"lr": 1e308}, "job_type")
def test_any_template_and_any_config(template: str, config: dict[Any, Any], key: str) -> None:
    """Construction refuses, with the field's name; or wandb takes what comes out, within the limits of its server."""
    fields: dict[str, Any] = {key: [template] if key == "tags" else template}
    refused: set[str] = set()
    settings = WandbSettings()
    try:
        settings = WandbSettings(**fields)
    except WandbSettingsError as error:
        refused = {problem.path.partition("[")[0] for problem in error.problems}
    assert refused <= {key}
    if refused:
        return
    arguments = filled(config, **fields)[0]
    init = init_arguments(settings, default_id="t", name="train_t", filled=arguments)
    assert 0 < len(init["name"] or "") <= 128
    assert len(init.get("group") or "") <= 128
    assert len(init.get("job_type") or "") <= 64
    wandb.Settings(
        run_name=init["name"],
        run_group=init.get("group"),
        run_job_type=init.get("job_type"),
        run_tags=tuple(init.get("tags") or ()),
    )
    for text in (init["name"], init.get("group"), init.get("job_type"), *(init.get("tags") or ())):
        (text or "").encode()  # wandb-core takes no lone surrogate
