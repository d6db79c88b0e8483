"""Errors worth reading: the most confident mistakes and the pairs that members disagree about most."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.special import entr

from prefens.core.metrics import row_losses
from prefens.core.types import Floats, Ints, OOFStack, Outcome, Pairs
from prefens.reporting.plots import NAMES
from prefens.reporting.section import Section, Table, Text

LONGEST = 3000  # characters of a text that are shown; longer ones lose their middle
TURNS = "\n\n\N{EM DASH} next turn \N{EM DASH}\n\n"


def errors_section(stack: OOFStack, name: str, probabilities: Floats, pairs: Pairs, shown: int = 10) -> Section:
    """Return the section for the (n, K) honest probabilities of the method `name`; `shown` pairs of each kind.

    `pairs` are those of the stack's rows and maybe more, in any order.
    """
    losses = row_losses(probabilities, stack.folds.label)
    worst = np.argsort(-losses, kind="stable")[:shown]
    tables = [_table("The most confident mistakes", stack, probabilities, worst, {"log loss": losses})]
    texts = [_text("Mistake", rank, stack, probabilities, pairs, row) for rank, row in enumerate(worst, 1)]
    summary = [
        f"The {len(worst)} worst predictions of {name} cost {losses[worst].mean():.2f} nats each, and together "
        f"{losses[worst].sum() / losses.sum():.1%} of its whole loss: read them for wrong labels before blaming the "
        "model.",
        "All predictions here are out of fold. Texts are shown as they are, markup included, without the middle of "
        "long ones.",
    ]
    if len(stack.members) > 1:
        apart = disagreement(stack.probabilities)
        most = np.argsort(-apart, kind="stable")[:shown]
        tables.append(_table("The most disputed pairs", stack, probabilities, most, {"disagreement": apart}))
        texts += [_text("Dispute", rank, stack, probabilities, pairs, row) for rank, row in enumerate(most, 1)]
        summary.append(
            "disagreement: the mean divergence of members from their average, in nats (0: all say the same; at most "
            "ln 3)."
        )
    return Section("errors", "Errors worth reading", summary, tables, texts=texts)


def disagreement(probabilities: Floats) -> Floats:
    """Return (n,) in [0, ln 3] nats: the entropy of the mean of (M, n, K) less their mean entropy (Jensen-Shannon)."""
    together = entr(probabilities.mean(axis=0)).sum(axis=1)
    apart: Floats = np.maximum(together - entr(probabilities).sum(axis=2).mean(axis=0), 0.0)
    return apart


def shortened(text: str, longest: int = LONGEST) -> str:
    """Return a text of at most about `longest` characters: head and tail, and how many are missing between them."""
    if len(text) <= longest:
        return text
    head, tail = longest * 2 // 3, longest // 3
    gap = f"[\N{HORIZONTAL ELLIPSIS} {len(text) - head - tail:,} characters left out \N{HORIZONTAL ELLIPSIS}]"
    return f"{text[:head]}\n\n{gap}\n\n{text[-tail:]}"


def _table(title: str, stack: OOFStack, probabilities: Floats, rows: Ints, values: dict[str, Floats]) -> Table:
    cells = []
    for rank, row in enumerate(rows, 1):
        shown: dict[str, Any] = {"rank": rank, "id": str(stack.folds.ids[row])}
        shown |= {"happened": NAMES[Outcome(stack.folds.label[row])]}
        shown |= {f"p({NAMES[outcome]})": float(probabilities[row, outcome]) for outcome in Outcome}
        cells.append(shown | {name: float(value[row]) for name, value in values.items()})
    return Table(title, cells, digits=3)


def _text(kind: str, rank: int, stack: OOFStack, probabilities: Floats, pairs: Pairs, row: int) -> Text:
    id_, label = stack.folds.ids[row], Outcome(stack.folds.label[row])
    told = ", ".join(f"{NAMES[outcome]} {probabilities[row, outcome]:.2f}" for outcome in Outcome)
    place = int(np.flatnonzero(pairs.ids == id_)[0])
    names = {"response A": pairs.model_a, "response B": pairs.model_b}
    parts = {"prompt": pairs.prompt[place]}
    for side, column, outcome in (
        ("response A", pairs.response_a, Outcome.A_WINS),
        ("response B", pairs.response_b, Outcome.B_WINS),
    ):
        model = names[side]
        by = "" if model is None or not model[place] else f" \N{MIDDLE DOT} {model[place]}"
        parts[f"{side}{by}{' (preferred)' if label is outcome else ''}"] = column[place]
    title = f"{kind} {rank} \N{MIDDLE DOT} id {id_} \N{MIDDLE DOT} {NAMES[label]} happened, predicted: {told}"
    return Text(title, {name: shortened(TURNS.join(turns)) for name, turns in parts.items()} | _members(stack, row))


def _members(stack: OOFStack, row: int, most: int = 20) -> dict[str, str]:
    """Return what the members said, as lines; of many, those that are furthest from the others."""
    said = stack.probabilities[:, row]
    order: Sequence[int] = np.argsort(-np.abs(said - said.mean(axis=0)).sum(axis=1), kind="stable")[:most].tolist()
    width = max(len(stack.members[place].name) for place in order)
    lines = [f"{stack.members[place].name:{width}}  " + "  ".join(f"{p:.2f}" for p in said[place]) for place in order]
    return {"members (A wins, B wins, tie)": "\n".join(lines)}
