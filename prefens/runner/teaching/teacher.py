"""A teacher: members of the store with the rule that blends them, and its probabilities of rows that it did not see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from pathlib import Path

import numpy as np

from prefens.core.errors import BLEND_AGAIN, ConfigError, StoreError
from prefens.core.fold_run import training_rows
from prefens.core.hashing import digest
from prefens.core.types import Floats, Ints, OOFStack, PairFeatures, Pairs, Strings
from prefens.data.probabilities import read_probabilities
from prefens.data.raw.names import is_file_name, stem
from prefens.ensemble.base import Blender
from prefens.ensemble.calibration import calibrations_for
from prefens.ensemble.crossfit import Calibrations, best_method, evaluate, fit_all, row_costs
from prefens.ensemble.files.blend_files import read_blend
from prefens.ensemble.registry import calibration, restore
from prefens.ensemble.soft_vote import SoftVote
from prefens.members.style import all_features
from prefens.runner.sync import member_stack
from prefens.store.assemble import make_stack
from prefens.store.external import ExternalMember
from prefens.store.member_spec import MemberSpec
from prefens.store.selection import missing_folds
from prefens.store.split_store import SplitStore


@dataclass(frozen=True, eq=False)
class FoldLabels:
    """A teacher's probabilities of the scored rows, for students that leave out one fold, or none.

    Attributes
    ----------
    probabilities : float64 array, shape (n, K)
        Of the n rows of the folds, in their order; NaN where the teacher may not label the row.
    blender : Blender
        The rule that was fitted without the fold, for rows of no fold.
    """

    probabilities: Floats
    blender: Blender


@dataclass(frozen=True, eq=False)
class Teacher:
    """Members with their out-of-fold probabilities, and the methods that blend them.

    Attributes
    ----------
    stack : OOFStack
        The M members on the scored rows that all of them have.
    specs : sequence of MemberSpec
        The members, where all of them were trained here; empty for a file, and where one is external.
    honest : float64 array, shape (n, K)
        The teacher's probabilities of the rows of the stack, mixed by what was fitted without each row's fold.
    blenders : sequence of Blender
        The methods to choose from.
    calibrations : sequence of types of Calibration
        What is put behind each.
    method_by_fold : mapping of int to str
        The method that was chosen without a fold; `method` where it holds none.
    method : str
        The method that was chosen on all rows.
    holdout : OOFStack or None
        The members on the held-out rows; None where none are held out, or a member has no predictions of them.
    fitted : Blender or None
        `method` as it is stored, fitted on all rows of the stack; None where it is to be fitted.
    metric : str
        What the choice between methods goes by, one of `METRICS`.
    """

    stack: OOFStack
    specs: Sequence[MemberSpec]
    honest: Floats
    blenders: Sequence[Blender] = field(default_factory=lambda: [SoftVote()])
    calibrations: Calibrations = ()
    method_by_fold: Mapping[int, str] = field(default_factory=dict)
    method: str = SoftVote.name
    holdout: OOFStack | None = None
    fitted: Blender | None = None
    metric: str = "log_loss"

    def labels(self, split: SplitStore) -> dict[int, FoldLabels]:
        """Return the probabilities under scheme=oof: of each row the same, whatever fold a student leaves out.

        The rule for rows of no fold is fitted without the student's fold all the same; number k stands for all rows.
        """
        folds, own = self.stack.folds, split.folds
        probabilities = _on_all_rows(own.ids, self.stack, self.honest)
        labels = {}
        for fold in range(own.k):
            rows = training_rows(folds, folds.fold == fold)
            labels[fold] = FoldLabels(
                probabilities, self._fit(self.stack.rows(rows), self.method_by_fold.get(fold, self.method))
            )
        return labels | {own.k: self._whole_labels(split)}

    def nested_labels(self, split: SplitStore, stacks: Mapping[int, OOFStack]) -> dict[int, FoldLabels]:
        """Return the probabilities under scheme=nested: nothing was fitted on the fold that a student leaves out.

        Parameters
        ----------
        split : SplitStore
            The part of the store.
        stacks : mapping of int to OOFStack
            Of each fold: the members on the rows of the others, trained without both; see `NestedTeachers`.
        """
        labels = {}
        for fold, bare in stacks.items():
            stack = replace(bare, features=_features_of(self.stack, bare))
            results, nested = evaluate(self.blenders, stack, None, self.calibrations, self.metric)
            vote = stack.folds.label
            costs = {each.method: row_costs(each.probabilities, vote, self.metric).mean() for each in results}
            method = best_method(costs)
            honest = next(result.probabilities for result in results if result.method == method)
            chosen = honest if nested is None or len(results) == 1 else nested.probabilities
            labels[fold] = FoldLabels(_on_all_rows(split.folds.ids, stack, chosen), self._fit(stack, method))
        return labels | {split.folds.k: self._whole_labels(split)}

    def inputs_digest(self, stacks: Mapping[int, OOFStack]) -> str:
        """Return the digest, 64 hex digits, of all that the probabilities are computed from.

        Parameters
        ----------
        stacks : mapping of int to OOFStack
            As in `nested_labels`; empty under scheme=oof.
        """
        fitted = None if self.fitted is None else self.fitted.state()
        rules = [[blender.state() for blender in self.blenders], [kind.name for kind in self.calibrations]]
        chosen = [sorted(self.method_by_fold.items()), self.method, self.metric]
        hashed = sha256(digest([rules, chosen, fitted]).encode())
        hashed.update(self.honest.tobytes())
        for fold, stack in [(None, self.stack), *sorted(stacks.items())]:
            hashed.update(digest([fold, [asdict(info) for info in stack.members], [*stack.folds.ids]]).encode())
            for values in (stack.probabilities, stack.folds.label, stack.folds.fold):
                hashed.update(np.ascontiguousarray(values).tobytes())
        return hashed.hexdigest()

    def on_holdout(self) -> Floats | None:
        """Return the probabilities of the held-out rows, (h, K), by the rule that was fitted on all others."""
        if self.holdout is None:
            return None
        return self._whole_blender().predict(self.holdout.probabilities, self.holdout.features)

    def _whole_labels(self, split: SplitStore) -> FoldLabels:
        """Return the probabilities for a training that leaves no fold out: of each row, by what did not see the row."""
        return FoldLabels(_on_all_rows(split.folds.ids, self.stack, self.honest), self._whole_blender())

    def _whole_blender(self) -> Blender:
        return self._fit(self.stack, self.method) if self.fitted is None else self.fitted

    def _fit(self, stack: OOFStack, method: str) -> Blender:
        base = method.partition("+")[0]
        return fit_all([each for each in self.blenders if each.name == base], self.calibrations, stack)[method]


def find_teacher(split: SplitStore, source: str, pairs: Pairs) -> Teacher:
    """Return the teacher that teacher.source names.

    Parameters
    ----------
    split : SplitStore
        The part of the store that the student goes to.
    source : str
        "blend", the name of a member, or a file.
    pairs : Pairs
        All rows of the data, in the order of the folds.

    Raises
    ------
    ConfigError
        The source is none of the three.
    StoreError
        It is not complete, damaged, or a student.
    """
    if source == "blend":
        return _blend_teacher(split, pairs)
    if is_file_name(source):
        return _file_teacher(split, Path(source))
    names = split.member_names()
    if source not in names:
        expected = f"blend, a file (.csv, .parquet), or a member among {', '.join(names) or 'none yet'}"
        raise ConfigError(f"teacher.source={source}", expected, "correct teacher.source")
    spec = split.member(source)
    _refuse_students([spec])
    missing = [] if spec.external else missing_folds(split, spec)
    if missing:
        raise StoreError(f"the teacher {source} lacks folds {missing}", "all folds", "train them first")
    stack, holdout = member_stack(split, spec)
    return Teacher(stack, [spec] if spec.external is None else [], stack.probabilities[0], holdout=holdout)


def _blend_teacher(split: SplitStore, pairs: Pairs) -> Teacher:
    blend = read_blend(split.find_blend())
    if blend.folds.digest != split.folds.digest:
        raise StoreError(f"{split.blend_path} is of other data or folds", f"those of {split.path.name}", BLEND_AGAIN)
    stored = {*split.member_names()}
    specs = [split.member(name) for name in blend.names if name in stored]
    _refuse_students(specs)
    blenders, calibrations = [], []
    for result in blend.results:
        _, _, kind = result.method.partition("+")
        if not kind:
            blenders.append(restore(dict(result.state)))
        elif calibration(kind) not in calibrations:
            calibrations.append(calibration(kind))
    holdout = None
    if len(specs) == len(blend.names) and not split.folds.scored.all():
        runs = {spec.info: [split.predictions(spec, fold) for fold in range(split.k)] for spec in specs}
        _, holdout = make_stack(split.folds, runs)
    stack = blend.stack
    if any(blender.wants_features for blender in blenders):
        stack, holdout = _with_features(stack, pairs), None if holdout is None else _with_features(holdout, pairs)
    expected = blend.best if blend.expected is None else blend.expected
    chosen = {} if blend.nested is None or len(blend.results) == 1 else blend.nested.method_by_fold
    kinds = calibrations_for(stack.folds, calibrations)
    trained = specs if [spec.name for spec in specs if spec.external is None] == blend.names else []
    own, fitted = (chosen, blend.best.method, holdout), restore(dict(blend.best.state))
    return Teacher(stack, trained, expected.probabilities, blenders, kinds, *own, fitted, blend.metric)


def _file_teacher(split: SplitStore, path: Path) -> Teacher:
    external = ExternalMember.of(stem(path), *read_probabilities(path))
    folds = split.folds
    stack, holdout = make_stack(folds, {external.spec(folds).info: external.runs(folds)})
    return Teacher(stack, [], stack.probabilities[0], holdout=holdout)


def _refuse_students(specs: Sequence[MemberSpec]) -> None:
    students = [spec.name for spec in specs if spec.is_student]
    if students:
        raise StoreError(
            f"the teacher is or has {', '.join(students)}, which learned from a teacher itself",
            "a teacher that learned from votes alone",
            "blend without members= first, or name another teacher.source",
        )


def _with_features(stack: OOFStack, pairs: Pairs) -> OOFStack:
    """Return a stack with the style features of its rows."""
    return replace(stack, features=all_features(pairs.take(_places(stack.folds.ids, pairs.ids))))


def _places(ids: Strings, among: Strings) -> Ints:
    """Return where each of some ids is among others."""
    place = {id_: row for row, id_ in enumerate(among)}
    return np.array([place[id_] for id_ in ids], dtype=np.int64)


def _on_all_rows(ids: Strings, stack: OOFStack, probabilities: Floats) -> Floats:
    """Return the probabilities of the rows of a stack at the places of their ids; NaN at the others."""
    everywhere = np.full((len(ids), probabilities.shape[1]), np.nan)
    everywhere[_places(stack.folds.ids, ids)] = probabilities
    return everywhere


def _features_of(stack: OOFStack, rows: OOFStack) -> PairFeatures | None:
    """Return the features of the rows of another stack, where this one has features."""
    return None if stack.features is None else stack.features.take(_places(rows.folds.ids, stack.folds.ids))
