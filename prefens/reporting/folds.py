"""The section on the rows that the scores are on, and on how they were split."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from prefens.core.hashing import short
from prefens.core.metrics import outcome_shares
from prefens.core.types import HOLDOUT, Folds, Strings, outcomes
from prefens.reporting.plots import OUTCOME_TITLES
from prefens.reporting.section import ReportTable, Section

SCHEMES = {
    "stratified_group": "rows that share a prompt share a fold, so that nothing is scored on a prompt it was trained "
    "on",
    "stratified": "plain stratified folds: rows that share a prompt may be in different folds, which flatters every "
    "score here",
    "source": "each fold is a source, so that scores are those on data from elsewhere; rows of other sources whose "
    "prompt is in it are not trained on for it",
}


def folds_section(
    label: NDArray[np.int8], group: Strings, digest: str, folds: Folds | None = None, n_outcomes: int = 3
) -> Section:
    """Return the section on n rows, by outcome and by fold.

    Parameters
    ----------
    label : ndarray of int8, shape (n,)
        The outcome of each row.
    group : ndarray of str, shape (n,)
        The prompt group of each row.
    digest : str
        The data digest.
    folds : Folds or None
        How the rows are split, if they are.
    n_outcomes : int
        K, where `folds` does not say it.
    """
    k = n_outcomes if folds is None else folds.n_outcomes
    summary = [f"{len(label):,} pairs of responses to {len(set(group)):,} different prompts; data {short(digest)}."]
    if folds is None:
        table = ReportTable("Outcomes", [{"rows of": "all", **_counts(label, group, k)}])
        return Section("rows", "Rows", summary, [table])
    names = dict(enumerate(folds.settings.get("sources", ()))) | {HOLDOUT: "hold-out"}
    masks = {str(names.get(int(fold), fold)): folds.fold == fold for fold in np.unique(folds.fold)}
    rows = [{"fold": name, **_counts(label[mask], group[mask], k)} for name, mask in masks.items()]
    return Section("rows", "Rows and folds", [*summary, _scheme(folds)], [ReportTable("Folds", rows)])


def _counts(label: NDArray[np.int8], group: Strings, k: int) -> dict[str, Any]:
    shares = outcome_shares(label, k)
    by_title = {OUTCOME_TITLES[outcome]: float(shares[outcome]) for outcome in outcomes(k)}
    return {"rows": len(label), "prompts": len(set(group)), **by_title}


def _scheme(folds: Folds) -> str:
    scheme = str(folds.settings["scheme"])
    held_out = int((~folds.scored).sum())
    holdout = f" {held_out:,} rows are held out of all training, tuning and weights." if held_out else ""
    description = SCHEMES.get(scheme, "folds that were read from a file")
    return f"{folds.k} folds ({scheme}, {short(folds.digest)}): {description}.{holdout}"
