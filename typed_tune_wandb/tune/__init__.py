"""What Ray Tune calls: the callback that records trials, and the mixins that open a run inside a trial."""
