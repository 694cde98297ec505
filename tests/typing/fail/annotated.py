"""A raw entry, annotated: unknown keys, wrong types and wrong words."""

from typed_tune_wandb import WandbConfigDict

misspelt: WandbConfigDict = {"projct": "mnist"}  # error: mypy[typeddict-unknown-key] pyright[reportAssignmentType]
unknown: WandbConfigDict = {"upload_checkpoints": True}  # error: mypy[typeddict-unknown-key] pyright[reportAssignmentType]
dead: WandbConfigDict = {"anonymous": "must"}  # error: mypy[typeddict-unknown-key] pyright[reportAssignmentType]
text_for_list: WandbConfigDict = {"tags": "abc"}  # error: mypy[typeddict-item] pyright[reportAssignmentType]
text_for_bool: WandbConfigDict = {"log_config": "false"}  # error: mypy[typeddict-item] pyright[reportAssignmentType]
number_for_bool: WandbConfigDict = {"save_code": 1}  # error: mypy[typeddict-item] pyright[reportAssignmentType]
number_for_text: WandbConfigDict = {"project": 123}  # error: mypy[typeddict-item] pyright[reportAssignmentType]
bool_for_text: WandbConfigDict = {"project": True}  # error: mypy[typeddict-item] pyright[reportAssignmentType]
list_for_dict: WandbConfigDict = {"config": [1]}  # error: mypy[typeddict-item] pyright[reportAssignmentType]
wrong_word: WandbConfigDict = {"mode": "ofline"}  # error: mypy[typeddict-item] pyright[reportAssignmentType]
deprecated: WandbConfigDict = {"resume": True, "project": "mnist"}  # error: mypy[typeddict-item] pyright[reportAssignmentType]
lines: WandbConfigDict = {  # error: pyright[reportAssignmentType]
    "project": "mnist",
    "excludes": "loss",  # error: mypy[typeddict-item]
    "reinit": True,  # error: mypy[typeddict-item]
}
late: WandbConfigDict = {}
late["tag"] = ["a"]  # error: mypy[typeddict-unknown-key] pyright[reportGeneralTypeIssues]
late["tags"] = "a"  # error: mypy[typeddict-item] pyright[reportGeneralTypeIssues]
late["mode"].upper()  # error: mypy[union-attr] pyright[reportOptionalMemberAccess, reportTypedDictNotRequiredAccess]
