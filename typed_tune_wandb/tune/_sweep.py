"""The experiment as a W&B sweep: made with its first run, and every other run belongs to it."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from typing import Any

from attrs import evolve

from typed_tune_wandb.recording.sweep import UPLOADING_MODES, SweepInfo, SweepProcess
from typed_tune_wandb.settings import WandbSettings, nested_setting
from typed_tune_wandb.tune._metric import Metric
from typed_tune_wandb.tune._run_config import redactor_of
from typed_tune_wandb.tune._search_space import SearchSpace, find_search_space, sweep_config

logger = logging.getLogger(__name__)


class ExperimentSweep:
    """The sweep of one experiment.

    Nothing here waits, but :meth:`close`: a process of its own asks the server, and the recorder's worker waits for it
    before it opens the first runs.

    Args:
        metric: The experiment's metric; None if there is none.

    Attributes:
        info: What is known of it; None before the first run.
    """

    def __init__(self, metric: Metric | None) -> None:
        self._metric = metric
        self.info: SweepInfo | None = None
        self._process: SweepProcess | None = None
        self._place: tuple[object, object] = (None, None)
        self._access: dict[str, str | None] = {}
        self._warned: set[str] = set()

    def join(
        self,
        settings: WandbSettings,
        init: Mapping[str, Any],
        arguments: dict[str, object],
        experiment: str,
        earlier: SweepInfo | None,
    ) -> str:
        """Make a run one of the sweep, which is created for the first of them.

        Args:
            settings: The run's settings.
            init: The arguments of ``wandb.init`` for the run.
            arguments: Those of ``wandb.Settings``; gets the sweep's id, once that is known.
            experiment: The experiment's name.
            earlier: The sweep of an earlier session of the experiment.

        Returns:
            The file in which the id will be; ``""`` if it is known, or the run belongs to no sweep.
        """
        # A sweep that the user or an agent has chosen counts more.
        if init.get("mode") == "disabled" or nested_setting(settings, "sweep_id") is not None:
            return ""
        place = init.get("project"), init.get("entity")
        if self.info is None:
            goes_on = earlier is not None and earlier.project == init.get("project")
            self.info = earlier if earlier is not None and goes_on else self._new(settings, init, experiment)
            self.info, self._place = evolve(self.info, problem=None, finished=False), place
        if place != self._place:
            self._warn("runs of other projects and entities than the first one's do not belong to it")
            return ""
        online = init.get("mode") in UPLOADING_MODES
        if online and not self._access:
            key = arguments.get("api_key")
            self._access = {"key": None if key is None else str(key)}
            self._access["base_url"] = nested_setting(settings, "base_url")
        if online and self._process is None and self.info.is_pending:
            self._create()
        self.refresh()
        if self.info.id is not None:
            arguments["sweep_id"] = self.info.id
        return self._process.file if online and self._process is not None and self.info.is_pending else ""

    def refresh(self) -> SweepInfo | None:
        """Take in what has become of the sweep; give what is known of it."""
        if self._process is not None and self.info is not None and self.info.is_pending:
            self._take_in(self._process.result())
        return self.info

    def close(self, *, finish: bool, timeout_s: float = math.inf) -> None:
        """Finish the sweep on the server, if the experiment has ended; wait for the answer.

        Args:
            finish: Whether the experiment has ended, and is not to go on later.
            timeout_s: The longest wait for each of the server's answers, in seconds.
        """
        if self._process is not None:
            if self.info is not None and self.info.is_pending:
                self._take_in(self._process.wait(timeout_s))
            self._process.close()
            self._process = None
        if not (finish and self._access and self.info is not None and self.info.id is not None):
            return
        try:
            with SweepProcess(self.info, **self._arguments, finish=True) as process:
                ended = process.wait(timeout_s)
        except OSError as error:
            ended = evolve(self.info, problem=f"its process cannot be started ({error.strerror})")
        if ended.problem is not None:
            command = f"wandb sweep --stop {self.info.path}"
            self._warn(f"it is not finished on the server: {ended.problem}. By hand: {command}")
        else:
            self.info = ended

    def _new(self, settings: WandbSettings, init: Mapping[str, Any], experiment: str) -> SweepInfo:
        found = find_search_space()
        space = found or SearchSpace()
        if self._metric is not None:
            space = evolve(space, metric=self._metric.name, mode=self._metric.mode)
        redactor = redactor_of(settings)
        name = str(redactor.redact("name", experiment))
        config, unsaid = sweep_config(space, name, redactor, tuple(settings.excludes or ()))
        if found is None:
            unsaid = ["Tune's search space was not found"]
        if unsaid:
            logger.warning("The configuration of the W&B sweep leaves out: %s.", "; ".join(unsaid))
        entity = init.get("entity")
        return SweepInfo(config, str(init.get("project") or ""), None if entity is None else str(entity))

    @property
    def _arguments(self) -> dict[str, Any]:
        return {"key": self._access.get("key"), "base_url": self._access.get("base_url")}

    def _create(self) -> None:
        assert self.info is not None
        try:
            self._process = SweepProcess(self.info, **self._arguments)
        except OSError as error:
            self._take_in(evolve(self.info, problem=f"its process cannot be started ({error.strerror})"))

    def _take_in(self, result: SweepInfo | None) -> None:
        if result is None:
            return
        self.info = result
        if result.problem is not None:
            self._warn(f"it could not be created: {result.problem}. The runs are recorded without a sweep")

    def _warn(self, text: str) -> None:
        if text not in self._warned:
            self._warned.add(text)
            logger.warning("The W&B sweep of the experiment: %s.", text)
