"""The report: the sections on a blend, its members and their data as one page, and a model card."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import numpy as np

from prefens import __version__
from prefens.core.errors import ConfigError, PrefensError, counted
from prefens.core.files import write_text
from prefens.core.fold_run import is_by_source
from prefens.core.hashing import short
from prefens.core.types import Floats, Folds
from prefens.data.folds import check_data, data_digest, prompt_groups
from prefens.ensemble.blend import Blend
from prefens.ensemble.calibration import calibrations_for, cross_calibrate
from prefens.ensemble.files.blend_files import blend_tags
from prefens.ensemble.inputs import LabelledData
from prefens.ensemble.ratings.paired_model import Kind
from prefens.ensemble.ratings.summary import rate_models
from prefens.reporting.bias.audit import align_pairs
from prefens.reporting.bias.section import bias_section
from prefens.reporting.data_profile.section import data_section
from prefens.reporting.data_profile.token_counts import minilm_counter
from prefens.reporting.error_analysis import errors_section
from prefens.reporting.folds import folds_section
from prefens.reporting.html import Page, Tile, render_page
from prefens.reporting.leaderboard.fold_runs import FoldRuns
from prefens.reporting.leaderboard.section import leaderboard_section, swap_sentence
from prefens.reporting.leak_audit import leak_section
from prefens.reporting.model_card import render_model_card
from prefens.reporting.new_source import new_source_section
from prefens.reporting.plots import save_plot
from prefens.reporting.ratings.section import ratings_section
from prefens.reporting.reliability import UNCALIBRATED, calibration_section
from prefens.reporting.section import Section
from prefens.reporting.students.records import read_students
from prefens.reporting.students.section import students_section
from prefens.reporting.style_audit import style_section
from prefens.store.split_store import SplitStore

log = logging.getLogger(__name__)

CALIBRATED_MEMBERS = 3  # the best ones: their calibration is tried too


@dataclass(frozen=True, eq=False)
class Report:
    """What the report consists of.

    Attributes
    ----------
    page : Page
        The page.
    card : str
        The model card in Markdown; "" for none.
    tags : mapping from str to str
        The tags by which MLflow finds the run of the blend that the report is on.
    """

    page: Page
    card: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


def data_report(data: LabelledData | None, backbones: Sequence[Path]) -> Report:
    """Return the report on labelled pairs alone.

    Parameters
    ----------
    data : LabelledData or None
        The pairs; None is refused.
    backbones : sequence of Path
        The folders of backbones, in which the tokenizer is looked for.

    Raises
    ------
    ConfigError
        There are no pairs.
    """
    if data is None:
        raise ConfigError("only=data without data.path", "the pairs to look at", "add data.path=train.csv")
    digest = data_digest(data.pairs)
    sections = data_sections(data, digest, backbones)
    metadata = {"data": short(digest), **_version_and_date()}
    page = Page("Which responses people preferred", f"{len(data.pairs):,} pairs", sections, metadata=metadata)
    return Report(page, tags={"prefens.data_digest": digest})


def blend_report(
    blend: Blend,
    data: LabelledData | None,
    runs: FoldRuns,
    swap_gaps: Mapping[str, float],
    backbones: Sequence[Path],
    texts: int,
    resamples: int = 500,
    other: Blend | None = None,
    split: SplitStore | None = None,
) -> Report:
    """Return the report on a blend, its members and, where they are given, its pairs.

    Parameters
    ----------
    blend : Blend
        The blend.
    data : LabelledData or None
        Its pairs; None leaves out the sections that need texts.
    runs : mapping from str to sequence of FoldRun
        From a member to its fold runs.
    swap_gaps : mapping from str to float
        From a member to its largest change in probability when A and B change places, where it was measured.
    backbones : sequence of Path
        The folders of backbones, in which the tokenizer is looked for.
    texts : int
        How many mistakes, and how many disputed pairs, are shown with their texts.
    resamples : int
        Of prompts, for the intervals of the bias audit, and of what a new source costs.
    other : Blend or None
        The blend of the same data in folds that are sources, or where these are, in others.
    split : SplitStore or None
        The store of its data and folds, whose students are shown, if there is one.
    """
    folds = blend.folds
    sections = blend_sections(blend, data, runs, swap_gaps, backbones, texts, resamples, other, split)
    biases = [sentence for section in sections if section.name == "bias" for sentence in section.summary]
    swap = f"exchanging A and B {swap_sentence([*swap_gaps.values()])}" if swap_gaps else "not measured here"
    page = Page(
        "Predicting which response people prefer",
        f"The blend {blend.best.method} of {counted(len(blend.names), 'member')} on "
        f"{len(blend.stack.folds.ids):,} pairs in {folds.k} {str(folds.settings['scheme']).replace('_', ' ')} folds",
        sections,
        _tiles(blend),
        {"data": short(folds.data_digest), "folds": short(folds.digest), **_version_and_date()},
        {"Model card": "model_card.md", "Figures": "figures/"},
    )
    return Report(page, render_model_card(blend, biases, swap, __version__), blend_tags(blend))


def data_sections(
    data: LabelledData, digest: str, backbones: Sequence[Path], folds: Folds | None = None
) -> list[Section]:
    """Return the sections on the pairs, in the order of the page; `digest` is the data digest."""
    pairs = data.pairs
    group = prompt_groups(pairs) if folds is None else folds.group
    counter = minilm_counter(backbones)
    return [
        *_attempt(
            "data profile",
            lambda: data_section(pairs, group, folds, data.repaired, counter, data.metadata, data.sources, data.extra),
        ),
        *_attempt("style audit", lambda: style_section(pairs)),
        *_attempt("leak audit", lambda: leak_section(pairs)),
        folds_section(pairs.labels, group, digest, folds, pairs.n_outcomes),
    ]


def blend_sections(
    blend: Blend,
    data: LabelledData | None,
    runs: FoldRuns,
    swap_gaps: Mapping[str, float],
    backbones: Sequence[Path],
    texts: int,
    resamples: int,
    other: Blend | None = None,
    split: SplitStore | None = None,
) -> list[Section]:
    """Return all sections, in the order of the page; parameters are those of `blend_report`."""
    folds, stack, best = blend.folds, blend.stack, blend.best
    sections = [leaderboard_section(blend, runs, swap_gaps), _calibration(blend)]
    sections += _attempt("cost of a new source", lambda: new_source_section(blend, other, resamples))
    sections += _students(split, data)
    if data is None:
        log.info("no texts: give data.path for the sections that need them")
        return [*sections, folds_section(folds.label, folds.group, folds.data_digest, folds)]
    members = {blend.names[index]: stack.probabilities[index] for index in _ranked(blend)}
    predictions = {best.method: best.probabilities, **members}
    return [
        *sections,
        *_attempt("bias audit", lambda: bias_section(data.pairs, stack.folds, predictions, resamples)),
        *_ratings(data, stack.folds, {best.method: best.probabilities}, resamples),
        errors_section(stack, best.method, best.probabilities, data.pairs, texts),
        *data_sections(data, folds.data_digest, backbones, folds),
    ]


def students_report(split: SplitStore, data: LabelledData | None) -> Report:
    """Return the report on the students of a store alone, as in `blend_report`; StoreError for the pairs of another."""
    folds = split.folds
    check_data(folds, None if data is None else data_digest(data.pairs))
    metadata = {"data": short(folds.data_digest), "folds": short(folds.digest), **_version_and_date()}
    title, subtitle = "Students and their teachers", f"{len(folds.ids):,} pairs"
    page = Page(title, subtitle, _students(split, data), metadata=metadata)
    return Report(page, tags={"prefens.data_digest": folds.data_digest})


def write_report(report: Report, out: Path) -> list[Path]:
    """Write report.html, model_card.md and figures/ to a folder, and return their paths, the page first.

    Raises
    ------
    OSError
        A file can't be written.
    """
    page = render_page(report.page)
    files = [write_text(out / "report.html", page)]
    files += [write_text(out / "model_card.md", report.card)] if report.card else []
    return files + [save_plot(plot, out / "figures") for section in report.page.sections for plot in section.plots]


def _ratings(data: LabelledData, folds: Folds, predictions: Mapping[str, Floats], resamples: int) -> list[Section]:
    """Return the ratings of the models on the blended rows, where the data names them."""
    if data.pairs.model_a is None or data.pairs.model_b is None:
        return []

    def section() -> Section:
        pairs, kinds = align_pairs(data.pairs, folds), (Kind.BRADLEY_TERRY,)
        return ratings_section(rate_models(pairs, folds.group, predictions, True, resamples, kinds))

    return _attempt("ratings", section)


def _students(split: SplitStore | None, data: LabelledData | None) -> list[Section]:
    """Return the section on the students of a store, where it has any that were compared with a teacher."""
    if split is None:
        return []
    pairs = None if data is None else data.pairs
    return _attempt("students", lambda: students_section(read_students(split), pairs))


def _attempt(name: str, make_section: Callable[[], Section | None]) -> list[Section]:
    """Return a section, or none: with a warning where the data has too little for it."""
    try:
        section = make_section()
    except PrefensError as error:
        log.warning("no %s: %s", name, error.came)
        return []
    return [] if section is None else [section]


def _calibration(blend: Blend) -> Section:
    stack = blend.stack

    def calibrate(probabilities: Floats) -> dict[str, Floats]:
        kinds = calibrations_for(stack.folds)
        return {UNCALIBRATED: probabilities} | {
            kind.name: cross_calibrate(kind, probabilities, stack.folds) for kind in kinds
        }

    best = _ranked(blend)[:CALIBRATED_MEMBERS]
    others = {blend.names[index]: calibrate(stack.probabilities[index]) for index in best}
    return calibration_section(blend.best.method, stack.folds.label, calibrate(blend.best.probabilities), others)


def _ranked(blend: Blend) -> list[int]:
    """Return the indices of the members in the stack, the best first."""
    ranked: list[int] = np.argsort([row.log_loss for row in blend.members], kind="stable").tolist()
    return ranked


def _tiles(blend: Blend) -> list[Tile]:
    best, expected, folds = blend.best, blend.expected, blend.folds
    if expected is None:
        honest = Tile("Honest log loss", "not known", "two folds leave none to choose on")
    else:
        method = best.method if len(blend.results) == 1 else "chosen without the scored fold"
        honest = Tile("Honest log loss", f"{expected.honest:.4f}", f"± {expected.honest_se:.4f}, {method}")
    holdout = []
    if best.holdout is not None:
        holdout = [Tile("Hold-out log loss", f"{best.holdout:.4f}", "rows that nothing saw")]
    decided = []
    if blend.decided_accuracy is not None and folds.n_outcomes == 3:
        decided = [Tile("Accuracy of decisions", f"{blend.decided_accuracy:.1%}", "by a cross-fitted rule for ties")]
    member = min(blend.members, key=lambda row: row.log_loss)
    scores = {(row.kind, row.name): row.scores for row in blend.leaderboard}
    own, prior = scores["blend", best.method], scores["reference", "class prior"]
    shares = "outcome shares of the other sources" if is_by_source(folds) else "outcome shares"
    return [
        honest,
        *holdout,
        Tile("Class prior", f"{prior.log_loss:.4f}", f"always the {shares}"),
        Tile("Best member", f"{member.log_loss:.4f}", member.member),
        Tile("Accuracy", f"{own.accuracy:.1%}", f"of {'three' if folds.n_outcomes == 3 else 'two'} outcomes"),
        *decided,
        Tile("Calibration error", f"{100 * own.calibration_error:.1f}", "points on average"),
    ]


def _version_and_date() -> dict[str, str]:
    return {"prefens": __version__, "written": date.today().isoformat()}
