"""One job of a command: its share of the machine, its time budget, and its outcome in place of exceptions."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode

from prefens.core import files, resources, shutdown
from prefens.core.errors import ConfigError, PrefensError
from prefens.core.output import guard_output
from prefens.core.shutdown import Stopped
from prefens.runner.config import unused_overrides
from prefens.runner.sweep import JobOutcome, Rows, Sweep

log = logging.getLogger(__name__)


def run_job(task: Callable[[Any], Rows], config: Any) -> JobOutcome:
    """Run one job of a sweep, or the only one, and return its outcome.

    A job of a sweep that has its outcome already, from before a worker was killed, keeps it.
    """
    settings = HydraConfig.get()
    overrides = list(settings.overrides.task)
    if settings.mode is not RunMode.MULTIRUN:
        return _guarded(task, config, overrides, time.time(), kept=False)
    if not settings.callbacks:  # nobody notes its jobs
        refused = ConfigError("a sweep (-m)", "one job: only prefens.train runs sweeps", "leave out -m")
        return JobOutcome(overrides, error=str(refused))
    folder = Path(settings.runtime.output_dir)
    sweep = Sweep(folder.parent)
    noted = sweep.outcome(folder)
    if not noted.running:
        return noted
    if sweep.stopping:
        return JobOutcome(overrides, code=143)
    return _guarded(task, config, overrides, sweep.started(), sweep.has_kept)


def _guarded(task: Callable[[Any], Rows], config: Any, overrides: list[str], started: float, kept: bool) -> JobOutcome:
    """Run the task; errors and requests to stop become outcomes."""
    try:
        guard_output()  # in a process that a launcher started, too
        shutdown.install()
        _limit_resources(config)
        root = config.tracking.root if "tracking" in config else None
        if root is not None:
            from prefens.store.leftovers import remove_leftovers  # not for --help

            remove_leftovers(Path(root))
        budget = config.get("budget_minutes")
        shutdown.set_deadline(None if budget is None else started + 60 * budget, kept)
        shutdown.check()
        for setting, folder in (("tracking.root", root), ("out", config.get("out"))):
            files.check_folder(folder, setting)
        return JobOutcome(overrides, task(config))
    except Stopped as stopped:
        return JobOutcome(overrides, code=stopped.code)
    except PrefensError as error:
        return JobOutcome(overrides, error=str(error), failure=error.exit_code)
    except PermissionError as error:
        denied = ConfigError(
            f"{error.filename or error}: permission denied",
            "files that this user may read, and folders for results that it may write",
            "ask their owner for chmod -R a+rX on them, or give another folder",
        )
        return JobOutcome(overrides, error=str(denied))
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        wanted = "a file" if isinstance(error, IsADirectoryError) else "a folder"
        refused = ConfigError(f"{error.filename}: {error.strerror}", wanted, "move it away, or name another")
        return JobOutcome(overrides, error=str(refused))
    except Exception as error:
        log.exception("unexpected error")
        return JobOutcome(overrides, error=f"{type(error).__name__}: {error}")


def _limit_resources(config: Any) -> None:
    """Fix this job's threads and GPU, by what its launcher says of the jobs beside it."""
    settings = HydraConfig.get()
    launcher = settings.launcher if settings.mode is RunMode.MULTIRUN else {}
    workers, count = launcher.get("n_jobs", 1), config.get("threads")
    count = launcher.get("cpus_per_task") if count is None else count
    resources.limit_threads(workers if workers > 0 else resources.cores(), count)
    resources.assign_gpu()


def warn_unused(config: Any) -> None:
    """Name the settings of this job that its backbone does not read."""
    for override in unused_overrides(config, HydraConfig.get().overrides.task):
        log.warning("%s has no effect on backbone=%s, which does not read it", override, config.backbone.name)
