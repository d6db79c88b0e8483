"""Several sources of pairs as one: pairs that several have count once, and ids stay unique."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prefens.core.errors import DataError, counted
from prefens.core.types import Outcome, Pairs, Strings
from prefens.data.loaded import MODEL, TEXT, LoadedPairs, SourceRecord
from prefens.data.outcomes import is_tie, n_outcomes, with_outcomes
from prefens.data.readers.rows import BOTH_BAD, TIE

log = logging.getLogger(__name__)

Mask = NDArray[np.bool_]


def merge(
    parts: Sequence[tuple[str, LoadedPairs]], drop_both_bad: bool = False, outcomes: int | None = None
) -> LoadedPairs:
    """Return the pairs of all sources, source by source.

    A labelled pair whose texts, models and label an earlier source has too is left out. Ids that several sources have
    begin with the name of their source.

    Parameters
    ----------
    parts : sequence of (str, LoadedPairs)
        The sources by name: each name once.
    drop_both_bad : bool
        Whether ties of two bad responses are left out.
    outcomes : int or None
        The number of outcomes K; None for what `n_outcomes` says. With two, ties are left out.

    Raises
    ------
    DataError
        Where no pair is left, or where ids are equal with the names of their sources too.
    """
    kept: list[tuple[str, LoadedPairs]] = []
    records: list[SourceRecord] = []
    earlier: set[tuple[Any, ...]] = set()
    for name, loaded in parts:
        bad = _both_bad(loaded) if drop_both_bad else np.zeros(len(loaded.pairs), dtype=bool)
        keys = _keys(loaded.pairs) if len(parts) > 1 and loaded.pairs.label is not None else []
        again = np.array([key in earlier for key in keys], dtype=bool) if keys else np.zeros_like(bad)
        earlier |= {*keys}
        kept.append((name, _select(loaded, ~(bad | again))))
        dropped, merged = int(bad.sum()), int((again & ~bad).sum())
        records.append(SourceRecord(name, loaded.format, len(kept[-1][1].pairs), merged, dropped))
        if dropped or merged:
            log.info("%s: left out %s that a source before has, %d both bad", name, counted(merged, "pair"), dropped)
    if not sum(record.pairs for record in records):
        came = f"{', '.join(name for name, _ in parts)}: no pair is left"
        raise DataError(came, "pairs that are not both bad", "set data.both_bad=tie")
    k = n_outcomes([loaded for _, loaded in kept]) if outcomes is None else outcomes
    if k == 2:
        kept, records = _without_ties(kept, records)
    loaded = _concatenate(_with_unique_ids(kept), records)
    return replace(loaded, pairs=with_outcomes(loaded.pairs, k))


def _without_ties(
    parts: Sequence[tuple[str, LoadedPairs]], records: Sequence[SourceRecord]
) -> tuple[list[tuple[str, LoadedPairs]], list[SourceRecord]]:
    """Return the sources without their ties, and what came of them; DataError where nothing is left."""
    ties = [is_tie(loaded.pairs) for _, loaded in parts]
    kept = [(name, _select(loaded, ~tied)) for (name, loaded), tied in zip(parts, ties, strict=True)]
    for (name, _), tied in zip(parts, ties, strict=True):
        if tied.any():
            log.info("%s: left out %s of %d pairs (data.outcomes=2)", name, counted(tied.sum(), "tie"), len(tied))
    if not any(len(loaded.pairs) for _, loaded in kept):
        raise DataError("ties alone", "pairs that one side wins", "set data.outcomes=3")
    left = [
        replace(record, pairs=record.pairs - int(tied.sum()), ties=int(tied.sum()))
        for record, tied in zip(records, ties, strict=True)
    ]
    return kept, left


def source_names(stems: Sequence[str]) -> list[str]:
    """Return a name for each source: its stem, numbered from the second on where several have the same."""
    names: list[str] = []
    for stem in stems:
        number, name = 1, stem
        while name in names:
            number += 1
            name = f"{stem}-{number}"
        names.append(name)
    return names


def _both_bad(loaded: LoadedPairs) -> Mask:
    mask: Mask = np.equal(loaded.metadata.get("tie", np.full(len(loaded.pairs), "", object)), BOTH_BAD)
    return mask


def _keys(pairs: Pairs) -> list[tuple[Any, ...]]:
    """Return what makes two votes the same: texts, models and label."""
    return list(zip(*(_filled(pairs, name) for name in (*TEXT, *MODEL)), pairs.labels.tolist(), strict=True))


def _filled(pairs: Pairs, name: str) -> Strings:
    """Return a column, "" throughout where the pairs lack it."""
    column: Strings | None = getattr(pairs, name)
    return np.full(len(pairs), "", dtype=object) if column is None else column


def _select(loaded: LoadedPairs, keep: Mask) -> LoadedPairs:
    """Return the source without some of its readable rows."""
    if keep.all():
        return loaded
    stays = np.ones(len(loaded.ids), dtype=bool)
    stays[loaded.rows[~keep]] = False
    position = np.cumsum(stays) - 1
    problems = {int(position[row]): problem for row, problem in loaded.problems.items()}
    metadata = {name: values[keep] for name, values in loaded.metadata.items()}
    pairs = Pairs.concatenate([loaded.pairs.take(keep)])  # which does not remember what was left out
    return replace(
        loaded,
        pairs=pairs,
        ids=loaded.ids[stays],
        rows=position[loaded.rows[keep]],
        problems=problems,
        metadata=metadata,
    )


def _with_unique_ids(parts: Sequence[tuple[str, LoadedPairs]]) -> list[tuple[str, LoadedPairs]]:
    counts = Counter(id_ for _, loaded in parts for id_ in {*loaded.ids})
    shared = {id_ for id_, count in counts.items() if count > 1}
    if not shared:
        return list(parts)
    log.info("the source's name goes before %s that several sources have", counted(len(shared), "id"))

    def rename(name: str, ids: Strings) -> Strings:
        renamed = ids.copy()
        renamed[:] = [f"{name}:{id_}" if id_ in shared else id_ for id_ in ids]
        return renamed

    renamed = [
        (name, replace(each, ids=rename(name, each.ids), pairs=replace(each.pairs, ids=rename(name, each.pairs.ids))))
        for name, each in parts
    ]
    again = [id_ for id_, count in Counter(id_ for _, each in renamed for id_ in each.pairs.ids).items() if count > 1]
    if again:
        raise DataError(f"{counted(len(again), 'id')} in several sources: {again[0]}, ...", "unique ids", "rename them")
    return renamed


def _concatenate(parts: Sequence[tuple[str, LoadedPairs]], records: Sequence[SourceRecord]) -> LoadedPairs:
    loaded = [each for _, each in parts]
    modelled = any(each.pairs.model_a is not None for each in loaded)
    models: list[dict[str, Any]] = [{name: _filled(each.pairs, name) for name in MODEL if modelled} for each in loaded]
    pairs = [replace(each.pairs, **own) for each, own in zip(loaded, models, strict=True)]
    names = {name for each in loaded for name in each.metadata}
    metadata = {name: np.concatenate([_metadata_column(each, name) for each in loaded]) for name in sorted(names)}
    if "source" not in metadata:  # no column of the data says it
        own = np.array([name for name, _ in parts], dtype=object)
        metadata["source"] = np.repeat(own, [len(each) for each in pairs])
    starts = np.cumsum([0, *(len(each.ids) for each in loaded)]).tolist()
    return LoadedPairs(
        pairs[0] if len(pairs) == 1 else Pairs.concatenate(pairs),
        np.concatenate([each.ids for each in loaded]),
        np.concatenate([each.rows + start for each, start in zip(loaded, starts, strict=False)]),
        {row + start: text for each, start in zip(loaded, starts, strict=False) for row, text in each.problems.items()},
        dict(sum((Counter(each.repaired) for each in loaded), Counter())),
        metadata,
        ", ".join(dict.fromkeys(record.format for record in records)),
        records,
    )


def _metadata_column(loaded: LoadedPairs, name: str) -> Strings:
    """Return a fact of the pairs of a source; of one that does not say it, "", and of ties that they are ties."""
    if name in loaded.metadata:
        return loaded.metadata[name]
    filled = np.full(len(loaded.pairs), "", dtype=object)
    if name == "tie" and loaded.pairs.label is not None:
        filled[loaded.pairs.label == Outcome.TIE] = TIE
    return filled
