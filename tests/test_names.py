"""Names by templates, ``metrics`` and ``step_metric`` in real experiments, by each way in, offline and read back."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import wandb
from ray import tune
from ray.tune.schedulers import PopulationBasedTraining

from tests.support.offline import OfflineRun, read_file, read_runs
from tests.support.trainables import Checkpointed
from typed_tune_wandb import WandbLogger, WandbSettings, WandbTrainableMixin, setup_wandb, wandb_mixin
from typed_tune_wandb.recording._run_file import read_run

pytestmark = pytest.mark.usefixtures("small_ray")
TEMPLATES: dict[str, Any] = {
    "name": "{trainable}-lr{config[lr]:.0e}-{trial_id}",
    "group": "{experiment}/{config[model][name]}",
    "job_type": "{config[model/name]}",
    "tags": ["fixed", "lr:{config[lr]}", "opt:{config[optimizer]}"],
    "step_metric": "epoch",
}
SPACE = {"lr": tune.grid_search([0.5, 0.01]), "model": {"name": "resnet"}, "epochs": 2}


def entry(folder: Path, **more: Any) -> dict[str, Any]:
    return {"project": "p", "mode": "offline", "dir": str(folder / "files"), **more}


def train(config: dict[str, Any]) -> None:
    for epoch in range(1, config["epochs"] + 1):
        tune.report({"loss": config["lr"], "epoch": 10 * epoch, "eval": {"acc": epoch, "raw": 1}})


def by_logger(folder: Path) -> tuple[Any, dict[str, Any], list[Any]]:
    return train, {}, [WandbLogger(WandbSettings(**entry(folder, **TEMPLATES)))]


def by_entry(folder: Path) -> tuple[Any, dict[str, Any], list[Any]]:
    return train, {"wandb": entry(folder, **TEMPLATES)}, [WandbLogger(name="another {trial_id}")]


def by_function(folder: Path) -> tuple[Any, dict[str, Any], list[Any]]:
    @wandb_mixin
    def train(config: dict[str, Any]) -> None:
        wandb.log({"loss": config["lr"], "epoch": 1})

    return train, {"wandb": entry(folder, **TEMPLATES)}, []


class train_class(WandbTrainableMixin, tune.Trainable):  # noqa: N801  # a trainable's name is in the run's
    def step(self) -> dict[str, Any]:
        self.wandb.log({"loss": self.config["lr"], "epoch": 1})
        return {"done": True}

    def save_checkpoint(self, checkpoint_dir: str) -> None: ...


def by_class(folder: Path) -> tuple[Any, dict[str, Any], list[Any]]:
    return train_class, {"wandb": entry(folder, **TEMPLATES)}, []


def by_setup_wandb(folder: Path) -> tuple[Any, dict[str, Any], list[Any]]:
    def train(config: dict[str, Any]) -> None:
        run = setup_wandb(config, **TEMPLATES)
        run.log({"loss": config["lr"], "epoch": 1})
        run.finish()
        wandb.teardown()

    return train, {"wandb": entry(folder)}, []


def fit(way: Any, folder: Path, space: dict[str, Any] = SPACE, **more: Any) -> dict[str, OfflineRun]:
    trainable, in_space, callbacks = way(folder)
    run_config = tune.RunConfig(name="exp", storage_path=str(folder / "ray"), callbacks=callbacks, verbose=0)
    config = tune.TuneConfig(**more)
    grid = tune.Tuner(trainable, param_space={**space, **in_space}, tune_config=config, run_config=run_config).fit()
    assert [] == grid.errors
    return read_runs(folder)


@pytest.mark.parametrize("way", [by_logger, by_entry, by_function, by_class, by_setup_wandb])
def test_each_way_in(way: Any, tmp_path: Path) -> None:
    """Name, group, job type, tags and x axis; a tag that cannot be filled is left out."""
    runs = fit(way, tmp_path)
    assert {0.5, 0.01} == {run.config["lr"] for run in runs.values()}
    for run in runs.values():
        lr = run.config["lr"]
        name = "train_class" if way is by_class else "train"
        # Tune's ids of trials have an underscore: the id of a run begins with them.
        assert f"{name}-lr{lr:.0e}-{run.id.rpartition('-')[0]}" == run.display_name
        assert ("exp/resnet", "resnet", ["fixed", f"lr:{lr}"]) == (run.group, run.job_type, run.tags)
        assert "epoch" == run.metrics["*"] == read_run(run.files[0]).step_metric  # for ``typed-tune-wandb sync``
        assert lr in run.rows("loss")


def test_a_group_for_each_config_with_its_repeats(tmp_path: Path) -> None:
    """What ray-project/ray #33084 asks for: runs of their own, in one group for each configuration."""
    logger = WandbLogger(**entry(tmp_path, group="{experiment}/lr{config[lr]}", name="seed{config[seed]}"))
    space = {**SPACE, "seed": tune.grid_search([1, 2, 3])}
    runs = fit(lambda _: (train, {}, [logger]), tmp_path, space)
    found = sorted((run.group, run.display_name) for run in runs.values())
    assert [(f"exp/lr{lr}", f"seed{seed}") for lr in (0.01, 0.5) for seed in (1, 2, 3)] == found


def test_a_mistake_ends_the_experiment_before_a_trial(tmp_path: Path) -> None:
    """Under a mixin as well."""

    @wandb_mixin
    def leaves_a_mark(config: dict[str, Any]) -> None:
        (tmp_path / "trained").touch()

    space = {"wandb": entry(tmp_path, name="{trail_id}")}
    with pytest.raises(Exception, match=r"has an unknown field, trail_id\.") as caught:
        fit(lambda _: (leaves_a_mark, space, []), tmp_path)
    assert 'Did you mean "{trial_id}"?' in str(caught.value)
    assert not (tmp_path / "trained").exists()


def test_metrics_and_excludes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """These alone, less what is excluded; with the step metric, and the iteration that a restored run needs."""
    fields = {"metrics": ["eval", "never"], "excludes": ["eval/raw", "epoch"], "step_metric": "epoch"}
    runs = fit(lambda _: (train, {}, [WandbLogger(**entry(tmp_path, **fields))]), tmp_path)
    assert 2 == len(runs)
    for run in runs.values():
        reported = [{key: value for key, value in row.items() if key[0] != "_"} for row in run.history]
        rows = [{"eval/acc": i, "epoch": 10 * i, "training_iteration": i} for i in (1, 2)]
        assert rows == reported
        assert "epoch" == run.metrics["*"]
    assert "never" not in caplog.text


def test_a_step_metric_that_results_lack(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """One warning for all trials, and every row; Tune's own keys without a value are in none."""
    runs = fit(lambda _: (train, {}, [WandbLogger(**entry(tmp_path, step_metric="epohc"))]), tmp_path)
    assert [[1, 2]] * 2 == [run.rows("training_iteration") for run in runs.values()]
    assert 1 == caplog.text.count("'epohc'")
    assert not any("checkpoint_dir_name" in row for run in runs.values() for row in run.history)


class Mixed(WandbTrainableMixin, Checkpointed):
    def step(self) -> dict[str, Any]:
        self.wandb.log({"count": self.count})
        return super().step()


@pytest.mark.parametrize("mixin", [False, True])
def test_a_run_keeps_its_name_where_its_config_changes(mixin: bool, tmp_path: Path) -> None:
    """PBT changes learning rates; each run keeps the name, the group and the tag that it began with."""
    fields = entry(tmp_path, name="lr{config[lr]}", group="{config[lr]}", tags=["{config[lr]}"])
    rates = [0.1, 1.0, 10.0]
    tune.Tuner(
        Mixed if mixin else Checkpointed,
        param_space={"lr": tune.grid_search(rates), **({"wandb": fields} if mixin else {})},
        tune_config=tune.TuneConfig(
            scheduler=PopulationBasedTraining(
                time_attr="training_iteration",
                perturbation_interval=2,
                hyperparam_mutations={"lr": rates},
                custom_explore_fn=lambda config: {**config, "lr": 5.0},
                synch=True,
            ),
            metric="score",
            mode="max",
            reuse_actors=mixin,
        ),
        run_config=tune.RunConfig(
            callbacks=[] if mixin else [WandbLogger(**fields)],
            stop={"training_iteration": 8},
            storage_path=str(tmp_path / "ray"),
            checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=2),
            verbose=0,
        ),
    ).fit()
    runs = read_runs(tmp_path)
    assert [f"lr{lr}" for lr in rates] == sorted(run.display_name for run in runs.values())
    assert [(f"lr{lr}", str(lr), [str(lr)]) for lr in rates] == sorted(
        (run.display_name, run.group, run.tags) for run in runs.values()
    )
    configs = []
    for path in (path for run in runs.values() for path in run.files):
        (opened,) = read_one(path).values()
        configs.append(opened.config["lr"])
    assert 5.0 in configs


def read_one(path: Path) -> dict[str, OfflineRun]:
    """The run in one file: a mixin opens another one with each process."""
    found: dict[str, OfflineRun] = {}
    read_file(path, found)
    return found


class Broken(Checkpointed):
    """Fails at its third step as long as there is no file that says that it need not."""

    def step(self) -> dict[str, Any]:
        if self.iteration == 2 and not Path(self.config["repaired"]).exists():
            raise ValueError("on purpose")
        return super().step()


class MixedBroken(WandbTrainableMixin, Broken):
    def step(self) -> dict[str, Any]:
        self.wandb.log({"count": self.count})
        return super().step()


@pytest.mark.parametrize("mixin", [False, True])
def test_a_restored_experiment_under_another_name(mixin: bool, tmp_path: Path) -> None:
    """It goes on in the same runs, which keep their names, groups and tags."""
    trainable = MixedBroken if mixin else Broken
    fields = entry(tmp_path, name="{experiment}-{config[lr]}", group="in {experiment}", tags=["{experiment}"])
    tune.Tuner(
        trainable,
        param_space={
            "lr": tune.grid_search([1.0, 2.0]),
            "repaired": str(tmp_path / "repaired"),
            **({"wandb": fields} if mixin else {}),
        },
        run_config=tune.RunConfig(
            name="first",
            callbacks=[] if mixin else [WandbLogger(**fields)],
            storage_path=str(tmp_path / "ray"),
            stop={"training_iteration": 4},
            verbose=0,
        ),
    ).fit()
    before = read_runs(tmp_path)
    (tmp_path / "repaired").touch()
    shutil.move(tmp_path / "ray" / "first", tmp_path / "ray" / "second")
    grid = tune.Tuner.restore(str(tmp_path / "ray" / "second"), trainable, resume_errored=True).fit()
    after = read_runs(tmp_path)
    assert [] == grid.errors
    assert before.keys() == after.keys()
    assert [("first-1.0", "in first", ["first"]), ("first-2.0", "in first", ["first"])] == sorted(
        (run.display_name, run.group, run.tags) for run in after.values()
    )
    assert [2, 2] == [len(run.files) for run in after.values()]


def test_checkpoints_of_runs_with_one_name(tmp_path: Path) -> None:
    """Each trial has an artifact of its own."""
    logger = WandbLogger(upload_checkpoints=True, **entry(tmp_path, name="{config[model]} {{}}"))
    run_config = tune.RunConfig(
        callbacks=[logger],
        storage_path=str(tmp_path / "ray"),
        stop={"training_iteration": 1},
        checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=True),
        verbose=0,
    )
    space = {"lr": tune.grid_search([1.0, 2.0]), "model": "resnet"}
    tune.Tuner(Checkpointed, param_space=space, run_config=run_config).fit()
    runs = read_runs(tmp_path)
    assert {"resnet {}"} == {run.display_name for run in runs.values()}
    names = {artifact.name for run in runs.values() for artifact in run.artifacts}
    assert {f"checkpoint_resnet----{trial_id}" for trial_id in logger.runs} == names


def test_a_plain_script(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Without Ray there is a config, and no trial: wandb's own name where it is needed, with one warning."""
    fields = entry(tmp_path, group="lr{config[lr]}", tags=["{config[lr]}", "{trainable}"])
    run = setup_wandb({"lr": 0.1}, name="{config[lr]}", **fields)
    assert ("0.1", "lr0.1", ("0.1",)) == (run.name, run.group, run.tags)
    run.finish()
    run = setup_wandb({"lr": 0.1}, name="{trial_name}", **fields)
    assert "{" not in (run.name or "")
    run.finish()
    assert 1 == caplog.text.count("trial_name is not known here.")
    disabled = setup_wandb({"lr": 0.1}, project="p", mode="disabled", name="{config[lr]}", step_metric="epoch")
    disabled.log({"loss": 1})
    disabled.finish()
    wandb.teardown()
