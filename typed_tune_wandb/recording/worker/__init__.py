"""The recorder's worker: the process that holds every live W&B run of an experiment.

``__main__`` reads commands and answers with events, ``_manager`` keeps their order, ``_managed_run`` carries them out
on one run, and ``_backend`` is all that touches wandb.
"""
