"""Fitted blenders from blend.json and predictor.json, of whatever origin, and that of a member that predicts alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from prefens.core.errors import BLEND_AGAIN, BlendError, StoreError, counted
from prefens.core.typed_json import read_typed
from prefens.ensemble.base import Blender
from prefens.ensemble.decision import ARGMAX, Decision, TieWeight
from prefens.ensemble.files.blend_json import check_outcomes, read_json
from prefens.ensemble.registry import restore
from prefens.store.folds_table import MOST_FOLDS
from prefens.store.selection import missing_folds
from prefens.store.split_store import SplitStore


@dataclass(frozen=True)
class PredictorFile:
    """The content of predictor.json: the attributes of `Predictor` of the same names, and the blender's state.

    `texts` is "plain" where the texts of a request may be plain.
    """

    method: str
    members: list[str]
    state: dict[str, Any]
    k: int
    prior: list[float]
    tie_weight: TieWeight = 1.0
    out_format: Literal["one_hot", "winner"] = "one_hot"
    texts: Literal["plain", "json"] = "json"
    full: bool = False


def read_predictor(path: Path) -> tuple[PredictorFile, Blender]:
    """Return the content of a predictor.json, of whatever origin, and its blender.

    Raises
    ------
    StoreError
        If a field is missing, or of another type, shape or range.
    """
    content = read_typed(path, PredictorFile, "the predictor.json of a saved model", BLEND_AGAIN)
    members, prior = content.members, content.prior
    if not members or len(set(members)) < len(members) or not 1 <= content.k <= MOST_FOLDS:
        came = f"{counted(len(members), 'member')}, {len(set(members))} of them different, k={content.k}"
        raise StoreError(f"{path}: {came}", f"members, each once, and 1 to {MOST_FOLDS} folds", BLEND_AGAIN)
    if len(prior) not in (2, 3) or not min(prior) >= 0 or not abs(sum(prior) - 1) < 1e-6:
        raise StoreError(f"{path}: prior is {prior!r:.80}", "probabilities that sum to 1", BLEND_AGAIN)
    if content.full and len(members) > 1:
        raise StoreError(f"{path}: full is true of {len(members)} members", "one member with a full fit", BLEND_AGAIN)
    try:
        blender = restore(content.state, len(members))
    except BlendError as error:
        raise StoreError(f"{path}: {error.came}", error.expected, BLEND_AGAIN) from error
    if blender.n_outcomes != len(prior):
        came = f"a prior of {len(prior)} outcomes"
        raise StoreError(f"{path}: {came}", f"{blender.n_outcomes}, those of the blender", BLEND_AGAIN)
    return content, blender


@dataclass(frozen=True)
class StoredMethod:
    """A method of a stored blend, or a member that predicts alone.

    Attributes
    ----------
    name : str
        Its name.
    members : list of str
        Names of the members, in the order that the blender was fitted on.
    blender : Blender
        The fitted blender.
    decision : Decision
        From its probabilities to one outcome.
    full : bool
        Whether the one member predicts with its full fit.
    """

    name: str
    members: list[str]
    blender: Blender
    decision: Decision = ARGMAX
    full: bool = False


def stored_blender(path: Path, method: str) -> StoredMethod:
    """Return a fitted blender from a blend.json.

    Parameters
    ----------
    path : Path
        The file.
    method : str
        A method of this blend, or "best".

    Raises
    ------
    StoreError
        If the file is not that of a blend, or if the blend has no such method.
    """
    blend = read_json(path)
    name = blend.best if method == "best" else method
    states = {entry.method: entry.state for entry in blend.methods}
    if name not in states:
        expected = f"best, one of {', '.join(states)}, or the name of a member that was trained here"
        raise StoreError(f"method={method}", expected, "correct it, or blend again")
    members, weight = [entry.member for entry in blend.members], blend.tie_weight if name == blend.best else 1.0
    return StoredMethod(name, members, restore(states[name]), Decision(weight))


def lone_member(name: str, n_outcomes: int) -> StoredMethod:
    """Return the method that is one member alone, of K outcomes: its probabilities as they are."""
    state = {"method": "soft_vote", "members": 1, "outcomes": n_outcomes, "weights": [1.0]}
    return StoredMethod(name, [name], restore(state, 1))


def stored_method(split: SplitStore, name: str) -> StoredMethod:
    """Return a method of the stored blend, or a member that was trained here: it predicts alone, and needs no blend.

    The member predicts with its full fit where that is stored, damaged or not, else with the mean of its fold models.

    Parameters
    ----------
    split : SplitStore
        The part of the store that they are in.
    name : str
        A method of the blend, "best", or the name of a member; no method is called as members are.

    Raises
    ------
    StoreError
        If there is no blend, if it is damaged, or if it has no such method; if the member has no full fit and lacks
        folds.
    """
    names = split.member_names()
    if name != "best" and name not in names and not split.has_blend():
        came, expected = f"no blend in {split.path}, and no member {name}", f"one of {', '.join(names)}"
        raise StoreError(came, expected, "correct method=, or blend first: python -m prefens.blend")
    if name not in names or split.member(name).external is not None:
        stored = stored_blender(split.find_blend(), name)
        check_outcomes(split.blend_path, stored.blender.n_outcomes, split.folds)
        return stored
    alone, full = lone_member(name, split.folds.n_outcomes), split.has_full(name)
    missing = [] if full else missing_folds(split, split.member(name))
    if missing:
        came = f"member {name} has no full fit and lacks folds {missing}"
        raise StoreError(came, "a full fit, or all folds", "train it with full=true, or the missing folds")
    return replace(alone, full=full)
