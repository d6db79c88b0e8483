"""Pairs as the tables of each format of preference data, with lists and objects as JSON where a file type has none."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from prefens.core.types import Outcome, Pairs
from tests.helpers.examples import column, make_pairs
from tests.helpers.tables import TYPES

WINNERS = {Outcome.A_WINS: "model_a", Outcome.B_WINS: "model_b", Outcome.TIE: "tie"}
TEXT_TYPES = {"csv", "tsv", "semicolons", "utf-8 with a mark", "utf-16", "utf-32"}


def two_turns(count: int, classes: int = 3) -> Pairs:
    """Return pairs of two turns each."""
    pairs = make_pairs(count, classes=classes)
    texts = {
        name: column([(*turns, f"{turns[0]} again {row}") for row, turns in enumerate(getattr(pairs, name))])
        for name in ("prompt", "response_a", "response_b")
    }
    return Pairs(pairs.ids, **texts, label=pairs.label, model_a=pairs.model_a, model_b=pairs.model_b)


def conversation(prompt: tuple[str, ...], response: tuple[str, ...], parts: bool = False) -> list[dict[str, Any]]:
    said = [
        (role, text) for turns in zip(prompt, response, strict=True) for role, text in zip(ROLES, turns, strict=True)
    ]
    return [{"role": role, "content": [{"type": "text", "text": text}] if parts else text} for role, text in said]


ROLES = ("user", "assistant")


def rows_of(pairs: Pairs) -> list[tuple[Any, ...]]:
    names = ("ids", "prompt", "response_a", "response_b", "label")
    return list(zip(*(getattr(pairs, name) for name in names), strict=True))


def one_hot(pairs: Pairs) -> pd.DataFrame:
    rows = [
        {"id": id_, "prompt": json.dumps(prompt), "response_a": json.dumps(a), "response_b": json.dumps(b)}
        | {name: int(label == place) for place, name in enumerate(("winner_model_a", "winner_model_b", "winner_tie"))}
        for id_, prompt, a, b, label in rows_of(pairs)
    ]
    return pd.DataFrame(rows)


def wsdm(pairs: Pairs) -> pd.DataFrame:
    rows = [(id_, prompt[0], a[0], b[0], WINNERS[label]) for id_, prompt, a, b, label in rows_of(pairs)]
    return pd.DataFrame(rows, columns=["id", "prompt", "response_a", "response_b", "winner"])


def judgebench(pairs: Pairs) -> pd.DataFrame:
    rows = [(id_, prompt[0], a[0], b[0], "A>B" if label == 0 else "B>A") for id_, prompt, a, b, label in rows_of(pairs)]
    return pd.DataFrame(rows, columns=["pair_id", "question", "response_A", "response_B", "label"])


def arena(pairs: Pairs, parts: bool = False) -> pd.DataFrame:
    rows = [
        (id_, conversation(prompt, a, parts), conversation(prompt, b, parts), WINNERS[label])
        for id_, prompt, a, b, label in rows_of(pairs)
    ]
    return pd.DataFrame(rows, columns=["question_id", "conversation_a", "conversation_b", "winner"])


def helpsteer(pairs: Pairs) -> pd.DataFrame:
    grade = {Outcome.A_WINS: -2, Outcome.B_WINS: 3, Outcome.TIE: 0}
    rows = [
        (id_, conversation(prompt, a)[:-1], a[-1], b[-1], grade[label]) for id_, prompt, a, b, label in rows_of(pairs)
    ]
    return pd.DataFrame(rows, columns=["id", "context", "response1", "response2", "overall_preference"])


def ultrafeedback(pairs: Pairs) -> pd.DataFrame:
    rows = [
        (id_, prompt[0], *((a, b) if label != 1 else (b, a)), 4.5, 4.5 if label == 2 else 2)
        for id_, prompt, a, b, label in rows_of(pairs)
    ]
    frame = pd.DataFrame(rows, columns=["id", "prompt", "chosen", "rejected", "score_chosen", "score_rejected"])
    for name in ("chosen", "rejected"):
        frame[name] = [conversation((prompt,), side) for prompt, side in zip(frame.prompt, frame[name], strict=True)]
    return frame


def nectar(pairs: Pairs) -> pd.DataFrame:
    ranks = {Outcome.A_WINS: (1, 2), Outcome.B_WINS: (5, 4), Outcome.TIE: (3, 3)}
    rows = [
        (f"\n\nHuman: {prompt[0]}\n\nAssistant: ", [
            {"answer": text, "model": "m", "rank": rank} for text, rank in zip((a[0], b[0]), ranks[label], strict=True)
        ])
        for _, prompt, a, b, label in rows_of(pairs)
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["prompt", "answers"])


def ppe_correctness(pairs: Pairs) -> pd.DataFrame:
    """Return a row of four responses for each pair, which are the second and the last; PPE has 32."""
    rows = []
    for row, (_, prompt, a, b, label) in enumerate(rows_of(pairs)):
        scores, responses = [False, bool(label == 0), True, bool(label == 1)], ["other", a[0], "another", b[0]]
        rows.append((f"q{row}", prompt[0], "m", scores, prompt[0], *responses, [[1, 3], [1, 3]]))
    names = ["question_id", "question", "model_name", "scores", "prompt", *(f"response_{n}" for n in range(1, 5))]
    return pd.DataFrame(rows, columns=[*names, "sampled_conflict_pairs"])


def trl(pairs: Pairs) -> pd.DataFrame:
    rows = [
        (id_, prompt[0], *((a[0], b[0]) if label == 0 else (b[0], a[0]))) for id_, prompt, a, b, label in rows_of(pairs)
    ]
    return pd.DataFrame(rows, columns=["id", "prompt", "chosen", "rejected"])


def skywork(pairs: Pairs) -> pd.DataFrame:
    frame = pd.DataFrame({"id": pairs.ids})
    for name, place in (("chosen", 0), ("rejected", 1)):
        frame[name] = [conversation(prompt, (a, b)[label ^ place]) for _, prompt, a, b, label in rows_of(pairs)]
    return frame


FORMATS: dict[str, tuple[str, Callable[[Pairs], pd.DataFrame], Pairs]] = {  # the reader, the table, and its pairs
    "one_hot": ("one_hot", one_hot, two_turns(12)),
    "wsdm": ("winner", wsdm, make_pairs(12)),
    "judgebench": ("winner", judgebench, make_pairs(12, classes=2)),
    "arena": ("winner", arena, two_turns(12)),
    "arena in parts": ("winner", lambda pairs: arena(pairs, parts=True), two_turns(12)),
    "helpsteer": ("graded", helpsteer, make_pairs(12)),
    "ultrafeedback": ("graded", ultrafeedback, make_pairs(12)),
    "nectar": ("graded", nectar, make_pairs(12)),
    "ppe correctness": ("conflicts", ppe_correctness, make_pairs(12, classes=2)),
    "trl": ("chosen", trl, make_pairs(12, classes=2)),
    "skywork": ("chosen", skywork, two_turns(12, classes=2)),
}


def format_bytes(frame: pd.DataFrame, kind: str) -> bytes:
    """Return the table as a file of a type; lists are JSON texts in those that have none."""
    if kind in TEXT_TYPES:
        frame = frame.map(lambda cell: json.dumps(cell) if isinstance(cell, list) else cell)
    return TYPES[kind](frame)


def verdicts(pairs: Pairs) -> set[tuple[Any, ...]]:
    """Return the pairs without ids and sides: prompt, winner and loser, or both of a tie in alphabetical order."""
    return {
        (prompt, "tie", *sorted((a, b))) if label == Outcome.TIE else (prompt, "win", *((a, b), (b, a))[label])
        for _, prompt, a, b, label in rows_of(pairs)
    }


def shuffled(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the table with its columns and rows in another order."""
    generator = np.random.default_rng(0)
    return frame[[*generator.permutation(frame.columns)]].iloc[generator.permutation(len(frame))].reset_index(drop=True)
