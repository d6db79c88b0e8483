"""What a blend leaves behind: its files, the stored blend that predicts, and its run in MLflow."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from prefens.core.errors import IncompleteError
from prefens.ensemble.blend import Blend
from prefens.ensemble.files.blend_files import write_blend
from prefens.ensemble.inputs import BlendInputs
from prefens.inference.saved_model import save_best
from prefens.runner.sync import log_blend, open_tracker
from prefens.store.oof_store import OOFStore
from prefens.store.split_store import SplitStore
from prefens.store.tracking.factory import Tracking

log = logging.getLogger(__name__)


def record(
    blend: Blend,
    inputs: BlendInputs,
    tracking: Tracking,
    out: Path,
    model: bool = True,
    backbones: Sequence[Path] = (),
    copies: bool | None = None,
) -> None:
    """Write the files of a blend; store it for predictions, where there is a store, and as one `model`; log it.

    What is written first is what the others are made from: a figure or a server that fails costs nothing else.
    `backbones` and `copies` are those of `save_best`.
    """
    split, predicts = _choose_store(blend, inputs)
    files, figures = write_blend(blend, out), []
    try:
        figures = draw(blend, out / "figures")
    except Exception as error:  # whatever it is: the blend itself is written
        log.warning("figures failed, the blend is in %s: %s: %s", out, type(error).__name__, error)
    files, stored, saved = files + figures, False, None
    try:
        if split is not None:
            split.put_blend(partial(_write_stored, blend, figures))
            files, stored = [split.blend_dir / path.relative_to(out) for path in files], True
            saved = save_best(split, backbones, copies) if model and predicts else None
    except OSError as error:
        log.warning("the store can't be written (%s): predictions go on with the blend that it had", error)
    try:
        with open_tracker(tracking) as tracker:
            best = split is None or OOFStore(split.root).is_best(split)
            run = tracker.attempt(partial(log_blend, blend, files, saved, best))
        if tracking.mlflow and run is None and not stored:
            log.warning("this blend is not in the store, so it is never logged to MLflow; it is in %s", out)
    except Exception as error:  # likewise
        log.warning("MLflow failed, the blend is in %s: %s: %s", out, type(error).__name__, error)


def draw(blend: Blend, folder: Path) -> list[Path]:
    """Draw the figures of a blend into a folder and return their paths."""
    from prefens.reporting.leaderboard.blend_plots import blend_plots  # matplotlib takes a while to import
    from prefens.reporting.plots import save_plot

    plots = blend_plots(blend.names, blend.diagnosis, blend.best, blend.stack.folds.label)
    return [save_plot(plot, folder) for plot in plots]


def _choose_store(blend: Blend, inputs: BlendInputs) -> tuple[SplitStore | None, bool]:
    """Return the store that takes a blend as the one that predicts, if any, and whether it can predict new pairs.

    One that can't predict does not replace one that can, nor does one that lacks members of the stored one.
    """
    split = inputs.split
    if split is None or inputs.missing:
        return None, False
    names = {spec.name for spec in inputs.stored if spec.kind is not None}
    whole = len(blend.stack.folds.ids) == int(split.folds.scored.sum())
    predicts = whole and names >= set(blend.used)
    if not predicts and split.has_blend():
        log.warning("the stored blend stays: this one rests on files, or on some of the rows; see out=")
        return None, predicts
    return split, predicts


def title(blend: Blend, inputs: BlendInputs) -> str:
    """Return what was blended, in words, and which members of the stored blend were not."""
    missing = [f"without {name} of the stored blend, which stays: it {lack}" for name, lack in inputs.missing.items()]
    return "\n".join([blend.title(), *missing])


def check_complete(inputs: BlendInputs, out: Path) -> None:
    """End a command that could not blend all members of the stored blend.

    Raises
    ------
    IncompleteError
        Where some are missing.
    """
    if inputs.missing:
        names = ",".join(info.name for info in inputs.stack.members)
        raise IncompleteError(
            f"{'; '.join(f'{name} {lack}' for name, lack in inputs.missing.items())}",
            "every member of the stored blend",
            f"train what is missing (python -m prefens.train ...) and blend again, or blend without: "
            f"'members=[{names}]'. This blend is in {out}; the stored one and its model stay",
        )


def _write_stored(blend: Blend, figures: Sequence[Path], folder: Path) -> None:
    """Write a blend as the store keeps it; its figures alone are copied, since another blend may write to `out` too."""
    write_blend(blend, folder)
    for path in figures:
        (folder / path.parent.name).mkdir(exist_ok=True)
        shutil.copyfile(path, folder / path.parent.name / path.name)
