"""What Hydra calls back: checks before anything runs, and the record of a sweep's jobs."""

from __future__ import annotations

import itertools
import os
import sys
from pathlib import Path
from typing import Any, ClassVar

from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from prefens.core import shutdown
from prefens.core.credentials import keep_login
from prefens.core.errors import ConfigError, PrefensError
from prefens.core.files import check_writable
from prefens.core.shutdown import Stopped
from prefens.members.training import distributed
from prefens.runner.backbone_check import check_backbones, recipes_of
from prefens.runner.sweep import JobOutcome, Sweep


class SweepCallback(Callback):
    """Checks that results can be written, and keeps the record of a sweep: its jobs, and how each of them stands.

    Hydra turns an ordinary error here into a warning, hence the exits. A job whose begin can't be noted fails, since
    it looks for that note; one whose end can't be noted counts as lost.

    Attributes
    ----------
    sweep : Sweep or None
        The one that this process started; None in the processes to which a launcher sends jobs.
    """

    sweep: ClassVar[Sweep | None] = None

    def on_run_start(self, config: DictConfig, **_: Any) -> None:
        """Exit where results can't be written; keep a password that a YAML file has out of the files of the job."""
        _hide_login(config)
        for setting, folder in (("tracking.root", config.tracking.root), ("out", config.out)):
            try:
                check_writable(Path(folder), setting)
            except PrefensError as error:
                sys.exit(f"\nfailed: {error}")

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Begin the sweep, or go on with it where a worker was killed, in one folder wherever its jobs run."""
        if distributed.world_size() > 1:
            together = f"-m in {distributed.world_size()} processes that train together"
            sys.exit(f"\nfailed: {ConfigError(together, 'one job at a time', 'leave out -m, or accelerate launch')}")
        self.on_run_start(config)
        if SweepCallback.sweep is None:
            jobs = expand(config)
            try:
                check_backbones(recipes_of(config, jobs) if config.get("backbones") is not None else [])
            except PrefensError as error:
                sys.exit(f"\nfailed: {error}")
            SweepCallback.sweep = Sweep(Path(config.hydra.sweep.dir).absolute())
            SweepCallback.sweep.begin(jobs)
        folder = str(SweepCallback.sweep.folder)
        config.hydra.sweep.dir = folder
        quoted = folder.replace("\\", "\\\\").replace("'", "\\'")
        config.hydra.overrides.hydra.append(f"hydra.sweep.dir='{quoted}'")
        if not config.hydra.launcher._target_.endswith(".BasicLauncher"):  # the work is done in other processes
            shutdown.forward(SweepCallback.sweep.stop)

    def on_job_start(self, config: DictConfig, **_: Any) -> None:
        """Note that the job has begun, unless it has ended before a worker was killed."""
        if config.hydra.mode is RunMode.MULTIRUN:
            os.chdir(config.hydra.runtime.cwd)  # Ray's workers start where the cluster was started
            if self.sweep is None:
                shutdown.suspend()  # the job itself listens
            folder = Path(config.hydra.runtime.output_dir)
            Sweep(folder.parent).begin_job(folder, list(config.hydra.overrides.task))

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **_: Any) -> None:
        """Note how the job ended; end the sweep where its jobs run in this process and one was stopped."""
        if config.hydra.mode is RunMode.MULTIRUN:
            if self.sweep is None:
                shutdown.suspend()
            outcome: JobOutcome = job_return.return_value
            folder = Path(config.hydra.runtime.output_dir)
            sweep = Sweep(folder.parent)
            sweep.note(folder, outcome)
            if shutdown.has_kept():
                sweep.note_kept()
            if self.sweep is not None and outcome.code is not None:
                raise Stopped("stopped", outcome.code)


def _hide_login(config: DictConfig) -> None:
    if config.tracking.uri is None or OmegaConf.is_interpolation(config.tracking, "uri"):
        return
    address = keep_login(config.tracking.uri)
    if address != config.tracking.uri:
        config.tracking.uri = address
        config.hydra.overrides.task.append(f"tracking.uri='{address}'")  # the jobs of a sweep read the YAML again


def expand(config: DictConfig) -> list[list[str]]:
    """Return the overrides of each job of a sweep, as Hydra's own sweeper makes them; none for another sweeper."""
    if not config.hydra.sweeper._target_.endswith(".BasicSweeper"):
        return []
    params = [f"{name}={value}" for name, value in (config.hydra.sweeper.params or {}).items()]
    parser = OverridesParser.create(GlobalHydra.instance().config_loader())
    choices = {}
    for override in parser.parse_overrides([*params, *config.hydra.overrides.task]):
        name, swept = override.get_key_element(), override.is_sweep_override()
        values = override.sweep_string_iterator() if swept else [override.get_value_element_as_str()]
        choices[name] = [f"{name}={value}" for value in values]
    return [list(job) for job in itertools.product(*choices.values())]
