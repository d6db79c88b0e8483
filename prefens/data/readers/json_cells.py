"""Lists that a file without lists, such as CSV, holds as JSON texts."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from prefens.data.raw.json_text import quick_loads, replace_surrogates
from prefens.data.readers.sides import PROMPTS, SIDES

SIDE_COLUMNS = {*(name for sides in SIDES for name in sides), "chosen", "rejected", "answers"}
LIST = re.compile(r"\s*\[\s*([\[{\"\]]|null)")
OBJECTS = re.compile(r"\s*\[\s*\{")


def unpack(columns: dict[str, list[Any]], repaired: Counter[str]) -> dict[str, list[Any]]:
    """Parse columns of JSON texts into lists: those in which most texts begin as lists do.

    A prompt of JSON lists of strings is turns only where the responses are lists too: prompts may be about JSON. A text
    that can't be parsed becomes its error, for the row to be refused.
    """
    sides = [name for name in columns if name in SIDE_COLUMNS]
    packed = sides if _most([cell for name in sides for cell in columns[name]], LIST) else []
    pattern = LIST if packed else OBJECTS
    packed = packed + [name for name in PROMPTS if name in columns and _most(columns[name], pattern)]
    return columns | {name: [_parsed(cell, repaired) for cell in columns[name]] for name in packed}


def _most(cells: Sequence[Any], pattern: re.Pattern[str]) -> bool:
    texts = [cell for cell in cells if isinstance(cell, str)]
    return 2 * sum(pattern.match(text) is not None for text in texts) > len(texts)


def _parsed(cell: Any, repaired: Counter[str]) -> Any:
    if not isinstance(cell, str):
        return cell
    try:
        return quick_loads(cell)
    except (ValueError, RecursionError):
        try:
            return replace_surrogates(json.loads(cell), repaired)
        except (ValueError, RecursionError) as error:
            return error
