"""The builder: each mistake that a type can express."""

from pathlib import Path

from typed_tune_wandb import WandbSettings

WandbSettings("mnist")  # error: mypy[call-arg] pyright[reportCallIssue]
WandbSettings(projct="mnist")  # error: mypy[call-arg] pyright[reportCallIssue]
WandbSettings(run_id="a")  # error: mypy[call-arg] pyright[reportCallIssue]
WandbSettings(tags="abc")  # error: mypy[arg-type] pyright[reportArgumentType]
WandbSettings(tags=["a", 1])  # error: mypy[list-item] pyright[reportArgumentType]
WandbSettings(excludes="loss")  # error: mypy[arg-type] pyright[reportArgumentType]
WandbSettings(metrics="loss")  # error: mypy[arg-type] pyright[reportArgumentType]
WandbSettings(step_metric=1)  # error: mypy[arg-type] pyright[reportArgumentType]
WandbSettings(log_config="false")  # error: mypy[arg-type] pyright[reportArgumentType]
WandbSettings(save_code=1)  # error: mypy[arg-type] pyright[reportArgumentType]
WandbSettings(project=123)  # error: mypy[arg-type] pyright[reportArgumentType]
WandbSettings(group=True)  # error: mypy[arg-type] pyright[reportArgumentType]
WandbSettings(config=[1])  # error: mypy[arg-type] pyright[reportArgumentType]
WandbSettings(config={1: "a"})  # error: mypy[dict-item] pyright[reportArgumentType]
WandbSettings(mode="ofline")  # error: mypy[arg-type] pyright[reportArgumentType]
WandbSettings(resume=True)  # error: mypy[arg-type] pyright[reportArgumentType]
WandbSettings(reinit=True)  # error: mypy[arg-type] pyright[reportArgumentType]
WandbSettings(dir=5)  # error: mypy[arg-type] pyright[reportArgumentType]
WandbSettings(api_key=Path("key.txt"))  # error: mypy[arg-type] pyright[reportArgumentType]
WandbSettings(settings=3)  # error: mypy[arg-type] pyright[reportArgumentType]

settings = WandbSettings(project="mnist", tags=["a"])
settings.projct  # error: mypy[attr-defined] pyright[reportAttributeAccessIssue]
settings.project.upper()  # error: mypy[union-attr] pyright[reportOptionalMemberAccess]
settings.excludes.append("loss")  # error: mypy[attr-defined] pyright[reportAttributeAccessIssue]
print("key: " + settings.api_key)  # error: mypy[operator, operator] pyright[reportOperatorIssue]

WandbSettings.from_dict("mnist")  # error: mypy[arg-type] pyright[reportArgumentType]
WandbSettings.from_config([("wandb", {})])  # error: mypy[arg-type] pyright[reportArgumentType]
settings.overridden_by(None)  # error: mypy[arg-type] pyright[reportArgumentType]
settings.to_config()["projct"]  # error: mypy[typeddict-item] pyright[reportGeneralTypeIssues]
settings.project = "other"  # error: mypy[misc] pyright[reportAttributeAccessIssue]
