"""Which rows the scores are on, and how they were split."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from prefens.core.hashing import short
from prefens.core.metrics import outcome_shares
from prefens.core.types import HOLDOUT, Folds, Outcome, Strings, n_outcomes
from prefens.reporting.plots import NAMES
from prefens.reporting.section import Section, Table


def rows_section(label: NDArray[np.int8], group: Strings, digest: str, folds: Folds | None = None) -> Section:
    """Describe n rows by outcome, and by fold where they are split: `label` (n,), `group` (n,) of prompts."""
    prompts = len(set(group))
    summary = [f"{len(label):,} pairs of responses to {prompts:,} different prompts; data {short(digest)}."]
    tables = []
    if folds is not None:
        summary += [_told(folds)]
        parts = [(str(fold) if fold != HOLDOUT else "hold-out", folds.fold == fold) for fold in np.unique(folds.fold)]
        tables.append(Table("Folds", [{"fold": name, **_counted(label[rows], group[rows])} for name, rows in parts]))
    else:
        tables.append(Table("Outcomes", [{"rows of": "all", **_counted(label, group)}]))
    return Section("rows", "Rows and folds" if folds is not None else "Rows", summary, tables)


def _counted(label: NDArray[np.int8], group: Strings) -> dict[str, Any]:
    shares = outcome_shares(label, n_outcomes(label))
    named = {NAMES[outcome]: float(shares[outcome]) for outcome in Outcome}
    return {"rows": len(label), "prompts": len(set(group)), **named}


def _told(folds: Folds) -> str:
    about = folds.settings
    how = {
        "stratified_group": "rows that share a prompt share a fold, so that nothing is scored on a prompt it was "
        "trained on",
        "stratified": "plain stratified folds: rows that share a prompt may be in different folds, which flatters "
        "every score here",
    }
    told = how.get(str(about["scheme"]), "folds that were given")
    held_out = int((~folds.scored).sum())
    rest = f" {held_out:,} rows are held out of all training, tuning and weights." if held_out else ""
    return f"{folds.k} folds ({about['scheme']}, {short(folds.digest)}): {told}.{rest}"
