"""Token budgets: prompt and response each keep their head and their tail, and none pushes the other out."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prefens.data.text.settings import TextSettings

log = logging.getLogger(__name__)

Tokens = NDArray[np.int32]
MUCH = 1 / 3  # of a part's tokens


def budgets(prompt: int, response: int, room: int, prompt_share: float) -> tuple[int, int]:
    """Return how many tokens of a prompt and of a response fit into `room`.

    The prompt gets up to `prompt_share` of the room; what either part leaves unused goes to the other.
    """
    for_prompt = min(prompt, max(round(room * prompt_share), room - response))
    return for_prompt, min(response, room - for_prompt)


def pair_budgets(prompt: int, a: int, b: int, room: int, prompt_share: float) -> tuple[int, int, int]:
    """Return how many tokens of a prompt and of two responses fit into `room` together.

    The prompt gets up to `prompt_share` of the room, but for a token of each response; the responses get equal shares
    of the rest. What one part leaves unused goes to the others. A and B are treated alike: where both are cut and an
    odd token is left, it is the prompt's if that is cut too, and nobody's otherwise.
    """
    prompts = min(round(room * prompt_share), room - 2)
    rest = room - min(prompt, max(prompts, room - a - b))
    for_a, for_b = (min(own, max(rest // 2, rest - other)) for own, other in ((a, b), (b, a)))
    return min(prompt, room - for_a - for_b), for_a, for_b


def head_and_tail(tokens: Tokens, budget: int, head_share: float) -> Tokens:
    """Return at most `budget` tokens: the first `head_share` of it from the start, the others from the end."""
    if len(tokens) <= budget:
        return tokens
    head = round(budget * head_share)
    return np.concatenate([tokens[:head], tokens[len(tokens) - (budget - head) :]])


@dataclass
class TruncationAudit:
    """Tokens seen and kept, by part: what truncation cost."""

    seen: dict[str, int]
    kept: dict[str, int]

    def lost(self) -> dict[str, float]:
        """Return the share of tokens lost per part, in [0, 1]."""
        return {part: 1.0 - self.kept[part] / max(1, seen) for part, seen in self.seen.items()}


def warn_of_losses(audit: TruncationAudit, settings: TextSettings) -> None:
    """Warn where truncation costs more than a third of a part's tokens."""
    much = [f"{share:.0%} of the {part} tokens" for part, share in audit.lost().items() if share > MUCH]
    if much:
        log.warning("text.max_length=%d cuts off %s; a longer one reads more", settings.max_length, " and ".join(much))


def cut(
    prompt: Tokens, response: Tokens, room: int, settings: TextSettings, audit: TruncationAudit
) -> tuple[Tokens, Tokens]:
    """Cut both parts to their budgets, and note what was lost."""
    for_prompt, for_response = budgets(len(prompt), len(response), room, settings.prompt_share)
    return (
        _shortened("prompt", prompt, for_prompt, settings, audit),
        _shortened("response", response, for_response, settings, audit),
    )


def cut_pair(
    prompt: Tokens, a: Tokens, b: Tokens, room: int, settings: TextSettings, audit: TruncationAudit
) -> tuple[Tokens, Tokens, Tokens]:
    """Cut a prompt and two responses that share one sequence to their budgets, and note what was lost."""
    for_prompt, for_a, for_b = pair_budgets(len(prompt), len(a), len(b), room, settings.prompt_share)
    return (
        _shortened("prompt", prompt, for_prompt, settings, audit),
        _shortened("response", a, for_a, settings, audit),
        _shortened("response", b, for_b, settings, audit),
    )


def _shortened(
    part: str,
    tokens: Tokens,
    budget: int,
    settings: TextSettings,
    audit: TruncationAudit,
) -> Tokens:
    audit.seen[part] = audit.seen.get(part, 0) + len(tokens)
    audit.kept[part] = audit.kept.get(part, 0) + budget
    return head_and_tail(tokens, budget, settings.head_share)
