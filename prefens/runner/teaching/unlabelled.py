"""Pairs without votes, which a student learns from by its teacher's probabilities alone."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
from omegaconf import OmegaConf

from prefens.core.errors import DataError, counted
from prefens.core.hashing import digest
from prefens.core.teaching import NO_VOTE
from prefens.core.types import Pairs
from prefens.data.corpus import Corpus
from prefens.data.folds import prompt_groups
from prefens.data.sources import Source, paths
from prefens.runner import config
from prefens.runner.schemas import RecipeConfig

log = logging.getLogger(__name__)


def load_unlabelled(settings: RecipeConfig, files: Any, corpus: Corpus) -> Pairs:
    """Return the pairs of `teacher.unlabelled`; the jobs of a sweep in one process share them, and their features.

    Parameters and errors as in `read_unlabelled`, and ConfigError where `files` are no paths.
    """
    names = tuple(paths("teacher.unlabelled", files))
    return _load(OmegaConf.to_yaml(settings.data, resolve=True), names, corpus)


@lru_cache(maxsize=1)
def _load(data: str, files: tuple[str, ...], corpus: Corpus) -> Pairs:
    source: Any = config.build(OmegaConf.create(data))
    return read_unlabelled(source, files, corpus)


def read_unlabelled(source: Source, files: Sequence[str], corpus: Corpus) -> Pairs:
    """Return the pairs of files without their labels, sorted and named by their texts.

    Malformed rows are left out, and pairs that the corpus or a row before has, whichever response is shown first. The
    order of files and rows changes nothing.

    Parameters
    ----------
    source : Source
        The labelled data: the files are read as its extra ones.
    files : sequence of str
        At least one.
    corpus : Corpus
        The labelled pairs.

    Raises
    ------
    ConfigError
        Where there is no file.
    DataError
        Where a file can't be read, or where no pair is left.
    """
    loaded = source.load_unlabelled(files)
    digests = _row_digests(loaded.pairs)
    texts, labelled = _texts(loaded.pairs), {*_texts(corpus.pairs)}
    seen, keep = set(labelled), []
    for row in np.argsort(digests):
        if texts[row] not in seen:
            seen.add(texts[row])
            keep.append(row)
    repeated = sum(text in labelled for text in texts)
    counts = (
        f"{counted(len(loaded.problems), 'malformed row')}, {counted(repeated, 'pair')} that the labelled data has, "
        f"{len(texts) - repeated - len(keep):,} that a row before has"
    )
    if not keep:
        came = f"teacher.unlabelled={', '.join(files)}: no pair is left, after {counts}"
        raise DataError(came, "pairs that the labelled data lacks", "give other files, or leave teacher.unlabelled out")
    log.info("%s without votes; left out: %s", counted(len(keep), "pair"), counts)
    for row, problem in list(loaded.problems.items())[:1]:
        log.warning("teacher.unlabelled: malformed rows are left out, such as %s: %s", loaded.ids[row], problem)
    ids = np.array([f"unlabelled:{digests[row][:16]}" for row in keep], dtype=object)
    pairs = loaded.pairs.take(np.array(keep)).unlabelled()
    return replace(pairs, ids=ids, n_outcomes=corpus.pairs.n_outcomes)


@lru_cache(maxsize=1)
def unlabelled_digest(pairs: Pairs) -> str:
    """Return the digest of the texts of pairs in their order, 64 hex digits."""
    return digest(_row_digests(pairs))


@lru_cache(maxsize=1)
def with_unlabelled(corpus: Corpus, pairs: Pairs) -> Corpus:
    """Return the corpus with pairs without votes behind its own; it needs soft labels before a member is trained.

    Pairs whose prompts are predicted are no training rows, as extra ones.
    """
    own = replace(pairs, label=np.full(len(pairs), NO_VOTE, dtype=np.int8))
    everything = Pairs.concatenate([corpus.pairs, own])
    return replace(corpus, pairs=everything, group=np.concatenate([corpus.group, prompt_groups(pairs)]))


def _row_digests(pairs: Pairs) -> list[str]:
    return [digest(row) for row in zip(pairs.prompt, pairs.response_a, pairs.response_b, strict=True)]


def _texts(pairs: Pairs) -> list[tuple[Any, frozenset[Any]]]:
    """Return the texts of each pair: equal ones for the same pair with A and B exchanged."""
    columns = zip(pairs.prompt, pairs.response_a, pairs.response_b, strict=True)
    return [(prompt, frozenset((a, b))) for prompt, a, b in columns]
