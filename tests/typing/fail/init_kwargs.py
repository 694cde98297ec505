"""What goes to wandb.init is held against the installed wandb."""

import wandb

from typed_tune_wandb import WandbInitKwargs, WandbSettings

settings = WandbSettings(project="mnist")
wandb.init(**settings.to_config())  # error: mypy[misc] pyright[reportCallIssue]
wandb.init(**settings.init_kwargs(), projct="a")  # error: mypy[call-arg] pyright[reportCallIssue]
wandb.init(**settings.init_kwargs(), project="a")  # error: mypy[misc] pyright[reportCallIssue]
settings.init_kwargs()["api_key"]  # error: mypy[typeddict-item] pyright[reportGeneralTypeIssues]
kwargs: WandbInitKwargs = {"excludes": ["loss"]}  # error: mypy[typeddict-unknown-key] pyright[reportAssignmentType]
