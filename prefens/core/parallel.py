"""Work over many texts, spread over the threads of this process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from prefens.core.progress import progress
from prefens.core.resources import thread_count

T = TypeVar("T")


def map_chunks(
    work: Callable[..., T], items: Sequence[Any], size: int, name: str, arguments: tuple[Any, ...] = ()
) -> list[T]:
    """Return `work(chunk, *arguments)` for consecutive chunks of items, in order.

    Parameters
    ----------
    work : callable
        Importable by name: where there are several chunks, it is called in as many processes as `thread_count` says.
    items : sequence
        What is cut into chunks.
    size : int
        Items per chunk; the last chunk may have fewer.
    name : str
        What `work` does, for the bar or the log line.
    arguments : tuple
        What `work` gets besides the chunk.
    """
    chunks = [items[start : start + size] for start in range(0, len(items), size)] or [items]
    if thread_count() == 1 or len(chunks) == 1:
        return [work(chunk, *arguments) for chunk in progress(chunks, name)]
    from joblib import Parallel, delayed

    parallel = Parallel(n_jobs=thread_count(), return_as="generator", pre_dispatch="2*n_jobs")
    return list(progress(parallel(delayed(work)(chunk, *arguments) for chunk in chunks), name, len(chunks)))
