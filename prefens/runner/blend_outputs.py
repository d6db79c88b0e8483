"""What a blend leaves behind: its files, the stored blend that predicts, and its run in MLflow."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Sequence
from pathlib import Path

from prefens.ensemble.blend import Blend
from prefens.ensemble.blend_files import blend_tags, read_blend, write_blend
from prefens.ensemble.inputs import Gathered
from prefens.inference.saved_model import save_best
from prefens.runner.schemas import Tracking
from prefens.store.oof_store import SplitStore
from prefens.store.tracking.factory import open_tracker
from prefens.store.tracking.tracker import Tracker

log = logging.getLogger(__name__)


def record(blend: Blend, gathered: Gathered, tracking: Tracking, out: Path, model: bool = True) -> None:
    """Write the files of a blend; store it for predictions, where there is a store, and as one `model`; track it.

    What is written first is what the others are made from: a figure or a server that fails costs nothing else.
    """
    files = write_blend(blend, out)
    try:
        files += draw(blend, out / "figures")
    except Exception as error:  # whatever it is: the blend itself is written
        log.warning("figures failed, the blend is in %s: %s: %s", out, type(error).__name__, error)
    saved = _store(blend, gathered, files, out, model)
    try:
        with open_tracker(tracking) as tracker:
            log_blend(tracker, blend, files, saved)
    except Exception as error:  # likewise
        log.warning("tracking failed, the blend is in %s: %s: %s", out, type(error).__name__, error)


def log_stored_blend(tracker: Tracker, split: SplitStore) -> None:
    """Log the stored blend of a split to the tracker, from its files alone."""
    files = sorted(path for path in split.blend_dir.rglob("*") if path.is_file())
    model = split.path / "model"
    log_blend(tracker, read_blend(split.blend_path), files, model if model.is_dir() else None)


def log_blend(tracker: Tracker, blend: Blend, files: Sequence[Path], model: Path | None) -> None:
    """Log a blend with its files and, where one was saved, its model to the tracker."""
    metrics = {
        f"{result.method.replace('+', '-')}_{kind}": value  # MLflow's names have no +
        for result in blend.results
        for kind, value in (("honest", result.honest), ("fitted", result.fitted))
    }
    scores = blend.scores()
    metrics |= {} if scores is None else {f"oof_{name}": value for name, value in scores.as_dict().items()}
    tables = {
        "leaderboard": [row.as_dict() for row in blend.leaderboard()],
        "members": [row.as_dict() for row in blend.members()],
    }
    tracker.log_blend(f"blend of {len(blend.names)}", metrics, blend_tags(blend), files, tables, model, blend.folds)


def draw(blend: Blend, folder: Path) -> list[Path]:
    """Draw the figures of a blend into a folder and return their paths."""
    from prefens.reporting.leaderboard.blend_plots import blend_plots  # matplotlib takes a while to import
    from prefens.reporting.plots import save

    plots = blend_plots(blend.names, blend.diagnosis, blend.best, blend.stack.folds.label)
    return [save(plot, folder) for plot in plots]


def _store(blend: Blend, gathered: Gathered, files: Sequence[Path], out: Path, model: bool) -> Path | None:
    """Make a blend the one that predictions use; one that can't predict does not replace one that can."""
    split = gathered.split
    if split is None:
        return None
    names = {spec.name for spec in gathered.stored if spec.kind is not None}
    whole = len(blend.stack.folds.ids) == int(split.folds.scored.sum())
    predicts = whole and names >= set(blend.used)
    if not predicts and split.has_blend():
        log.warning("the stored blend stays: this one rests on files, or on some of the rows; see out=")
        return None

    def copy(folder: Path) -> None:
        for path in files:
            to = folder / path.relative_to(out)
            to.parent.mkdir(exist_ok=True)
            shutil.copyfile(path, to)

    try:
        split.put_blend(copy)
        return save_best(split) if model and predicts else None
    except OSError as error:
        log.warning("the store can't be written (%s): predictions go on with the blend that it had", error)
        return None
