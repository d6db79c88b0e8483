"""What the commands share: Hydra's entry, thread counts, errors a user can read, exit codes and the JSON of tables."""

from __future__ import annotations

import logging
import os
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig

from prefens.core import gpus, resources, shutdown
from prefens.core.errors import ConfigError, PrefensError
from prefens.core.files import check_writable
from prefens.core.shutdown import Stopped
from prefens.members.training import distributed
from prefens.runner.config import CONF_DIR, without_effect
from prefens.runner.sweep import Outcome, Sweep
from prefens.runner.sweep import Rows as Rows  # the commands' type for what they return

log = logging.getLogger(__name__)

_sweeps: list[Sweep] = []  # those that this process started, the last one being the current one
_settled: list[Outcome] = []  # of jobs that the next one need not run


class SweepStart(Callback):
    """Looks whether results can be written, and notes the jobs of a sweep, before any begins.

    Hydra turns an ordinary error here into a warning, hence the exit. The folder of the sweep is the same one for its
    jobs, wherever a launcher starts them.
    """

    def on_run_start(self, config: DictConfig, **_: Any) -> None:
        for setting, folder in (("tracking.root", config.tracking.root), ("out", config.out)):
            try:
                check_writable(Path(folder), setting)
            except PrefensError as error:
                sys.exit(f"\nfailed: {error}")

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        if distributed.count() > 1:
            together = f"-m in {distributed.count()} processes that train together"
            sys.exit(f"\nfailed: {ConfigError(together, 'one job at a time', 'leave out -m, or accelerate launch')}")
        self.on_run_start(config)
        sweep = Sweep(Path(config.hydra.sweep.dir).absolute())
        quoted = str(sweep.folder).replace("\\", "\\\\").replace("'", "\\'")
        config.hydra.overrides.hydra.append(f"hydra.sweep.dir='{quoted}'")
        sweep.begin(_jobs(config), _settled)
        _sweeps.append(sweep)
        if not config.hydra.launcher._target_.endswith(".BasicLauncher"):  # the work is done in other processes
            shutdown.relay(sweep.stop)


def run(name: str, task: Callable[[Any], Rows], finish: Callable[[Rows], None] | None = None) -> None:
    """Run a command: compose conf/`name`.yaml, call `task` for each job, and exit non-zero where any failed.

    One failed job does not end a sweep, nor does one whose process is killed. Every job leaves its rows, or its
    error, in a file, so that jobs in other processes are counted too; `finish` receives the rows of all of them.
    Exit codes: 1 for failures, 130 after Ctrl-C, 143 after SIGTERM, 75 where the time budget is spent.
    """
    if name != "train" and distributed.count() > 1:  # they would wait for each other
        together = f"prefens.{name} in {distributed.count()} processes that train together"
        sys.exit(f"\nfailed: {ConfigError(together, 'prefens.train, or one process', 'leave out accelerate launch')}")
    shutdown.listen()
    outcomes: list[Outcome] = []
    code: Any = 0
    stopped: int | None = None
    try:
        code = _compose(name, lambda config: _job(task, config, outcomes))
    except KeyboardInterrupt as interrupt:
        stopped = getattr(interrupt, "code", 130)
    if _sweeps:
        outcomes = _sweeps[-1].outcomes()
    if not outcomes and stopped is None:  # --help, --cfg, a wrong setting: Hydra has answered
        sys.exit(code)
    if stopped is None:
        stopped = next((outcome.code for outcome in outcomes if outcome.code is not None), None)
    rows = [row for outcome in outcomes for row in outcome.rows]
    if finish is not None and (rows or stopped is None):
        try:
            finish(rows)
        except OSError as error:  # a full disk
            code = f"\nfailed: {error}"
    _end(name, outcomes, code, stopped)


def _end(name: str, outcomes: Sequence[Outcome], code: Any, stopped: int | None) -> None:
    """Print what failed, what was lost and how to go on; exit with the status that tells."""
    failed = [outcome for outcome in outcomes if outcome.error or (outcome.running and stopped is None)]
    for outcome in failed:
        error = outcome.error or _lost(outcome)
        again = f"python -m prefens.{name} {shlex.join(outcome.overrides)}"
        print(f"\nfailed: {' '.join(outcome.overrides)}\n  {error}\n  again:    {again}", file=sys.stderr)
    left = _sweeps[-1].pending() if _sweeps and code else []
    if stopped is not None:
        why = {130: "interrupted", 143: "stopped by SIGTERM", shutdown.BUDGET_SPENT: "the time budget is spent"}
        goes_on = "; the same command goes on from here" if name == "train" else ""
        print(f"\n{why.get(stopped, 'stopped')}{goes_on}", file=sys.stderr)
        sys.exit(stopped)
    if left:
        print(f"\nthe sweep broke off, {len(left)} jobs were not begun; the same command goes on", file=sys.stderr)
    if failed or code:
        sys.exit(code if isinstance(code, str) else 1)


def _lost(outcome: Outcome) -> str:
    return f"process {outcome.pid} on {outcome.host}, which ran it, died (out of memory, or killed?)"


def _compose(name: str, job: Callable[[Any], None]) -> Any:
    """Let Hydra compose the settings and run the jobs; again without what is settled where a process died.

    joblib ends all workers with one. A job that is lost twice is settled too: as a failure. Returns an exit code.
    """
    lost_once: list[list[str]] = []
    while True:
        code: Any = 0
        try:
            hydra.main(version_base="1.3", config_path=str(CONF_DIR), config_name=name)(job)()
        except SystemExit as stopped:  # what Hydra reports itself: typos, missing groups, a launcher whose worker died
            code = stopped.code
        found = _sweeps[-1].outcomes() if _sweeps else []
        lost = [outcome for outcome in found if outcome.running]
        if not code or not lost or shutdown.asked() is not None:
            return code
        _settled[:] = [outcome for outcome in found if not outcome.running]
        for outcome in lost:
            if outcome.overrides in lost_once:
                _settled.append(Outcome(outcome.overrides, error=_lost(outcome), pid=outcome.pid, host=outcome.host))
        lost_once += [outcome.overrides for outcome in lost]
        log.warning("a worker died with %d jobs; the sweep goes on, and they are tried once more", len(lost))


def _job(task: Callable[[Any], Rows], config: Any, outcomes: list[Outcome]) -> None:
    """Run one job of a sweep, or the only one, and leave its outcome where the parent finds it."""
    settings = HydraConfig.get()
    os.chdir(settings.runtime.cwd)  # Ray's workers start where the cluster was started
    overrides = list(settings.overrides.task)
    if settings.mode is not RunMode.MULTIRUN:
        outcomes.append(_guarded(task, config, overrides, time.time()))
        _stop_with(outcomes[-1])
        return
    place = Path(settings.runtime.output_dir)
    sweep = Sweep(place.parent)
    outcome = sweep.settled(overrides)
    if outcome is None:
        if not _sweeps:
            shutdown.listen()  # another process than the parent, new or used before
        sweep.note(place, Outcome(overrides, running=True))
        if sweep.stopping:
            outcome = Outcome(overrides, code=143)
        else:
            outcome = _guarded(task, config, overrides, sweep.about()["started"])
    sweep.note(place, outcome)
    if _sweeps:
        _stop_with(outcome)


def _stop_with(outcome: Outcome) -> None:
    """End the sweep where its jobs run in this process and one was stopped."""
    if outcome.code is not None:
        raise Stopped("stopped", outcome.code)


def _guarded(task: Callable[[Any], Rows], config: Any, overrides: list[str], started: float) -> Outcome:
    """Run the task; errors and the wish to stop become outcomes."""
    try:
        _share_machine(config)
        budget = config.get("budget_minutes")
        shutdown.set_deadline(None if budget is None else started + 60 * budget)
        shutdown.check()
        return Outcome(overrides, task(config))
    except Stopped as stopped:
        return Outcome(overrides, code=stopped.code)
    except PrefensError as error:
        return Outcome(overrides, error=str(error))
    except Exception as error:
        log.exception("unexpected error")
        return Outcome(overrides, error=f"{type(error).__name__}: {error}")
    finally:
        if HydraConfig.get().mode is RunMode.MULTIRUN and not _sweeps:
            shutdown.rest()


def _share_machine(config: Any) -> None:
    """Fix this job's threads and GPU, by what its launcher says of the jobs beside it."""
    settings = HydraConfig.get()
    launcher = settings.launcher if settings.mode is RunMode.MULTIRUN else {}
    workers, wanted = launcher.get("n_jobs", 1), config.get("threads")
    granted = launcher.get("cpus_per_task") if wanted is None else wanted
    resources.share_cores(workers if workers > 0 else resources.cores(), granted)
    gpus.take_turn()


def warn_of_idle(config: Any) -> None:
    """Name the settings of this job that do nothing for its backbone."""
    for each in without_effect(config, HydraConfig.get().overrides.task):
        log.warning("%s has no effect on backbone=%s, which does not read it", each, config.backbone.name)


def _jobs(config: DictConfig) -> list[list[str]]:
    """Return the overrides of each job of a sweep, as Hydra's own sweeper makes them; none for another sweeper."""
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
    from hydra.core.override_parser.overrides_parser import OverridesParser

    if not config.hydra.sweeper._target_.endswith(".BasicSweeper"):
        return []
    params = [f"{name}={value}" for name, value in (config.hydra.sweeper.params or {}).items()]
    given = OverridesParser.create().parse_overrides([*params, *config.hydra.overrides.task])
    return BasicSweeper.split_arguments(given, None)[0]
