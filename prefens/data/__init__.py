"""Readers of pairs, labels and probabilities, and the folds that they are split into."""

from typing import TYPE_CHECKING

from prefens.core.lazy import lazy_attribute

if TYPE_CHECKING:
    from prefens.data.corpus import Corpus, make_corpus
    from prefens.data.fold_file import read_folds
    from prefens.data.folds import (
        FoldSettings,
        LabelledRows,
        Scheme,
        data_digest,
        labelled_rows,
        make_folds,
        prompt_groups,
        split_rows,
    )
    from prefens.data.frame import load_frame
    from prefens.data.labels import read_labels
    from prefens.data.load import load_pairs
    from prefens.data.loaded import LoadedPairs
    from prefens.data.probabilities import read_probabilities
    from prefens.data.request import PairsRequest, read_request
    from prefens.data.sources import FileSource, HubSource, Source, SyntheticSource
    from prefens.data.submission import write_submission

__all__ = [
    "Corpus",
    "FileSource",
    "FoldSettings",
    "HubSource",
    "LabelledRows",
    "LoadedPairs",
    "PairsRequest",
    "Scheme",
    "Source",
    "SyntheticSource",
    "data_digest",
    "labelled_rows",
    "load_frame",
    "load_pairs",
    "make_corpus",
    "make_folds",
    "prompt_groups",
    "read_folds",
    "read_labels",
    "read_probabilities",
    "read_request",
    "split_rows",
    "write_submission",
]


def __getattr__(name: str) -> object:
    return lazy_attribute(__name__, name)
