"""Truncation: prompt and responses have budgets of their own, and each keeps its head and its tail."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from prefens.data.text.settings import TextSettings

log = logging.getLogger(__name__)

Tokens = NDArray[np.int32]
WARNED_SHARE = 1 / 3  # of the tokens of a part
WARNED: set[int] = set()  # the lengths that this process has warned of
NO_MARK: Tokens = np.empty(0, dtype=np.int32)
NO_TURNS: NDArray[np.int64] = np.empty(0, dtype=np.int64)


class Text(NamedTuple):
    """The tokens of a prompt or a response.

    Attributes
    ----------
    tokens : int32 array, shape (t,)
        Of all its turns.
    turns : int64 array, shape (m,)
        Where each turn after the first begins; empty for one turn, and where turns are not told apart.
    """

    tokens: Tokens
    turns: NDArray[np.int64]


def budgets(prompt: int, response: int, room: int, prompt_share: float) -> tuple[int, int]:
    """Return how many of `prompt` and of `response` tokens fit into `room` tokens.

    The prompt gets up to `prompt_share` of the room; what one part does not need goes to the other.
    """
    for_prompt = min(prompt, max(round(room * prompt_share), room - response))
    return for_prompt, min(response, room - for_prompt)


def pair_budgets(prompt: int, a: int, b: int, room: int, prompt_share: float) -> tuple[int, int, int]:
    """Return how many of `prompt`, `a` and `b` tokens fit into `room` tokens together.

    The prompt gets up to `prompt_share` of the room, but leaves at least a token to each response; the responses get
    equal shares of the rest. What one part does not need goes to the others. A and B are treated alike: where both are
    cut and an odd token is left, it goes to the prompt if that is cut too, and is not used otherwise.
    """
    prompt_room = min(round(room * prompt_share), room - 2)
    rest = room - min(prompt, max(prompt_room, room - a - b))
    for_a, for_b = (min(own, max(rest // 2, rest - other)) for own, other in ((a, b), (b, a)))
    return min(prompt, room - for_a - for_b), for_a, for_b


def head_and_tail(tokens: Tokens, budget: int, head_share: float, mark: Tokens = NO_MARK) -> Tokens:
    """Return at most `budget` tokens: `head_share` of them from the start, the others from the end.

    Where something is cut out, `mark` stands for it, unless it would take a quarter of the budget.
    """
    if len(tokens) <= budget:
        return tokens
    mark = mark if budget > 4 * len(mark) else NO_MARK
    kept = budget - len(mark)
    head = round(kept * head_share)
    return np.concatenate([tokens[:head], mark, tokens[len(tokens) - (kept - head) :]])


def whole_turns(text: Text, budget: int, head_share: float, mark: Tokens) -> Tokens:
    """Return at most `budget` tokens: whole turns from the end and from the start, and of those between head and tail.

    `mark` stands for what is left out. Where no turn fits as a whole, all of them are cut as one text.
    """
    tokens, bounds = text.tokens, [0, *text.turns.tolist(), len(text.tokens)]
    if len(tokens) <= budget:
        return tokens
    first, last, room = 0, len(bounds) - 1, budget - len(mark)
    fits = True
    while fits:  # it ends before the two meet, since all turns together don't fit
        fits = False
        if (size := bounds[last] - bounds[last - 1]) <= room:
            last, room, fits = last - 1, room - size, True
        if (size := bounds[first + 1] - bounds[first]) <= room:
            first, room, fits = first + 1, room - size, True
    start, stop = bounds[first], bounds[last]
    if stop - start == len(tokens):
        return head_and_tail(tokens, budget, head_share, mark)
    enough = room > 3 * len(mark)
    between = head_and_tail(tokens[start:stop], room + len(mark), head_share, mark) if enough else mark
    return np.concatenate([tokens[:start], between, tokens[stop:]])


@dataclass
class TruncationAudit:
    """What truncation costs.

    Attributes
    ----------
    seen : dict of str to int
        Tokens before truncation, by part ("prompt", "response").
    kept : dict of str to int
        Tokens after truncation, by part.
    """

    seen: dict[str, int]
    kept: dict[str, int]

    def lost(self) -> dict[str, float]:
        """Return the share of tokens that are cut off, by part, in [0, 1]."""
        return {part: 1.0 - self.kept[part] / seen if seen else 0.0 for part, seen in self.seen.items()}


def warn_of_losses(audit: TruncationAudit, settings: TextSettings, n_pairs: int) -> None:
    """Log a warning where truncation cuts off more than a third of the tokens of a part of `n_pairs` pairs.

    It is logged once a process for each length: a prediction reads its pairs in parts, with every fold model.
    """
    losses = [f"{share:.0%} of the {part} tokens" for part, share in audit.lost().items() if share > WARNED_SHARE]
    if losses and settings.max_length not in WARNED:
        WARNED.add(settings.max_length)
        log.warning(
            "text.max_length=%d cuts off %s of %d pairs; a longer one reads more",
            settings.max_length, " and ".join(losses), n_pairs,
        )  # fmt: skip


def cut(
    prompt: Text,
    response: Text,
    room: int,
    settings: TextSettings,
    audit: TruncationAudit,
    mark: Tokens = NO_MARK,
) -> tuple[Tokens, Tokens]:
    """Cut both parts to their budgets, `mark` in place of what is cut out, and count the tokens in the audit."""
    for_prompt, for_response = budgets(len(prompt.tokens), len(response.tokens), room, settings.share_of_prompt)
    return (
        _shortened("prompt", prompt, for_prompt, settings, audit, mark),
        _shortened("response", response, for_response, settings, audit, mark),
    )


def cut_pair(
    prompt: Text,
    a: Text,
    b: Text,
    room: int,
    settings: TextSettings,
    audit: TruncationAudit,
    mark: Tokens = NO_MARK,
) -> tuple[Tokens, Tokens, Tokens]:
    """Cut a prompt and two responses that share one sequence, as `cut` does."""
    n_prompt, n_a, n_b = (len(text.tokens) for text in (prompt, a, b))
    for_prompt, for_a, for_b = pair_budgets(n_prompt, n_a, n_b, room, settings.share_of_prompt)
    return (
        _shortened("prompt", prompt, for_prompt, settings, audit, mark),
        _shortened("response", a, for_a, settings, audit, mark),
        _shortened("response", b, for_b, settings, audit, mark),
    )


def _shortened(
    part: str,
    text: Text,
    budget: int,
    settings: TextSettings,
    audit: TruncationAudit,
    mark: Tokens,
) -> Tokens:
    kept = whole_turns(text, budget, settings.head_share, mark)
    audit.seen[part] = audit.seen.get(part, 0) + len(text.tokens)
    audit.kept[part] = audit.kept.get(part, 0) + len(kept)
    return kept
