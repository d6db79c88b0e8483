"""What commands return and print: the results of training, of a search, and of a prediction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from prefens.core.types import Floats, Strings
from prefens.ensemble.decision import ARGMAX, Decision
from prefens.store.member_spec import MemberSpec
from prefens.store.run_record import RunResult

if TYPE_CHECKING:
    from prefens.data.loaded import LoadedPairs
    from prefens.inference.predictor import Predictor
    from prefens.inference.unfinished import Unfinished


@dataclass(frozen=True)
class FoldResult:
    """The result of a finished fold run; a row of train.json.

    Attributes
    ----------
    member : str
        The member's name.
    backbone : str or None
        What it is built on.
    seed : int or None
        The member's seed.
    fold : int or None
        The fold that was held out; None for the full fit.
    tuned_on_oof : bool
        Whether the member's settings were chosen by the rows that it is scored on.
    log_loss : float or None
        On the held-out rows, in nats; of a full fit on those of folds.holdout, None without them.
    accuracy : float or None
        Share of these rows, in [0, 1].
    seconds : float
        Time spent on it, by whoever trained it.
    trained : bool
        Whether this command trained it; else it was finished before.
    taught_on_oof : bool
        Whether the member's teachers saw the votes of the rows that it is scored on.
    """

    member: str
    backbone: str | None
    seed: int | None
    fold: int | None
    tuned_on_oof: bool
    log_loss: float | None
    accuracy: float | None
    seconds: float
    trained: bool
    taught_on_oof: bool = False

    @classmethod
    def of(cls, spec: MemberSpec, fold: int | None, run: RunResult, tuned_on_oof: bool, trained: bool) -> Self:
        """Make one from what a fold run amounts to."""
        member = spec.name, spec.backbone, spec.seed
        scores = run.log_loss, run.accuracy, run.seconds
        return cls(*member, fold, tuned_on_oof, *scores, trained, spec.taught_on_oof)

    def as_dict(self) -> dict[str, Any]:
        """Return it as train.json holds it."""
        return asdict(self)


@dataclass(frozen=True)
class TrialRow:
    """A trial and its member; a row of tune.json.

    Attributes
    ----------
    trial : int
        Its number.
    state : str
        "complete", "pruned" or "failed".
    log_loss : float or None
        Out of fold, in nats; of the folds that it finished, where it was pruned or has failed.
    holdout : float or None
        Log loss in nats on the held-out rows of a complete trial.
    folds : int
        How many folds are finished.
    values : mapping of str to object
        Its settings, by dotted name.
    member : str
        The member's name.
    tuned_on_oof : bool
        Whether the search has chosen by the rows of `log_loss`.
    taught_on_oof : bool
        Whether the member's teachers saw the votes of those rows.
    """

    trial: int
    state: str
    log_loss: float | None
    holdout: float | None
    folds: int
    values: Mapping[str, Any]
    member: str
    tuned_on_oof: bool
    taught_on_oof: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return it as tune.json holds it."""
        return {**vars(self), "values": dict(self.values)}


@dataclass(frozen=True)
class MalformedRow:
    """A row of the input that could not be read, and got the class prior.

    Attributes
    ----------
    row : int
        Its number, from 1.
    id : str
        Its id.
    problem : str
        What is wrong with it.
    """

    row: int
    id: str
    problem: str


@dataclass(frozen=True, eq=False)
class Prediction:
    """Probabilities of test pairs.

    Attributes
    ----------
    ids : (n,) of str
        The pairs, in the order of the input.
    probabilities : (n, K)
        Of each outcome; a row sums to 1.
    method : str
        The method of the blend.
    members : sequence of str
        The members that it looks at.
    malformed : sequence of MalformedRow
        Rows that got the class prior.
    repaired : mapping of str to int
        Kind of repair -> number of rows.
    decision : Decision
        From probabilities to the outcomes that are written as winners.
    out_format : str
        What it is written as where nothing else is asked for: "one_hot" or "winner".
    fit : str or None
        What a member that predicts alone does it with: its full fit, or its fold models; None for a blend.
    """

    ids: Strings
    probabilities: Floats
    method: str
    members: Sequence[str]
    malformed: Sequence[MalformedRow] = ()
    repaired: Mapping[str, int] | None = None
    decision: Decision = ARGMAX
    out_format: str = "one_hot"
    fit: str | None = None

    @classmethod
    def of(cls, predictor: Predictor, loaded: LoadedPairs, unfinished: Unfinished | None = None) -> Self:
        """Predict all rows of an input; malformed ones get the class prior. `unfinished` is of a stopped prediction."""
        malformed = [MalformedRow(row + 1, loaded.ids[row], problem) for row, problem in loaded.problems.items()]
        made = loaded.ids, predictor.predict_rows(loaded, unfinished), predictor.method, predictor.used
        return cls(*made, malformed, loaded.repaired, predictor.decision, predictor.out_format, predictor.fit)

    @property
    def predicted(self) -> int:
        """How many rows were predicted by the members."""
        return len(self.ids) - len(self.malformed)

    @property
    def mean_probabilities(self) -> list[float]:
        """The mean probability of each outcome."""
        means: list[float] = self.probabilities.mean(axis=0).tolist()
        return means

    def write(self, path: Path, out_format: str | None = None) -> Path:
        """Write the submission, in a format of its own where `out_format` is None, and return its path."""
        from prefens.data.submission import write_submission  # pandas takes a while to import

        decided = self.decision.decide(self.probabilities)
        return write_submission(path, self.ids, self.probabilities, out_format or self.out_format, decided)

    def as_dict(self, submission: Path) -> dict[str, Any]:
        """Return what predict.json holds of it; `submission` is the file that it was written to."""
        return {
            "submission": str(submission),
            "rows": len(self.ids),
            "predicted": self.predicted,
            "malformed": [asdict(row) for row in self.malformed],
            "repaired": dict(self.repaired or {}),
            "method": self.method,
            "members": list(self.members),
            "fit": self.fit,
            "mean_probabilities": self.mean_probabilities,
        }
