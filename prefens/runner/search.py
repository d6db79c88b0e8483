"""Search over a recipe's fields: each trial is an ordinary member, pruned after any fold, resumed where it stopped."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from prefens.core.credentials import mask
from prefens.core.errors import ConfigError, TrainingError, not_installed
from prefens.core.hashing import digest, short
from prefens.core.metrics import log_loss
from prefens.runner.results import TrialRow
from prefens.runner.sync import member_stack
from prefens.store.member_spec import MemberSpec
from prefens.store.split_store import SplitStore

try:
    import optuna
    from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
    from optuna.trial import FrozenTrial, Trial, TrialState
except ModuleNotFoundError as missing:
    raise not_installed("optuna", "prefens.tune", "tune") from missing

log = logging.getLogger(__name__)
optuna.logging.set_verbosity(optuna.logging.ERROR)  # failed trials are logged here
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
warnings.filterwarnings("ignore", "Choices for a categorical distribution", UserWarning)  # lists are choices here

HEARTBEAT = 60  # seconds; a trial whose process is silent for twice as long is begun again
FAILED = "failed"  # noted of a trial whose training failed; one that was cut off is begun again instead
OF_CORPUS = ("data", "folds", "teacher")  # groups whose settings decide the corpus, which all trials share

FoldLoss = Callable[[Mapping[str, Any], int], tuple[float, int]]  # settings, fold -> mean log loss, rows


@dataclass(frozen=True)
class Search:
    """A study of one base recipe on one data set and its folds.

    Attributes
    ----------
    space : mapping of str to object
        Dotted field of the settings -> a list of choices, or {low, high} with optional `step` and `log`.
    trials : int
        How many to finish, those of earlier runs of the same search included.
    storage : str
        An SQLAlchemy address.
    identity : JSON values
        What tells this search from others in the storage.
    k : int
        Number of folds.
    startup : int
        Trials drawn at random, and never pruned, before the search learns from them.
    seed : int
        Of the draws.
    distributions : dict of str to BaseDistribution
        What `space` describes.

    Raises
    ------
    ConfigError
        For an empty space, one that describes no distribution or has settings of the corpus, or fewer than one trial.
    """

    space: Mapping[str, Any]
    trials: int
    storage: str
    identity: Any
    k: int
    startup: int = 8
    seed: int = 0
    distributions: dict[str, BaseDistribution] = field(init=False)

    def __post_init__(self) -> None:
        if not self.space or self.trials < 1 or self.startup < 1:
            raise ConfigError(
                f"space={dict(self.space)}, trials={self.trials}, startup={self.startup}",
                "fields to search, and one trial or more",
                "set 'space={training.lr: {low: 1e-6, high: 1e-4, log: true}, text.max_length: [256, 512]}', say",
            )
        fixed = [name for name in self.space if name.partition(".")[0] in OF_CORPUS]
        if fixed:
            do = "leave them out, and search once with each of their values"
            raise ConfigError(f"space= with {', '.join(fixed)}", "settings of the member, such as training.lr", do)
        object.__setattr__(
            self, "distributions", {name: distribution(name, entry) for name, entry in self.space.items()}
        )

    def run(self, fold_loss: FoldLoss) -> list[FrozenTrial]:
        """Try settings until enough trials are finished; return all of them, best first.

        The objective is the out-of-fold log loss: the mean of the folds' losses, weighted by their rows. After each
        fold a trial whose mean so far is above the median of the others is pruned.
        """
        study = self.study()

        def stop(study: optuna.Study, _: Any) -> None:
            if len(finished(study.trials)) >= self.trials:
                study.stop()

        if len(finished(study.trials)) < self.trials:
            study.optimize(
                lambda trial: self._objective(study, trial, fold_loss), callbacks=[stop], catch=TrainingError
            )
        worst = float("inf")
        return sorted(finished(study.trials), key=lambda trial: (trial.state.value, trial.value or worst, trial.number))

    def _objective(self, study: optuna.Study, trial: Trial, fold_loss: FoldLoss) -> float:
        for name, values in self.distributions.items():
            suggest(trial, name, values)
        total, rows = 0.0, 0
        try:
            for fold in range(self.k):
                loss, size = fold_loss(trial.params, fold)
                total, rows = total + loss * size, rows + size
                trial.report(total / rows, fold)
                if fold + 1 < self.k and trial.should_prune():
                    log.info("trial %d: pruned after fold %d at %.4f", trial.number, fold, total / rows)
                    raise optuna.TrialPruned
        except TrainingError as error:
            log.warning("trial %d failed: %s", trial.number, error)
            trial.set_user_attr(FAILED, str(error))
            raise
        except optuna.TrialPruned:
            raise
        except (Exception, KeyboardInterrupt):
            study.enqueue_trial(trial.params)  # its finished folds are in the store: the next run goes on from there
            raise
        log.info("trial %d: log loss %.4f with %s", trial.number, total / rows, trial.params)
        return total / rows

    def study(self) -> optuna.Study:
        """Return the study in the storage, as it was left; ConfigError where the storage can't be opened."""
        retry = optuna.storages.RetryHeartbeatStaleTrialCallback()
        try:
            storage = optuna.storages.RDBStorage(
                self.storage, heartbeat_interval=HEARTBEAT, heartbeat_stale_trial_callback=retry
            )
        except (SQLAlchemyError, ImportError, RuntimeError) as error:  # RuntimeError: of another version of optuna
            came = f"storage={mask(self.storage)}: {next(iter(str(error).splitlines()), '')[:200]}"
            raise ConfigError(
                came, "optuna's database, or a new file", "move the file away, or give another storage"
            ) from error
        described = [self.identity, {name: repr(values) for name, values in self.distributions.items()}]
        study = optuna.create_study(
            storage=storage,
            study_name=short(digest(described)),
            pruner=optuna.pruners.MedianPruner(n_startup_trials=self.startup),
            load_if_exists=True,
        )
        drawn = self.seed + len(study.trials)  # a search that goes on must not draw its first trials again
        study.sampler = optuna.samplers.TPESampler(n_startup_trials=self.startup, seed=drawn, multivariate=True)
        return study


def finished(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Return the trials that ended by themselves: complete, pruned or failed, but not cut off."""
    ended = (TrialState.COMPLETE, TrialState.PRUNED)
    return [trial for trial in trials if trial.state in ended or FAILED in trial.user_attrs]


def suggest(trial: Trial, name: str, values: BaseDistribution) -> None:
    """Draw one field's value."""
    if isinstance(values, CategoricalDistribution):
        trial.suggest_categorical(name, values.choices)
    elif isinstance(values, IntDistribution):
        trial.suggest_int(name, values.low, values.high, step=values.step, log=values.log)
    elif isinstance(values, FloatDistribution):
        trial.suggest_float(name, values.low, values.high, step=values.step, log=values.log)


def trial_row(trial: FrozenTrial, split: SplitStore, spec: MemberSpec) -> TrialRow:
    """Return the row of a trial whose member is `spec`."""
    folds = len(split.finished_folds(spec))
    complete = trial.state is TrialState.COMPLETE
    holdout = member_stack(split, spec)[1] if complete and folds == split.folds.k else None
    last = trial.intermediate_values.get(trial.last_step) if trial.last_step is not None else None
    return TrialRow(
        trial=trial.number,
        state=FAILED if FAILED in trial.user_attrs else trial.state.name.lower(),
        log_loss=trial.value if complete else last,
        holdout=None if holdout is None else log_loss(holdout.probabilities[0], holdout.folds.label),
        folds=folds,
        values=dict(trial.params),
        member=spec.name,
        tuned_on_oof=split.is_tuned(spec),
        taught_on_oof=spec.taught_on_oof,
    )


def distribution(name: str, entry: Any) -> BaseDistribution:
    """Return the distribution that a field's entry in the space describes; ConfigError for another form."""
    try:
        if isinstance(entry, list | tuple):
            return CategoricalDistribution(list(entry))
        keys = {"low", "high", "step", "log"}
        if not isinstance(entry, Mapping) or not {"low", "high"} <= set(entry) <= keys:
            raise ValueError(f"{entry!r}")
        whole = all(isinstance(entry[end], int) for end in ("low", "high"))
        if whole:
            return IntDistribution(entry["low"], entry["high"], entry.get("log", False), entry.get("step", 1))
        return FloatDistribution(entry["low"], entry["high"], entry.get("log", False), entry.get("step"))
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"space: {name}: {error}",
            "a list of choices, or {low: ..., high: ...} with step: ... or log: true",
            f"correct {name} in space=",
        ) from error
