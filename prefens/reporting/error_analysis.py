"""Error analysis: the most confident mistakes, and the pairs that members disagree about most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.special import entr

from prefens.core.metrics import row_losses
from prefens.core.types import Floats, Ints, OOFStack, Outcome, Pairs, outcomes
from prefens.reporting.plots import OUTCOME_TITLES
from prefens.reporting.section import ReportTable, Section, Text

MAX_CHARS = 3000  # of a text that is shown; longer ones lose their middle
MAX_MEMBERS = 20  # whose probabilities are shown with a text
TURN_BREAK = "\n\n\N{EM DASH} next turn \N{EM DASH}\n\n"
DOT = " \N{MIDDLE DOT} "


def errors_section(stack: OOFStack, name: str, probabilities: Floats, pairs: Pairs, count: int = 10) -> Section:
    """Return the section on the errors of one method.

    Parameters
    ----------
    stack : OOFStack
        The members on n rows.
    name : str
        The method.
    probabilities : ndarray of float, shape (n, K)
        Its honest predictions.
    pairs : Pairs
        Those of the stack's rows, and maybe more, in any order.
    count : int
        How many pairs of each kind the section shows.
    """
    losses = row_losses(probabilities, stack.folds.label)
    worst = np.argsort(-losses, kind="stable")[:count]
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
        divergence = disagreement(stack.probabilities)
        most = np.argsort(-divergence, kind="stable")[:count]
        tables.append(_table("The most disputed pairs", stack, probabilities, most, {"disagreement": divergence}))
        texts += [_text("Dispute", rank, stack, probabilities, pairs, row) for rank, row in enumerate(most, 1)]
        summary.append(
            "disagreement: the mean divergence of members from their average, in nats (0: all say the same; at most "
            f"ln {stack.folds.n_outcomes})."
        )
    return Section("errors", "Errors worth reading", summary, tables, texts=texts)


def disagreement(probabilities: Floats) -> Floats:
    """Return how much members disagree on each row: the Jensen-Shannon divergence of their predictions.

    It is the entropy of their mean, less the mean of their entropies (Lin 1991).

    Parameters
    ----------
    probabilities : ndarray of float, shape (M, n, K)
        Those of M members.

    Returns
    -------
    divergence : ndarray of float, shape (n,), in [0, ln K] nats
        0 where all members predict the same.
    """
    of_mean = entr(probabilities.mean(axis=0)).sum(axis=1)
    divergence: Floats = np.maximum(of_mean - entr(probabilities).sum(axis=2).mean(axis=0), 0.0)
    return divergence


def shorten(text: str, max_chars: int = MAX_CHARS) -> str:
    """Return the head and tail of a text that is longer than `max_chars`, with the number of characters left out."""
    if len(text) <= max_chars:
        return text
    head, tail = max_chars * 2 // 3, max_chars // 3
    gap = f"[\N{HORIZONTAL ELLIPSIS} {len(text) - head - tail:,} characters left out \N{HORIZONTAL ELLIPSIS}]"
    return f"{text[:head]}\n\n{gap}\n\n{text[-tail:]}"


def _table(
    title: str, stack: OOFStack, probabilities: Floats, rows: Ints, columns: Mapping[str, Floats]
) -> ReportTable:
    cells: list[dict[str, Any]] = [
        {
            "rank": rank,
            "id": str(stack.folds.ids[row]),
            "label": OUTCOME_TITLES[Outcome(stack.folds.label[row])],
            **{
                f"p({OUTCOME_TITLES[outcome]})": float(probabilities[row, outcome])
                for outcome in outcomes(stack.folds.n_outcomes)
            },
            **{name: float(values[row]) for name, values in columns.items()},
        }
        for rank, row in enumerate(rows, 1)
    ]
    return ReportTable(title, cells, digits=3)


def _text(kind: str, rank: int, stack: OOFStack, probabilities: Floats, pairs: Pairs, row: int) -> Text:
    id_, label = stack.folds.ids[row], Outcome(stack.folds.label[row])
    shown = outcomes(stack.folds.n_outcomes)
    predicted = ", ".join(f"{OUTCOME_TITLES[outcome]} {probabilities[row, outcome]:.2f}" for outcome in shown)
    title = DOT.join([f"{kind} {rank}", f"id {id_}", f"label {OUTCOME_TITLES[label]}, predicted: {predicted}"])
    parts = _texts_of_pair(pairs, int(np.flatnonzero(pairs.ids == id_)[0]), label)
    return Text(title, parts | _members(stack, row))


def _texts_of_pair(pairs: Pairs, index: int, label: Outcome) -> dict[str, str]:
    """Return the prompt and both responses, each under its name, its model and whether it was preferred."""
    parts = {"prompt": pairs.prompt[index]}
    for side, responses, models, wins in (
        ("response A", pairs.response_a, pairs.model_a, Outcome.A_WINS),
        ("response B", pairs.response_b, pairs.model_b, Outcome.B_WINS),
    ):
        model = f"{DOT}{models[index]}" if models is not None and models[index] else ""
        parts[f"{side}{model}{' (preferred)' if label is wins else ''}"] = responses[index]
    return {name: shorten(TURN_BREAK.join(turns)) for name, turns in parts.items()}


def _members(stack: OOFStack, row: int) -> dict[str, str]:
    """Return the members' probabilities as lines; of many members, those that are furthest from the mean."""
    probabilities = stack.probabilities[:, row]
    distance = np.abs(probabilities - probabilities.mean(axis=0)).sum(axis=1)
    order: Sequence[int] = np.argsort(-distance, kind="stable")[:MAX_MEMBERS].tolist()
    names = [stack.members[index].name for index in order]
    width = max(map(len, names))
    lines = [
        f"{name:{width}}  " + "  ".join(f"{p:.2f}" for p in probabilities[index])
        for name, index in zip(names, order, strict=True)
    ]
    titles = ", ".join(OUTCOME_TITLES[outcome] for outcome in outcomes(stack.folds.n_outcomes))
    return {f"members ({titles})": "\n".join(lines)}
