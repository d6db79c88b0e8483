"""The report: what members, blends and their data are like, as one page and a model card."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import numpy as np

from prefens import __version__
from prefens.core.errors import PrefensError
from prefens.core.files import write_text
from prefens.core.hashing import short
from prefens.core.metrics import accuracy, calibration_error
from prefens.core.types import Floats, Folds
from prefens.data.folds import data_digest, prompt_groups
from prefens.ensemble.blend import Blend, members_digest
from prefens.ensemble.calibration import KINDS, cross_calibrate
from prefens.inference.swap_gaps import swap_gaps
from prefens.reporting.bias.audit import bias_section
from prefens.reporting.data_profile.profile import data_section
from prefens.reporting.data_profile.token_counts import minilm_counter
from prefens.reporting.error_analysis import errors_section
from prefens.reporting.folds_section import rows_section
from prefens.reporting.html import Page, Tile, html
from prefens.reporting.leaderboard.section import Board, leaderboard_section, swap_told
from prefens.reporting.leak_audit import leak_section
from prefens.reporting.model_card import model_card
from prefens.reporting.plots import save
from prefens.reporting.reliability import calibration_section
from prefens.reporting.section import Section
from prefens.reporting.style_audit import style_section
from prefens.runner.blend_inputs import Given
from prefens.runner.schemas import Tracking
from prefens.store.tracking.factory import open_tracker

log = logging.getLogger(__name__)

CALIBRATED = 3  # members whose calibration is tried too: the best ones


@dataclass(frozen=True, eq=False)
class Report:
    """`page` and `card`, Markdown or "" for none; `tags` say which blend it is about, to the tracker."""

    page: Page
    card: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


def data_report(given: Given, backbones: Path) -> Report:
    """Return the report on labelled pairs alone."""
    pairs, digest = given.pairs, data_digest(given.pairs)
    facts = {"data": short(digest), **_facts()}
    sections = data_sections(given, digest, backbones)
    page = Page("Which responses people preferred", f"{len(pairs):,} pairs", sections, facts=facts)
    return Report(page, tags={"prefens.data_digest": digest})


def blend_report(found: Blend, backbones: Path, swaps: int, texts: int, resamples: int = 500) -> Report:
    """Return the report on a blend, its members and, where their texts are given, its pairs.

    `swaps` and `texts` are how many pairs are predicted with A and B exchanged, and how many of each kind are shown.
    """
    gathered = found.gathered
    _compare_with_stored(found)
    gaps: dict[str, float] = {}
    if gathered.split is not None and gathered.pairs is not None:
        gaps = swap_gaps(gathered.split, gathered.stored, gathered.pairs, swaps, backbones)
    board = _board(found, gaps)
    sections = blend_sections(found, board, backbones, texts, resamples)
    folds = gathered.folds
    facts = {"data": short(folds.data_digest), "folds": short(folds.digest), **_facts()}
    links = {"Model card": "model_card.md", "Figures": "figures/"}
    title = "Predicting which response people prefer"
    page = Page(title, _told(found), sections, _tiles(found, board), facts, links)
    tags = {"data_digest": folds.data_digest, "fold_digest": folds.digest, "members": members_digest(gathered.stack)}
    card = model_card(
        found.describe(), folds, biases=_summary(sections, "bias"), swap=_swap_told(gaps), version=__version__
    )
    return Report(page, card, {f"prefens.{name}": value for name, value in tags.items()})


def _compare_with_stored(found: Blend) -> None:
    """Warn where the blend that predicts is another one than this one, which was made for the report."""
    split = found.gathered.split
    if split is None or not split.has_blend():
        return
    stored, names = split.blend(), [member.name for member in found.gathered.stack.members]
    if (stored["best"], [item["member"] for item in stored["members"]]) != (found.best.method, names):
        log.warning(
            "the report is on %s of %d members, but predict uses the stored blend, %s of %d members: report with the "
            "blender=, calibrations= and members= that it was made with, or blend again",
            found.best.method, len(names), stored["best"], len(stored["members"]),
        )  # fmt: skip


def data_sections(given: Given, digest: str, backbones: Path, folds: Folds | None = None) -> list[Section]:
    """Return the sections on the pairs alone, in the order of the page."""
    pairs = given.pairs
    group = prompt_groups(pairs) if folds is None else folds.group
    counter = minilm_counter(backbones)
    made = [
        _tried("data study", lambda: data_section(pairs, group, folds, given.repaired, counter)),
        _tried("style audit", lambda: style_section(pairs)),
        _tried("leak audit", lambda: leak_section(pairs)),
    ]
    return [*(section for section in made if section is not None), rows_section(pairs.labels, group, digest, folds)]


def blend_sections(found: Blend, board: Board, backbones: Path, texts: int, resamples: int) -> list[Section]:
    """Return all sections, in the order of the page; those that need texts where the pairs are given."""
    gathered, stack, best = found.gathered, found.gathered.stack, found.best
    folds, given = gathered.folds, gathered.given
    sections = [leaderboard_section(board), _calibration(found, board)]
    if given is None:
        log.info("no texts: give data.path for the sections that need them")
        return [*sections, rows_section(folds.label, folds.group, folds.data_digest, folds)]
    members = {stack.members[place].name: stack.probabilities[place] for place in _ranked(board)}
    predictions = {best.method: best.probabilities, **members}
    bias = _tried("bias audit", lambda: bias_section(given.pairs, stack.folds, predictions, resamples))
    mistakes = errors_section(stack, best.method, best.probabilities, given.pairs, texts)
    about_data = data_sections(given, folds.data_digest, backbones, folds)
    return [*sections, *([] if bias is None else [bias]), mistakes, *about_data]


def _tried(name: str, make: Callable[[], Section]) -> Section | None:
    """Return a section, or None with a warning where the data has too little for it."""
    try:
        return make()
    except PrefensError as error:
        log.warning("no %s: %s", name, error.came)
        return None


def write_report(report: Report, out: Path, tracking: Tracking) -> list[Path]:
    """Write report.html, model_card.md and figures/ to a folder, note them in the tracker, and return the paths."""
    files = [write_text(out / "report.html", html(report.page))]
    files += [write_text(out / "model_card.md", report.card)] if report.card else []
    files += [save(plot, out / "figures") for section in report.page.sections for plot in section.plots]
    try:
        with open_tracker(tracking) as tracker:
            tracker.log_report(report.page.title, report.tags, files)
    except OSError as error:
        log.warning("the report is not tracked: %s", error)
    return files


def _board(found: Blend, gaps: Mapping[str, float]) -> Board:
    gathered = found.gathered
    runs = {
        spec.name: [gathered.split.facts(spec, fold) for fold in range(gathered.folds.k)]
        for spec in gathered.stored
        if gathered.split is not None and spec.kind is not None
    }
    rows, members = found.leaderboard(), found.member_rows()
    return Board(gathered.stack, rows, members, found.results, found.best, found.diagnosis, runs, gaps, found.alarms())


def _calibration(found: Blend, board: Board) -> Section:
    stack = found.gathered.stack

    def forms(probabilities: Floats) -> dict[str, Floats]:
        kinds = {name: cross_calibrate(kind, probabilities, stack.folds) for name, kind in KINDS.items()}
        return {"as it is": probabilities, **kinds}

    others = {stack.members[place].name: forms(stack.probabilities[place]) for place in _ranked(board)[:CALIBRATED]}
    return calibration_section(found.best.method, stack.folds.label, forms(found.best.probabilities), others)


def _ranked(board: Board) -> list[int]:
    """Return the places of the members in the stack, the best first."""
    ranked: list[int] = np.argsort([row["log_loss"] for row in board.members], kind="stable").tolist()
    return ranked


def _tiles(found: Blend, board: Board) -> list[Tile]:
    best, stack = found.best, found.gathered.stack
    honest, error = found.expected
    how = best.method if len(found.results) == 1 else "chosen without the scored fold"
    told = (
        ("not known", "two folds leave none to choose on")
        if honest is None
        else (f"{honest:.4f}", f"± {error:.4f}, {how}")
    )
    rows = {row["name"]: row for row in board.rows}
    member = min(board.members, key=lambda row: float(row["log_loss"]))
    label = stack.folds.label
    tiles = [
        Tile("Honest log loss", *told),
        Tile("Class prior", f"{rows['class prior']['log_loss']:.4f}", "always the outcome shares"),
        Tile("Best member", f"{member['log_loss']:.4f}", member["member"]),
        Tile("Accuracy", f"{accuracy(best.probabilities, label):.1%}", "of three outcomes"),
        Tile("Calibration error", f"{100 * calibration_error(best.probabilities, label):.1f}", "points on average"),
    ]
    if best.holdout is not None:
        tiles.insert(1, Tile("Hold-out log loss", f"{best.holdout:.4f}", "rows that nothing saw"))
    return tiles


def _told(found: Blend) -> str:
    about, stack = found.gathered.folds.settings, found.gathered.stack
    return (
        f"The blend {found.best.method} of {len(stack.members)} members on {len(stack.folds.ids):,} pairs in "
        f"{about['k']} {str(about['scheme']).replace('_', ' ')} folds"
    )


def _facts() -> dict[str, str]:
    return {"prefens": __version__, "written": date.today().isoformat()}


def _summary(sections: Sequence[Section], name: str) -> list[str]:
    return [sentence for section in sections if section.name == name for sentence in section.summary]


def _swap_told(gaps: Mapping[str, float]) -> str:
    return f"exchanging A and B {swap_told([*gaps.values()])}" if gaps else "not measured here"
