"""The mistakes of the table in docs/mistakes.md: each as the source of an entry, and what validation reports."""

from __future__ import annotations

from typing import Final

from attrs import frozen


@frozen
class Mistake:
    """One mistake in an entry.

    Attributes:
        title: What a user did.
        entry: The source of the entry, as it stands under ``config["wandb"]``.
        problem: What the gate's line begins with.
        in_types: Whether the types tell, so that the editor shows it.
    """

    title: str
    entry: str
    problem: str
    in_types: bool = True

    def value(self) -> dict[str, object]:
        """The entry itself."""
        entry: dict[str, object] = eval(self.entry)
        return entry


def _rule(title: str, entry: str, problem: str) -> Mistake:
    """A mistake that no type can express."""
    return Mistake(title, entry, problem, in_types=False)


KEY: Final = "0123456789abcdef0123456789abcdef01234567"

MISTAKES: Final = (
    Mistake("a misspelt key", '{"projct": "mnist"}', 'projct: unknown key. Did you mean "project"?'),
    Mistake("a misspelt word of the logger", '{"exclude": ["loss"]}', 'exclude: unknown key. Did you mean "excludes"?'),
    Mistake("a key that nobody knows", '{"experiment": "first"}', "experiment: unknown key."),
    Mistake(
        "an argument of the logger in the entry", '{"upload_checkpoints": True}', "upload_checkpoints: unknown key."
    ),
    Mistake(
        "a misspelt argument of the logger in the entry",
        '{"upload_checkpoint": True}',
        "upload_checkpoint: unknown key. Did you mean WandbLogger(upload_checkpoints=...)?",
    ),
    Mistake("a str for a list of secret names", '{"secret_names": "pin"}', "secret_names: expected a list of str, got"),
    Mistake("a number for a bool: mask_secrets", '{"mask_secrets": 0}', "mask_secrets: expected a bool, got int."),
    Mistake("a key that is no str", '{1: "mnist"}', "<a key of type int, not shown>: expected keys of type str."),
    Mistake("a dead parameter", '{"anonymous": "must"}', "anonymous: does nothing in wandb any more"),
    Mistake("a str for a list of tags", '{"tags": "abc"}', "tags: expected a list of str, got str."),
    Mistake("a set for a list of tags", '{"tags": {"abc"}}', "tags: expected a list of str, got set."),
    Mistake("a number among the tags", '{"tags": ["abc", 1]}', "tags[1]: expected a str, got int."),
    Mistake("a str for a list of excludes", '{"excludes": "loss"}', "excludes: expected a list of str, got str."),
    Mistake("a number among the excludes", '{"excludes": [1]}', "excludes[0]: expected a str, got int."),
    Mistake("a number for a project", '{"project": 123}', "project: expected a str, got int."),
    Mistake("a bool for a project", '{"project": True}', "project: expected a str, got bool."),
    Mistake("a number for an id", '{"id": 17}', "id: expected a str, got int."),
    Mistake("a number for a run_id", '{"run_id": 17}', "run_id: expected a str, got int."),
    Mistake("a number for a name", '{"name": 0.1}', "name: expected a str, got float."),
    Mistake("a list for a run_name", '{"run_name": ["a"]}', "run_name: expected a str, got list."),
    Mistake("a bool for an entity", '{"entity": False}', "entity: expected a str, got bool."),
    Mistake("a number for a group", '{"group": 3}', "group: expected a str, got int."),
    Mistake("a list for a job type", '{"job_type": ["train"]}', "job_type: expected a str, got list."),
    Mistake("a list for notes", '{"notes": ["a line"]}', "notes: expected a str, got list."),
    Mistake("a number for a folder", '{"dir": 5}', "dir: expected a str or a path, got int."),
    Mistake("a number for an API key", '{"api_key": 123}', "api_key: expected a str or a Secret, got int."),
    Mistake("a number for a key file", '{"api_key_file": 1}', "api_key_file: expected a str or a path, got int."),
    Mistake("a str for a bool: log_config", '{"log_config": "false"}', "log_config: expected a bool, got str."),
    Mistake("a number for a bool: save_code", '{"save_code": 1}', "save_code: expected a bool, got int."),
    Mistake("a str for a bool: force", '{"force": "yes"}', "force: expected a bool, got str."),
    Mistake("a str for a bool: monitor_gym", '{"monitor_gym": "no"}', "monitor_gym: expected a bool, got str."),
    Mistake("a number for a bool: sync_tensorboard", '{"sync_tensorboard": 0}', "sync_tensorboard: expected a bool"),
    Mistake("a str for a bool: allow_val_change", '{"allow_val_change": "yes"}', "allow_val_change: expected a bool"),
    Mistake("a list for a config", '{"config": [1]}', "config: expected a dict with str keys or a str, got list."),
    Mistake("a config with a key that is no str", '{"config": {1: "a"}}', "config: expected a dict with str keys, got"),
    Mistake("a number for settings", '{"settings": 3}', "settings: expected a wandb.Settings or a dict"),
    Mistake("a misspelt mode", '{"mode": "ofline"}', 'mode: expected "online" or '),
    Mistake("a mode that wandb no longer documents", '{"mode": "dryrun"}', 'mode: expected "online" or '),
    Mistake("a bool for a mode", '{"mode": False}', 'mode: expected "online" or '),
    Mistake("a misspelt resume", '{"resume": "alow"}', 'resume: expected "allow" or '),
    Mistake("resume=True: another trial's run", '{"resume": True}', 'resume: expected "allow" or '),
    Mistake("reinit=True: finishes all live runs", '{"reinit": True}', 'reinit: expected "default" or'),
    Mistake("a wrong word for reinit", '{"reinit": "create"}', 'reinit: expected "default" or'),
    _rule("a key beside a key file", f'{{"api_key": "{KEY}", "api_key_file": "key.txt"}}', "api_key_file: api_key and"),
    _rule("two keys", f'{{"api_key": "{KEY}", "settings": {{"api_key": "{KEY}"}}}}', "settings.api_key: api_key is"),
    _rule("both spellings of id", '{"id": "a", "run_id": "b"}', "run_id: id and run_id exclude each other"),
    _rule("both spellings of name", '{"name": "a", "run_name": "a"}', "run_name: name and run_name exclude each other"),
    _rule("an empty project", '{"project": ""}', "project: expected a name, got an empty str"),
    _rule("a blank name", '{"name": "  "}', "name: expected a name, got an empty str"),
    _rule("an empty entity", '{"entity": ""}', "entity: expected a name, got an empty str"),
    _rule("an id with a slash", '{"id": "lr/0.1"}', "id: has a character that W&B refuses"),
    _rule("an id with a colon", '{"id": "lr:0.1"}', "id: has a character that W&B refuses"),
    _rule("an id that is too long", '{"id": "a" * 129}', "id: expected at most 128 characters, got 129."),
    _rule("an entity in the project", '{"project": "team/mnist"}', "project: has a character that W&B refuses"),
    _rule("a project with a blank at its end", '{"project": "mnist "}', "project: starts or ends with white space."),
    _rule("a tag that is too long", '{"tags": ["a" * 65]}', "tags[0]: expected 1 to 64 characters, got 65."),
    _rule("an empty tag", '{"tags": ["a", ""]}', "tags[1]: expected 1 to 64 characters, got 0."),
    _rule("an empty exclude", '{"excludes": [""]}', "excludes[0]: expected a key or a glob, got an empty str."),
    _rule("a line break in an id", '{"id": "a\\nb"}', "id: has a control character"),
    _rule("a name that UTF-8 cannot encode", '{"name": "\\ud800"}', "name: has a character that UTF-8 cannot encode"),
    _rule("an entity with a slash", '{"entity": "team/mnist"}', "entity: has a character that W&B refuses"),
    _rule("a path among the secret names", '{"secret_names": ["db/pin"]}', "secret_names[0]: expected the name of a"),
    _rule("an unknown word in settings", '{"settings": {"bogus": 1}}', "settings.bogus: unknown key."),
    _rule("a wrong word in settings", '{"settings": {"console": "nowhere"}}', 'settings.console: expected "auto" or'),
    _rule("resume and fork", '{"resume": "must", "fork_from": "a?_step=1"}', "fork_from: resume and fork_from exclude"),
    _rule(
        "rewind and fork",
        '{"resume_from": "a?_step=1", "fork_from": "a?_step=1"}',
        "fork_from: resume_from and fork_from exclude",
    ),
    _rule("a fork without a step", '{"fork_from": "a"}', "fork_from: expected a moment of a run."),
    _rule("a fork of the run itself", '{"id": "a", "fork_from": "a?_step=1"}', "fork_from: a fork needs an id of its"),
)


@frozen
class Around:
    """A mistake beside the entry's options: in the call of the logger, in the config, or in the environment.

    Attributes:
        title: What a user did.
        ours: The source of this library's logger.
        ray: The source of Ray's callback; None where it has no such option.
        init: The source of the arguments of ``wandb.init``; None where it has no such option.
        config: The source of Tune's config.
        mode: ``WANDB_MODE``.
        in_types: Whether the types tell.
    """

    title: str
    ours: str
    ray: str | None
    init: str | None
    config: str = '{"wandb": {"project": "mnist"}}'
    mode: str = "offline"
    in_types: bool = False


_NO_FILE: Final = "project='mnist', api_key_file='/nowhere/key.txt'"

AROUND: Final = (
    Around("no entry at all", "WandbLogger()", None, None, "{}"),
    Around("an entry that is no dict", "WandbLogger()", None, None, '{"wandb": "mnist"}'),
    Around("two entries", "WandbLogger()", None, None, '{"wandb": {}, "logger_config": {"wandb": {}}}'),
    Around("a project from nowhere", "WandbLogger()", "WandbLoggerCallback()", "{}", '{"wandb": {}}'),
    Around("no key anywhere, online", "WandbLogger()", "WandbLoggerCallback(project='mnist')", "{}", mode="online"),
    Around("a key file that is missing", f"WandbLogger({_NO_FILE})", f"WandbLoggerCallback({_NO_FILE})", None, mode=""),
    Around(
        "a misspelt argument of the logger",
        "WandbLogger(upload_checkpoint=True)",
        "WandbLoggerCallback(project='mnist', upload_checkpoint=True)",
        None,
        in_types=True,
    ),
    Around("a str for seconds", "WandbLogger(upload_timeout='long')", None, None, in_types=True),
    Around("a wrong word for on_error", "WandbLogger(on_error='ignore')", None, None, in_types=True),
    Around("a str for a bool: media", "WandbLogger(media='yes')", None, None, in_types=True),
    Around("a number for image_kwargs", "WandbLogger(image_kwargs=3)", None, None, in_types=True),
    Around("an argument that wandb.Image has not", "WandbLogger(image_kwargs={'mod': 'L'})", None, None),
    Around("a misspelt WANDB_MODE", "WandbLogger()", "WandbLoggerCallback(project='mnist')", "{}", mode="ofline"),
    Around(
        "an object as the entry",
        "WandbLogger()",
        None,
        None,
        '{"wandb": SimpleNamespace(project="mnist")}',
    ),
    Around(
        "save_code and a folder that is missing",
        "WandbLogger()",
        None,
        None,
        '{"wandb": {"project": "mnist", "save_code": True, "settings": {"code_dir": "/nowhere"}}}',
    ),
    Around(
        "save_code in a program without a script",
        "WandbLogger()",
        None,
        None,
        '{"wandb": {"project": "mnist", "save_code": True}}',
    ),
    Around(
        "a config file that is missing",
        "WandbLogger()",
        None,
        None,
        '{"wandb": {"project": "mnist", "config": "/nowhere/config.yaml"}}',
    ),
    Around(
        "one id for all trials",
        "WandbLogger()",
        "WandbLoggerCallback(project='mnist', id='fixed')",
        None,
        '{"i": tune.grid_search([1, 2]), "wandb": {"project": "mnist", "id": "fixed"}}',
    ),
)
