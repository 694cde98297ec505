"""WandbLogger: its own arguments and the entry's words."""

from typed_tune_wandb import WandbConfigDict, WandbLogger, WandbSettings

WandbLogger("mnist")  # error: mypy[arg-type] pyright[reportArgumentType]
WandbLogger({"project": "mnist"})  # error: mypy[arg-type] pyright[reportArgumentType]
WandbLogger(tgas=["a"])  # error: mypy[call-arg] pyright[reportCallIssue]
WandbLogger(tags="abc")  # error: mypy[arg-type] pyright[reportArgumentType]
WandbLogger(mode="ofline")  # error: mypy[arg-type] pyright[reportArgumentType]
WandbLogger(upload_checkpoints="all")  # error: mypy[arg-type] pyright[reportArgumentType]
WandbLogger(upload_timeout="5 min")  # error: mypy[arg-type] pyright[reportArgumentType]
WandbLogger(on_error="ignore")  # error: mypy[arg-type] pyright[reportArgumentType]
WandbLogger(media=1)  # error: mypy[arg-type] pyright[reportArgumentType]
WandbLogger(image_kwargs=["caption"])  # error: mypy[arg-type] pyright[reportArgumentType]
WandbLogger(verify="no")  # error: mypy[arg-type] pyright[reportArgumentType]
WandbLogger(WandbSettings(), WandbSettings())  # error: mypy[call-arg, arg-type] pyright[reportCallIssue]

logger = WandbLogger(project="mnist")
logger.runs[0]  # error: mypy[index] pyright[reportArgumentType]
logger.runs["trial"].rows = 3  # error: mypy[misc] pyright[reportAttributeAccessIssue]
logger.runs["trial"].url.upper()  # error: mypy[union-attr] pyright[reportOptionalMemberAccess]
logger.runs["trial"].state == "done"  # error: mypy[comparison-overlap]
logger.runs = {}  # error: mypy[assignment, misc] pyright[reportAttributeAccessIssue]
defaults: WandbConfigDict = {"project": "mnist"}
WandbLogger(defaults)  # error: mypy[arg-type] pyright[reportArgumentType]
