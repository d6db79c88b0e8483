"""From turns to the texts that members read: one path for training and prediction."""

from collections.abc import Sequence

TURNS = "\n\n"  # between the turns of a text


def joined(turns: Sequence[str]) -> str:
    """Return all turns of a prompt or a response as one text; half of a surrogate pair, no character, becomes "?"."""
    text = TURNS.join(turns)
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
