"""Fitted blenders from blend.json and predictor.json, of whatever origin."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from prefens.core.errors import BLEND_AGAIN, BlendError, StoreError
from prefens.core.typed_json import read_typed
from prefens.ensemble.base import Blender
from prefens.ensemble.decision import Decision, TieWeight
from prefens.ensemble.files.blend_json import read_json
from prefens.ensemble.registry import restore
from prefens.store.folds_table import MOST_FOLDS


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
        came = f"{len(members)} members, {len(set(members))} of them different, k={content.k}"
        raise StoreError(f"{path}: {came}", f"members, each once, and 1 to {MOST_FOLDS} folds", BLEND_AGAIN)
    if len(prior) not in (2, 3) or not min(prior) >= 0 or not abs(sum(prior) - 1) < 1e-6:
        raise StoreError(f"{path}: prior is {prior!r:.80}", "probabilities that sum to 1", BLEND_AGAIN)
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
    """A method of a stored blend.

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
    """

    name: str
    members: list[str]
    blender: Blender
    decision: Decision


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
        raise StoreError(f"method={method}", f"best, or one of {', '.join(states)}", "correct it, or blend again")
    members, weight = [entry.member for entry in blend.members], blend.tie_weight if name == blend.best else 1.0
    return StoredMethod(name, members, restore(states[name]), Decision(weight))
