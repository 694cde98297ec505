"""What is left of an experiment: where each trial's run is, kept in the experiment's folder, and how to upload it."""

from typed_tune_wandb.experiment.runs import ExperimentRuns
from typed_tune_wandb.experiment.sync import sync_runs

__all__ = ["ExperimentRuns", "sync_runs"]
