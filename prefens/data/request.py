"""The body of a request to a served model: JSON or CSV, read as columns of raw pairs or of candidates."""

from __future__ import annotations

import csv
import io
import json
import math
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prefens.core.errors import DataError, counted
from prefens.data.candidates import Candidates, as_list, make_candidates
from prefens.data.frame import load_frame
from prefens.data.loaded import TEXT

if TYPE_CHECKING:
    import pandas as pd

RESPONSES = "responses"  # the column of candidates: a request that has it asks for their scores
NAMES = ("id", *TEXT, RESPONSES)  # the columns that are read; others are ignored
FORMS = "dataframe_records, dataframe_split, inputs or instances"
LISTED_ROWS = 100  # malformed rows that one refusal names
LARGEST_CELL = 2**31 - 1  # characters; the csv module stops at 131,072 otherwise


@dataclass(frozen=True, eq=False)
class PairsRequest:
    """What a client asks to predict, or to score.

    Attributes
    ----------
    columns : dict of str to list of n values
        prompt, response_a and response_b, as JSON texts or lists of turns; or prompt and responses, lists of answers.
        And id where the client sent it: text, an integer, a finite number or None.
    strict : bool
        Whether malformed rows are refused.
    """

    columns: dict[str, list[Any]]
    strict: bool = False


def as_frame(columns: Mapping[str, list[Any]]) -> pd.DataFrame:
    """Return columns as a frame that changes no value."""
    import pandas as pd

    return pd.DataFrame(columns, dtype=object)


class RequestError(DataError):
    """A request that can't be answered; no part of the message is about the server.

    Parameters
    ----------
    came, expected, do : str
        As in `PrefensError`.
    rows : mapping of int to str
        By row (0-based), what is wrong with it.
    status : int
        The status of the answer, as HTTP has it.
    """

    def __init__(
        self, came: str, expected: str, do: str, rows: Mapping[int, str] | None = None, status: int = 400
    ) -> None:
        super().__init__(came, expected, do)
        self.rows, self.status = dict(rows or {}), status

    def as_dict(self) -> dict[str, Any]:
        """Return it as the JSON that the client gets; rows are counted from 1."""
        listed = [{"row": row + 1, "reason": self.rows[row]} for row in sorted(self.rows)[:LISTED_ROWS]]
        count = {"malformed_rows": len(self.rows), "rows": listed} if listed else {}
        return {"error": self.came, "expected": self.expected, "to_do": self.do, **count}


def read_json(body: bytes) -> PairsRequest:
    """Read JSON: the forms that MLflow's server takes, a bare list of records, or what pandas writes with orient=split.

    Raises
    ------
    RequestError
        Where it is no JSON, of another form, or not a table with the columns of pairs.
    """
    try:
        content = json.loads(body.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise RequestError(f"no JSON: {error}", "a JSON object in UTF-8", "correct the body") from error
    if isinstance(content, list):
        content = {"dataframe_records": content}
    if not isinstance(content, dict):
        raise RequestError(f"JSON of type {type(content).__name__}", f"an object with {FORMS}", "correct the body")
    if {"columns", "data"} <= content.keys():
        content = {"dataframe_split": content, "params": content.get("params")}
    forms = [name for name in content if name in _FORMS]
    if len(forms) != 1:
        raise RequestError(
            f"an object with {', '.join(content)[:500] or 'nothing'}", f"exactly one of {FORMS}", "correct the body"
        )
    return _checked(_FORMS[forms[0]](content[forms[0]]), _read_strict(content.get("params")))


def read_csv(body: bytes) -> PairsRequest:
    """Read CSV with a header. All cells are text, ids too; empty ones are null.

    Raises
    ------
    RequestError
        Where it is no CSV in UTF-8, or where rows have more or fewer cells than the header.
    """
    csv.field_size_limit(min(sys.maxsize, LARGEST_CELL))
    try:
        lines = csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True)
        header, *rows = [line for line in lines if line] or [[]]
    except (ValueError, csv.Error) as error:
        raise RequestError(f"no CSV: {error}", "CSV with a header, in UTF-8", "correct the body") from error
    return _checked(_of_rows(header, [[cell or None for cell in row] for row in rows]), strict=False)


READERS: dict[str, Callable[[bytes], PairsRequest]] = {"application/json": read_json, "text/csv": read_csv}


def read_request(body: bytes, content_type: str, max_rows: int, plain: bool = False) -> PairsRequest:
    """Read a body by its Content-Type; refuse malformed rows where it says strict. `plain` as in `load_frame`.

    Raises
    ------
    RequestError
        As the readers do, for malformed rows, for more than `max_rows`, and for another type than theirs.
    """
    media_type, *parameters = [part.strip().lower() for part in content_type.split(";")]
    charsets = {part.removeprefix("charset=").strip('"') for part in parameters if part.startswith("charset=")}
    if media_type not in READERS or charsets - {"utf-8", "utf8"}:
        raise RequestError(
            f"Content-Type: {content_type[:200]}", f"{' or '.join(READERS)}, in UTF-8", "correct the header", status=415
        )
    request = READERS[media_type](body)
    rows, responses = len(request.columns[TEXT[0]]), request.columns.get(RESPONSES)
    if rows > max_rows:
        raise too_large(f"{rows} rows", f"{max_rows} or fewer", "max_rows")
    if responses is not None:
        answers = sum(len(as_list(cell) or ()) for cell in responses)
        if answers > max_rows:
            raise too_large(f"{answers} responses", f"{max_rows} or fewer", "max_rows")
        if request.strict:
            own = read_candidate_rows(request.columns)
            problems = {row: each.problem for row, each in enumerate(own) if each.problem}
            _refuse(problems, rows, "a prompt, and one or more responses with as many turns")
    elif request.strict:
        problems = load_frame(as_frame(request.columns), plain=plain).problems
        _refuse(problems, rows, "a JSON list of strings per text, with equal turn counts")
    return request


def read_candidate_rows(columns: Mapping[str, list[Any]]) -> list[Candidates]:
    """Return the candidates of each row of a request; those that can't be scored have a `problem`."""
    rows = zip(columns[TEXT[0]], columns[RESPONSES], strict=True)
    return [make_candidates(str(row), prompt, as_list(cell)) for row, (prompt, cell) in enumerate(rows)]


def too_large(came: str, expected: str, setting: str) -> RequestError:
    """Return the error about a request above the limit that a setting of the server says."""
    do = f"send the rows in several requests, or start the server with another {setting}"
    return RequestError(came, expected, do, status=413)


def _read_strict(params: Any) -> bool:
    values = {} if params is None else params
    if not isinstance(values, dict) or values.keys() - {"strict"} or not isinstance(values.get("strict", False), bool):
        raise RequestError(
            f"params: {str(params)[:200]}", '{"strict": true}, {"strict": false} or none', "correct params"
        )
    return bool(values.get("strict", False))


def _of_records(table: Any) -> dict[str, list[Any]]:
    if not isinstance(table, list):
        raise RequestError(f"records of type {type(table).__name__}", "a list of objects", "correct the body")
    wrong = {row: type(record).__name__ for row, record in enumerate(table) if not isinstance(record, dict)}
    _refuse(wrong, len(table), "an object with the columns of a pair")
    names = [name for name in NAMES if any(name in record for record in table)]  # a record may have thousands more
    return {name: [record.get(name) for record in table] for name in names}


def _of_split(table: Any) -> dict[str, list[Any]]:
    names, rows = (table.get("columns"), table.get("data")) if isinstance(table, dict) else (None, None)
    if not isinstance(names, list) or not isinstance(rows, list) or not all(isinstance(name, str) for name in names):
        raise RequestError(
            "a split table that is none", '{"columns": [names], "data": [rows]}', "write it with orient='split'"
        )
    return _of_rows(names, rows)


def _of_inputs(table: Any) -> dict[str, list[Any]]:
    if not isinstance(table, dict):
        return _of_records(table)
    lengths = {name: len(cells) for name, cells in table.items() if isinstance(cells, list)}
    if lengths.keys() != table.keys() or len(set(lengths.values())) > 1:
        raise RequestError("columns that are no lists of one length", "a list of n cells per column", "correct them")
    return table


def _of_rows(names: Sequence[str], rows: Sequence[Any]) -> dict[str, list[Any]]:
    """Return the columns of a table that came by row; RequestError for rows of another length."""
    doubled = [name for name, count in Counter(names).items() if count > 1]
    if doubled:
        raise RequestError(f"columns that come twice: {', '.join(doubled)[:500]}", "one of each", "correct the header")
    width = len(names)
    wrong = {
        row: f"{counted(len(cells), 'cell')}, expected {width}" if isinstance(cells, list) else type(cells).__name__
        for row, cells in enumerate(rows)
        if not isinstance(cells, list) or len(cells) != width
    }
    _refuse(wrong, len(rows), f"{counted(width, 'cell')}, as in the header")
    return {name: [cells[place] for cells in rows] for place, name in enumerate(names)}


_FORMS: dict[str, Callable[[Any], dict[str, list[Any]]]] = {
    "dataframe_records": _of_records,
    "dataframe_split": _of_split,
    "records": _of_records,
    "split": _of_split,
    "inputs": _of_inputs,
    "instances": _of_inputs,
}


def _checked(columns: Mapping[str, list[Any]], strict: bool) -> PairsRequest:
    """Return the request; RequestError where a text column is missing, or where an id can't stand in the answer."""
    required = (TEXT[0], RESPONSES) if RESPONSES in columns else TEXT
    missing = [name for name in required if name not in columns]
    if missing:
        raise RequestError(
            f"no column {', '.join(missing)} (columns: {', '.join(columns)[:500] or 'none'})",
            f"columns {', '.join(required)}",
            "rename or add the columns",
        )
    wrong = {row: f"id: {str(id_)[:60]}" for row, id_ in enumerate(columns.get("id", ())) if not _is_id(id_)}
    _refuse(wrong, len(columns[TEXT[0]]), "an id that is text, a finite number or null")
    return PairsRequest({name: columns[name] for name in ("id", *required) if name in columns}, strict)


def _is_id(value: Any) -> bool:
    return value is None or isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value))


def _refuse(wrong: Mapping[int, str], count: int, expected: str) -> None:
    if wrong:
        raise RequestError(
            f"{len(wrong)} of {counted(count, 'row')} can't be read", expected, "correct these rows", wrong
        )
