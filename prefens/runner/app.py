"""How a command runs: Hydra composes its settings and runs its jobs; the exit status tells how they ended."""

from __future__ import annotations

import logging
import os
import shlex
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import hydra

from prefens.core import shutdown
from prefens.core.credentials import keep_login, mask
from prefens.core.errors import ConfigError, counted, printable
from prefens.core.output import guard_output
from prefens.members.training import distributed
from prefens.runner import help as help  # it registers what --help shows
from prefens.runner.callbacks import SweepCallback
from prefens.runner.command_line.overrides import prepare
from prefens.runner.command_line.refusals import refusal
from prefens.runner.config import CONF_DIR
from prefens.runner.job import run_job
from prefens.runner.sweep import JobOutcome
from prefens.runner.sweep import Rows as Rows  # the commands' type for what they return

log = logging.getLogger(__name__)

FULL_ERROR = "HYDRA_FULL_ERROR"
RENAMED = {"race": "early_discard"}  # settings of the version before, refused by name
GO_ON = ("train", "distil", "predict", "score", "judge")  # commands that a stop costs nothing
REASONS = {130: "interrupted", 143: "stopped by SIGTERM", shutdown.BUDGET_SPENT: "the time budget is spent"}


def run(name: str, task: Callable[[Any], Rows], finish: Callable[[Rows], None] | None = None) -> None:
    """Run a command: compose conf/`name`.yaml, call `task` for each job, and exit non-zero where any failed.

    One failed job does not end a sweep, nor does one whose process is killed. Every job of a sweep leaves its rows,
    or its error, in a file, so that jobs in other processes are counted too; `finish` receives the rows of all.
    Exit codes: 1 for failures, 3 where a blend lacks members of the stored one, 130 after Ctrl-C, 143 after
    SIGTERM, 75 where the time budget is spent. Whether its output can be printed changes none of them.
    """
    guard_output()
    # Hydra writes settings into files, and this module prints them.
    sys.argv[1:] = [keep_login(each) if "tracking.uri=" in each else each for each in sys.argv[1:]]
    for argument in sys.argv[1:]:
        old = argument.lstrip("+~").partition("=")[0]
        if old in RENAMED:
            new = f"{RENAMED[old]}={argument.partition('=')[2]}"
            sys.exit(f"\nfailed: {ConfigError(argument, f'{new}: the setting has another name now', f'give {new}')}")
    try:
        sys.argv[1:] = prepare(sys.argv[1:])
    except ConfigError as error:
        sys.exit(f"\nfailed: {error}")
    if name != "train" and distributed.world_size() > 1:  # they would wait for each other
        together = f"prefens.{name} in {distributed.world_size()} processes that train together"
        sys.exit(f"\nfailed: {ConfigError(together, 'prefens.train, or one process', 'leave out accelerate launch')}")
    shutdown.install()
    SweepCallback.sweep = None
    outcomes: list[JobOutcome] = []

    def job(config: Any) -> JobOutcome:
        outcomes.append(run_job(task, config))
        return outcomes[-1]

    code: Any = 0
    stopped: int | None = None
    try:
        code = _run_hydra(name, job)
    except KeyboardInterrupt as interrupt:
        stopped = getattr(interrupt, "code", 130)
    every = outcomes if SweepCallback.sweep is None else SweepCallback.sweep.outcomes()
    if not every and stopped is None:  # --help, --cfg, a wrong setting
        sys.exit(code)
    if stopped is None:
        stopped = next((outcome.code for outcome in every if outcome.code is not None), None)
    rows = [row for outcome in every for row in outcome.rows]
    if finish is not None and (rows or stopped is None):
        try:
            finish(rows)
        except OSError as error:  # a full disk
            code = f"\nfailed: {error}"
    _exit(name, every, code, stopped)


def _run_hydra(name: str, job: Callable[[Any], JobOutcome]) -> Any:
    """Let Hydra compose the settings and run the jobs; return an exit status, 0 where it found nothing wrong.

    joblib ends all its workers where one is killed. The sweep is then run again, without the jobs that have ended.
    """
    while True:
        code: Any = 0
        try:
            with _raising():
                hydra.main(version_base="1.3", config_path=str(CONF_DIR), config_name=name)(job)()
        except SystemExit as end:  # what Hydra reports itself: --help, options that it does not know
            code = end.code
        except Exception as error:  # settings that don't compose; a launcher whose worker died
            refused = refusal(name, sys.argv[1:], error)
            code = 1 if refused is None else f"\nfailed: {mask(str(refused))}"
            if refused is None:
                traceback.print_exc()
        sweep = SweepCallback.sweep
        lost = sweep.release_lost() if sweep is not None and code and shutdown.requested() is None else 0
        if not lost:
            return code
        log.warning("a worker died with %s; the sweep goes on, and tries once more", counted(lost, "job"))


@contextmanager
def _raising() -> Iterator[None]:
    """Let Hydra raise what it would print and end with."""
    before = os.environ.get(FULL_ERROR)
    os.environ[FULL_ERROR] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[FULL_ERROR]


def _exit(name: str, outcomes: Sequence[JobOutcome], code: Any, stopped: int | None) -> None:
    """Print what failed, what was lost and how to go on; exit with the status that tells."""
    failed = [outcome for outcome in outcomes if outcome.error or (outcome.running and stopped is None)]
    for outcome in failed:
        again = f"python -m prefens.{name} {shlex.join(outcome.overrides)}"
        error = outcome.error or outcome.death
        text = f"\nfailed: {' '.join(outcome.overrides) or name}\n  {error}\n  again:    {again}"
        print(printable(mask(text)), file=sys.stderr)
    if stopped is not None:
        goes_on = "; the same command goes on from here" if name in GO_ON else ""
        print(f"\n{REASONS.get(stopped, 'stopped')}{goes_on}", file=sys.stderr)
        sys.exit(stopped)
    left = SweepCallback.sweep.pending() if SweepCallback.sweep is not None and code else []
    if left:
        not_begun = counted(len(left), "job")
        print(f"\nthe sweep broke off before it began {not_begun}; the same command goes on", file=sys.stderr)
    if failed or code:
        sys.exit(code if isinstance(code, str) else max((outcome.failure for outcome in failed), default=1))
