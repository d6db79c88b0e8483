"""The text of several turns, the same in training and prediction."""

from collections.abc import Sequence

TURN_SEPARATOR = "\n\n"


def joined(turns: Sequence[str]) -> str:
    """Return all turns of a prompt or a response as one text; a lone surrogate becomes "?"."""
    text = TURN_SEPARATOR.join(turns)
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
