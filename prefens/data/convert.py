"""Pairs written in the formats that other programs read."""

from __future__ import annotations

import json
from itertools import takewhile
from pathlib import Path
from typing import Any

import pandas as pd

from prefens.core.errors import ConfigError
from prefens.core.files import atomic_write, write_text
from prefens.core.types import Outcome, Pairs
from prefens.data.loaded import LABEL, MODEL, TEXT

FORMATS = ("one_hot", "trl")


def convert(pairs: Pairs, out_format: str, out: Path) -> tuple[Path, int]:
    """Write labelled pairs; return the path and the number of pairs that are written.

    Parameters
    ----------
    pairs : Pairs
        n labelled pairs.
    out_format : str
        one_hot: converted.csv, the competition's format. trl: converted.jsonl, TRL's preference format, as messages;
        ties are left out.
    out : Path
        The folder.

    Raises
    ------
    ConfigError
        For another format.
    """
    check_format(out_format)
    if out_format == "one_hot":
        return _write_one_hot(pairs, out / "converted.csv"), len(pairs)
    rows = [row for row in range(len(pairs)) if pairs.labels[row] != Outcome.TIE]
    lines = [json.dumps(_preference(pairs, row), ensure_ascii=False) + "\n" for row in rows]
    return write_text(out / "converted.jsonl", "".join(lines)), len(rows)


def check_format(name: str) -> None:
    """Refuse a name that is none of `FORMATS`, with a ConfigError."""
    if name not in FORMATS:
        raise ConfigError(f"out_format={name}", " or ".join(FORMATS), "correct out_format")


def _write_one_hot(pairs: Pairs, path: Path) -> Path:
    models = {name: getattr(pairs, name) for name in MODEL if getattr(pairs, name) is not None}
    texts = {name: [json.dumps(turns, ensure_ascii=False) for turns in getattr(pairs, name)] for name in TEXT}
    labels = {name: (pairs.labels == outcome).astype(int) for outcome, name in enumerate(LABEL)}
    with atomic_write(path) as tmp:
        pd.DataFrame({"id": pairs.ids, **models, **texts, **labels}).to_csv(tmp, index=False)
    return path


def _preference(pairs: Pairs, row: int) -> dict[str, Any]:
    """Return a pair as prompt, chosen and rejected: what both conversations begin with, and what follows in each."""
    texts = [pairs.response_a[row], pairs.response_b[row]]
    models = [] if pairs.model_a is None or pairs.model_b is None else [pairs.model_a[row], pairs.model_b[row]]
    if pairs.labels[row] == Outcome.B_WINS:
        texts, models = texts[::-1], models[::-1]
    chosen, rejected = (_messages(pairs.prompt[row], turns) for turns in texts)
    last = len(chosen) - 1  # the last response is never a part of the prompt
    shared = len(list(takewhile(lambda both: both[0] == both[1], zip(chosen[:last], rejected[:last], strict=True))))
    return {
        "id": pairs.ids[row],
        "prompt": chosen[:shared],
        "chosen": chosen[shared:],
        "rejected": rejected[shared:],
        **dict(zip(("chosen_model", "rejected_model"), models, strict=False)),
    }


def _messages(prompt: tuple[str, ...], response: tuple[str, ...]) -> list[dict[str, str]]:
    turns = zip(prompt, response, strict=True)
    said = [message for texts in turns for message in zip(("user", "assistant"), texts, strict=True)]
    return [{"role": role, "content": text} for role, text in said]
