"""The name, group, job type and tags of a run where the settings have templates for them, filled for a trial."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, cast

from attrs import define, frozen

from typed_tune_wandb.settings import MAX_NAME_CHARS, MAX_TAG_CHARS, WandbSettings, default_group, shorten
from typed_tune_wandb.settings._templates import TemplateValues, UnfilledError, fill, is_template
from typed_tune_wandb.tune._run_config import redactor_of, run_config
from typed_tune_wandb.tune._run_ids import read_trial_file, write_trial_file

if TYPE_CHECKING:
    from ray.train._internal.storage import StorageContext

KeptNames = dict[str, "str | None"]
"""Template → the text that it has had for a trial from its first run on; None where it could not be filled."""
_NAMES_FILE: Final = ".wandb-names"
_FIELDS: Final = ("name", "group", "job_type")


@frozen
class TrialNames:
    """What Tune calls a trial.

    Attributes:
        trainable: The name of its trainable.
        experiment: The name of its experiment.
        trial_id: Its id.
        trial_name: Its name.
    """

    trainable: str | None = None
    experiment: str | None = None
    trial_id: str | None = None
    trial_name: str | None = None


def trainable_in(trial_name: str | None, trial_id: str | None, env: object) -> str | None:
    """Return the name of a trainable as Tune's default name of a trial has it; None for another name.

    Args:
        trial_name: Tune's name of the trial: the trainable's, that of an RLlib environment, and the trial's id.
        trial_id: Tune's id of the trial.
        env: What the config has under ``env``.

    Example:
        >>> from typed_tune_wandb.tune._names import trainable_in
        >>> trainable_in("train_ab12c_00000", "ab12c_00000", None), trainable_in("mine", "ab12c_00000", None)
        ('train', None)
    """
    end = f"_{trial_id}"
    if trial_name is None or trial_id is None or not trial_name.endswith(end):
        return None
    name = trial_name.removesuffix(end)
    return name.removesuffix(f"_{env}".replace("/", "_")) if isinstance(env, str) else name


@define
class NameFiller:
    """Fills the templates in the settings of one trial's run.

    A template that cannot be filled costs one warning: Tune's own name and group count then, and a tag is left out.

    Attributes:
        settings: The settings.
        names: What Tune calls the trial.
        config: The trial's config.
        warn: Called with a field and a text where a template cannot be filled.
        api_key: The key of the run, which is in no name.
        kept: What templates have become in earlier sessions; what is filled now is added.
    """

    settings: WandbSettings
    names: TrialNames
    config: Mapping[str, object]
    warn: Callable[[str, str], None]
    api_key: str | None
    kept: KeptNames

    def arguments(self) -> dict[str, object]:
        """Return the arguments of ``wandb.init`` that templates stand for; None for Tune's or wandb's own."""
        settings = self.settings
        templates = {key: text for key in _FIELDS if is_template(text := getattr(settings, key))}
        has_tags = any(map(is_template, settings.tags or ()))
        if not templates and not has_tags:
            return {}
        values = self._values()
        filled: dict[str, object] = {key: self._fill(key, text, values) for key, text in templates.items()}
        if "group" in filled and filled["group"] is None:
            filled["group"] = default_group(self.names.experiment)
        if has_tags:
            tags = [
                self._fill(f"tags[{index}]", tag, values) if is_template(tag) else tag
                for index, tag in enumerate(settings.tags or ())
            ]
            filled["tags"] = [*dict.fromkeys(shorten(tag, MAX_TAG_CHARS) for tag in tags if tag is not None)]
        return filled

    def _values(self) -> TemplateValues:
        redactor = redactor_of(self.settings)
        names = {
            name: text and str(redactor.redact("name", text))
            for name in ("trainable", "experiment", "trial_id", "trial_name")
            if (text := getattr(self.names, name)) is not None
        }
        return TemplateValues(names, run_config(self.settings, self.config, lambda path, reason: None))

    def _fill(self, path: str, template: str, values: TemplateValues) -> str | None:
        if template in self.kept:
            return self.kept[template]
        text: str | None = None
        try:
            text = fill(template, values, self.api_key)
        except UnfilledError as error:
            instead = {"name": "Tune's own name is used", "group": "the default counts"}.get(path, "there is none")
            self.warn(path, f"its template cannot be filled for a trial: {error} So {instead}.")
        self.kept[template] = text
        return text


@contextmanager
def kept_in_folder(storage: StorageContext | None) -> Iterator[KeptNames]:
    """Give what templates became when the trial's run was first opened; keep what is added, in the trial's folder.

    Args:
        storage: Where Tune keeps the trial's files; None where there is no trial.
    """
    kept = _kept(read_trial_file(storage, _NAMES_FILE)) if storage is not None else {}
    known = dict(kept)
    yield kept
    if storage is not None and kept != known:
        write_trial_file(storage, _NAMES_FILE, json.dumps(kept))


def _kept(text: str | None) -> KeptNames:
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    return cast("KeptNames", found) if isinstance(found, dict) else {}


def artifact_name(settings: WandbSettings, run_name: str, trial_id: str, limit: int = MAX_NAME_CHARS) -> str:
    """Return what a trial's checkpoints are called after its run: trials of one filled name have an artifact each.

    Args:
        settings: The settings of the run.
        run_name: The run's name.
        trial_id: Tune's id of the trial.
        limit: The most characters.
    """
    if not is_template(settings.name) or trial_id in run_name:
        return shorten(run_name, limit)
    return f"{shorten(run_name, limit - len(trial_id) - 1)}-{trial_id}"
