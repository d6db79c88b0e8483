"""Tokens on disk: computed once, and read by every fold, seed and process as memory-mapped files."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from prefens.core.errors import counted
from prefens.core.files import atomic_write, remove_stale_tmp
from prefens.core.hashing import digest, file_digest
from prefens.core.tensors import read_npy
from prefens.core.types import Pairs
from prefens.data.text.tokens import PairTokens, Sequences
from prefens.data.text.truncation import TruncationAudit
from prefens.data.text.turns import joined

log = logging.getLogger(__name__)

FORMAT = 2  # of the files and of what is put into them; a part of their key
PAIRS_AT_ONCE = 2000  # that are tokenized before they are cut: uncut tokens take much more memory
CONTENT = "content.json"  # the audit, and the digest of each file beside it
SIDES = ("a", "b")
FILES = {f"{side}-{part}.npy" for side in SIDES for part in ("tokens", "starts", "firsts")}

Tokenize = Callable[[Pairs], PairTokens]


@dataclass(frozen=True)
class _Content:
    """The content of content.json."""

    files: dict[str, str]
    audit: TruncationAudit


def cached_tokens(folder: Path | None, signature: str, pairs: Pairs, tokenize: Tokenize) -> PairTokens:
    """Return the tokens of pairs: read from files, or computed and written.

    Of two processes that need the same tokens, the second waits. Where a file is damaged, a warning names it and the
    tokens are computed again; where files can't be written (a full disk), they stay in memory. The tokens are the same
    in all cases.

    Parameters
    ----------
    folder : Path or None
        The cache, which processes share; None for no files.
    signature : str
        Names everything but the texts that decides the tokens: tokenizer, text settings, pairing, prefixes.
    pairs : Pairs
        What is tokenized.
    tokenize : callable
        Returns the tokens of some pairs.
    """
    if folder is None or len(pairs) == 0:
        return _joined(_tokenize_parts(pairs, tokenize))
    path = folder / "tokens" / digest([FORMAT, signature, texts_digest(pairs)])[:16]
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        if path.exists():
            try:
                return _read(path, len(pairs))
            except (OSError, ValueError) as error:
                log.warning("cached tokens are damaged (%s); computing them again", error)
        remove_stale_tmp(path.parent)
        log.info("tokenizing %s", counted(len(pairs), "pair"))
        parts = _tokenize_parts(pairs, tokenize)
        try:
            with atomic_write(path) as tmp:
                _write(tmp, parts)
        except OSError as error:
            log.warning("tokens are not kept on disk (%s); the next process computes them again", error)
            return _joined(parts)
        return _read(path, len(pairs))


def texts_digest(pairs: Pairs) -> str:
    """Return the digest of the texts of pairs as members read them, in the order of the rows."""
    content = hashlib.sha256()
    for column in (pairs.prompt, pairs.response_a, pairs.response_b):
        for turns in column:
            text = joined(turns).encode()
            content.update(f"{len(text)}:".encode() + text)
    return content.hexdigest()


def _tokenize_parts(pairs: Pairs, tokenize: Tokenize) -> list[PairTokens]:
    starts = range(0, max(1, len(pairs)), PAIRS_AT_ONCE)
    return [tokenize(pairs.take(np.arange(start, min(start + PAIRS_AT_ONCE, len(pairs))))) for start in starts]


def _joined(parts: Sequence[PairTokens]) -> PairTokens:
    sides = [[getattr(part, side) for part in parts] for side in SIDES]
    a, b = (Sequences(np.concatenate([part.tokens for part in side]), *_positions(side)) for side in sides)
    return PairTokens(a, b, _audit(parts))


def _positions(side: Sequence[Sequences]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return `starts` and `firsts` of sequences that are put end to end."""
    lengths = np.concatenate([part.lengths for part in side])
    starts = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths, dtype=np.int64)])
    return starts, np.concatenate([part.firsts for part in side])


def _audit(parts: Sequence[PairTokens]) -> TruncationAudit:
    audit = TruncationAudit({}, {})
    for part in parts:
        for total, counts in ((audit.seen, part.audit.seen), (audit.kept, part.audit.kept)):
            for name, count in counts.items():
                total[name] = total.get(name, 0) + count
    return audit


def _write(folder: Path, parts: Sequence[PairTokens]) -> None:
    folder.mkdir()
    for name in SIDES:
        side = [getattr(part, name) for part in parts]
        starts, firsts = _positions(side)
        np.save(folder / f"{name}-starts.npy", starts)
        np.save(folder / f"{name}-firsts.npy", firsts)
        shape = (int(starts[-1]),)
        tokens = np.lib.format.open_memmap(folder / f"{name}-tokens.npy", "w+", np.int32, shape)
        position = 0
        for part in side:
            tokens[position : position + len(part.tokens)] = part.tokens
            position += len(part.tokens)
        tokens.flush()
    files = {path.name: file_digest(path) for path in sorted(folder.glob("*.npy"))}
    (folder / CONTENT).write_text(json.dumps({"files": files, "audit": asdict(_audit(parts))}, indent=2), "utf-8")


def _read(folder: Path, count: int) -> PairTokens:
    """Return the tokens of `count` pairs; OSError or ValueError where a file is missing, cut or changed."""
    try:
        content: _Content = TypeAdapter(_Content).validate_json((folder / CONTENT).read_bytes(), strict=True)
    except ValidationError as error:
        raise ValueError(f"{folder / CONTENT}: {error}") from error
    if set(content.files) != FILES:
        raise ValueError(f"{folder / CONTENT} has files {', '.join(content.files)}")
    for name, stored in content.files.items():
        if file_digest(folder / name) != stored:
            raise ValueError(f"{folder / name} has changed")
    sides = []
    for name in SIDES:
        starts = np.array(read_npy(folder / f"{name}-starts.npy", (count + 1,), np.int64))
        firsts = np.array(read_npy(folder / f"{name}-firsts.npy", (count,), np.int64))
        tokens = read_npy(folder / f"{name}-tokens.npy", (int(starts[-1]),), np.int32)
        sides.append(Sequences(np.asarray(tokens), starts, firsts))  # slices of a plain array cost less than a memmap's
    return PairTokens(sides[0], sides[1], content.audit)
