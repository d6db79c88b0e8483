"""Relative differences in style between two responses, as the arena's leaderboard controls for."""

from __future__ import annotations

import numpy as np

from prefens.core.parallel import map_chunks
from prefens.core.types import Floats, Pairs
from prefens.data.text.style_counts import LAYOUT, layout_counts, split_words

STYLE_DIFFERENCES = ("length", "headings", "bold", "lists")
LISTS = ("bullets", "numbered")
CHUNK_TEXTS = 512  # texts that a process counts at a time


def style_differences(pairs: Pairs) -> Floats:
    """Return (n, 4) differences (a - b) / (a + b) in words, headings, bold parts and list items.

    They are 0 where neither response has any, and change sign when A and B change places (Li, Angelopoulos & Chiang,
    Does style matter?, LMSYS blog, 2024).
    """
    texts = ["\n\n".join(turns) for turns in (*pairs.response_a, *pairs.response_b)]
    chunks = map_chunks(style_amounts, texts, CHUNK_TEXTS, "measuring style")
    counts = np.concatenate([np.empty((0, len(STYLE_DIFFERENCES))), *chunks])
    a, b = counts[: len(pairs)], counts[len(pairs) :]
    differences: Floats = (a - b) / np.maximum(a + b, 1.0)
    return differences


def style_amounts(texts: list[str]) -> Floats:
    """Return the (n, 4) amounts that `STYLE_DIFFERENCES` names, of n texts."""
    rows = []
    for text in texts:
        layout = dict(zip(LAYOUT, layout_counts(text), strict=True))
        lists = sum(layout[name] for name in LISTS)
        rows.append((len(split_words(text)), layout["headings"], layout["bold"], lists))
    return np.array(rows, dtype=np.float64).reshape(-1, len(STYLE_DIFFERENCES))
