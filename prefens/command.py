"""What the commands share: Hydra's entry, thread counts, errors a user can read, exit codes and the JSON of tables."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig

from prefens import gpus, threads
from prefens.config import CONF_DIR
from prefens.errors import PrefensError
from prefens.files import write_json

log = logging.getLogger(__name__)

Rows = list[dict[str, Any]]
_sweeps: list[Path] = []  # the folder of this process's sweep, told by Hydra


class SweepFolder(Callback):
    """Remembers where the jobs of a sweep leave their outcomes: the same place, wherever a launcher starts them."""

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        folder = Path(config.hydra.sweep.dir).absolute()
        quoted = str(folder).replace("\\", "\\\\").replace("'", "\\'")
        config.hydra.overrides.hydra.append(f"hydra.sweep.dir='{quoted}'")
        _sweeps.append(folder)


def run(name: str, task: Callable[[Any], Rows], finish: Callable[[Rows], None] | None = None) -> None:
    """Run a command: compose conf/`name`.yaml, call `task` for each job, and exit non-zero where any failed.

    One failed job does not end a sweep. Every job leaves its rows, or its error, in a file, so that jobs
    in other processes are counted too; `finish` receives the rows of all of them.
    """
    outcomes: list[dict[str, Any]] = []

    def job(config: Any) -> None:
        os.chdir(HydraConfig.get().runtime.cwd)  # Ray's workers start where the cluster was started
        outcome = _guarded(task, config)
        hydra_config = HydraConfig.get()
        if hydra_config.mode is RunMode.MULTIRUN:
            write_json(Path(hydra_config.runtime.output_dir) / "outcome.json", outcome)
        else:
            outcomes.append(outcome)

    code: Any = 0
    try:
        hydra.main(version_base="1.3", config_path=str(CONF_DIR), config_name=name)(job)()
    except SystemExit as stopped:  # what Hydra reports itself: typos, missing groups, a launcher whose worker died
        code = stopped.code
    for folder in _sweeps:
        found = sorted(folder.glob("*/outcome.json"), key=lambda path: int(path.parent.name))
        outcomes += [json.loads(path.read_text("utf-8")) for path in found]
    if not outcomes:  # --help, --cfg: Hydra has answered
        sys.exit(code)
    if finish is not None:
        finish([row for outcome in outcomes for row in outcome["rows"]])
    failed = [outcome for outcome in outcomes if outcome["error"]]
    for outcome in failed:
        print(f"\nfailed: {' '.join(outcome['overrides'])}\n  {outcome['error']}", file=sys.stderr)
    if code:
        print(
            f"\nthe sweep broke off after {len(outcomes)} jobs; the same command goes on with the rest", file=sys.stderr
        )
    if failed or code:
        sys.exit(1)


def _guarded(task: Callable[[Any], Rows], config: Any) -> dict[str, Any]:
    overrides = list(HydraConfig.get().overrides.task)
    try:
        _share_machine(config)
        return {"overrides": overrides, "rows": task(config), "error": None}
    except PrefensError as error:
        return {"overrides": overrides, "rows": [], "error": str(error)}
    except Exception as error:
        log.exception("unexpected error")
        return {"overrides": overrides, "rows": [], "error": f"{type(error).__name__}: {error}"}


def _share_machine(config: Any) -> None:
    """Fix this job's threads and GPU, by what its launcher says of the jobs beside it."""
    hydra_config = HydraConfig.get()
    launcher = hydra_config.launcher if hydra_config.mode is RunMode.MULTIRUN else {}
    workers, wanted = launcher.get("n_jobs", 1), config.get("threads")
    granted = launcher.get("cpus_per_task") if wanted is None else wanted
    threads.share_cores(workers if workers > 0 else threads.cores(), granted)
    gpus.take_turn()
