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
from prefens.core.metrics import accuracy, calibration_error, log_loss
from prefens.core.types import Floats, Folds
from prefens.data.folds import data_digest, prompt_groups
from prefens.ensemble.blend import Blend
from prefens.ensemble.blend_files import blend_tags
from prefens.ensemble.calibration import KINDS, cross_calibrate
from prefens.ensemble.inputs import LabelledData
from prefens.ensemble.leaderboard import prior_predictions
from prefens.reporting.bias.audit import bias_section
from prefens.reporting.data_profile.profile import data_section
from prefens.reporting.data_profile.token_counts import minilm_counter
from prefens.reporting.error_analysis import errors_section
from prefens.reporting.folds_section import rows_section
from prefens.reporting.html import Page, Tile, html
from prefens.reporting.leaderboard.section import Runs, leaderboard_section, swap_told
from prefens.reporting.leak_audit import leak_section
from prefens.reporting.model_card import model_card
from prefens.reporting.plots import save
from prefens.reporting.reliability import calibration_section
from prefens.reporting.section import Section
from prefens.reporting.style_audit import style_section
from prefens.store.member_spec import MemberSpec
from prefens.store.split_store import SplitStore

log = logging.getLogger(__name__)

CALIBRATED = 3  # members whose calibration is tried too: the best ones


@dataclass(frozen=True, eq=False)
class Report:
    """`page` and `card`, Markdown or "" for none; `tags` say which blend it is about, to the tracker."""

    page: Page
    card: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


def data_report(given: LabelledData, backbones: Path) -> Report:
    """Return the report on labelled pairs alone."""
    pairs, digest = given.pairs, data_digest(given.pairs)
    facts = {"data": short(digest), **_facts()}
    sections = data_sections(given, digest, backbones)
    page = Page("Which responses people preferred", f"{len(pairs):,} pairs", sections, facts=facts)
    return Report(page, tags={"prefens.data_digest": digest})


def blend_report(
    blend: Blend,
    given: LabelledData | None,
    runs: Runs,
    swap_gaps: Mapping[str, float],
    backbones: Path,
    texts: int,
    resamples: int = 500,
) -> Report:
    """Return the report on a blend, its members and, where they are given, its pairs.

    Parameters
    ----------
    runs, swap_gaps : what training the members cost, and their swap gaps: see `leaderboard_section`.
    texts : how many pairs of each kind are shown.
    resamples : of the bootstrap behind the intervals of the biases.
    """
    folds = blend.folds
    sections = blend_sections(blend, given, runs, swap_gaps, backbones, texts, resamples)
    facts = {"data": short(folds.data_digest), "folds": short(folds.digest), **_facts()}
    links = {"Model card": "model_card.md", "Figures": "figures/"}
    title = "Predicting which response people prefer"
    page = Page(title, _told(blend), sections, _tiles(blend), facts, links)
    card = model_card(blend, biases=_summary(sections, "bias"), swap=_swap_told(swap_gaps), version=__version__)
    return Report(page, card, blend_tags(blend))


def data_sections(given: LabelledData, digest: str, backbones: Path, folds: Folds | None = None) -> list[Section]:
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


def blend_sections(
    blend: Blend,
    given: LabelledData | None,
    runs: Runs,
    swap_gaps: Mapping[str, float],
    backbones: Path,
    texts: int,
    resamples: int,
) -> list[Section]:
    """Return all sections, in the order of the page; those that need texts where the pairs are given."""
    folds, stack, best = blend.folds, blend.stack, blend.best
    sections = [leaderboard_section(blend, runs, swap_gaps), _calibration(blend)]
    if given is None:
        log.info("no texts: give data.path for the sections that need them")
        return [*sections, rows_section(folds.label, folds.group, folds.data_digest, folds)]
    members = {blend.names[place]: stack.probabilities[place] for place in _ranked(blend)}
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


def write_report(report: Report, out: Path) -> list[Path]:
    """Write report.html, model_card.md and figures/ to a folder, and return their paths."""
    files = [write_text(out / "report.html", html(report.page))]
    files += [write_text(out / "model_card.md", report.card)] if report.card else []
    return files + [save(plot, out / "figures") for section in report.page.sections for plot in section.plots]


def fold_runs(blend: Blend, split: SplitStore | None) -> tuple[list[MemberSpec], Runs]:
    """Return the members of a blend that a store has models of, and what it notes of their fold runs."""
    if split is None:
        return [], {}
    specs = [
        spec
        for spec in split.members()
        if spec.name in blend.names and spec.kind is not None and len(split.finished_folds(spec)) == split.folds.k
    ]
    return specs, {spec.name: [split.record(spec, fold) for fold in range(split.folds.k)] for spec in specs}


def _calibration(blend: Blend) -> Section:
    stack = blend.stack

    def forms(probabilities: Floats) -> dict[str, Floats]:
        kinds = {name: cross_calibrate(kind, probabilities, stack.folds) for name, kind in KINDS.items()}
        return {"as it is": probabilities, **kinds}

    others = {blend.names[place]: forms(stack.probabilities[place]) for place in _ranked(blend)[:CALIBRATED]}
    return calibration_section(blend.best.method, stack.folds.label, forms(blend.best.probabilities), others)


def _ranked(blend: Blend) -> list[int]:
    """Return the places of the members in the stack, the best first."""
    ranked: list[int] = np.argsort([row.log_loss for row in blend.members()], kind="stable").tolist()
    return ranked


def _tiles(blend: Blend) -> list[Tile]:
    best, label, expected = blend.best, blend.stack.folds.label, blend.expected
    how = best.method if len(blend.results) == 1 else "chosen without the scored fold"
    told = (
        ("not known", "two folds leave none to choose on")
        if expected is None
        else (f"{expected.honest:.4f}", f"± {expected.honest_se:.4f}, {how}")
    )
    member = min(blend.members(), key=lambda row: row.log_loss)
    prior = log_loss(prior_predictions(blend.stack.folds), label)
    tiles = [
        Tile("Honest log loss", *told),
        Tile("Class prior", f"{prior:.4f}", "always the outcome shares"),
        Tile("Best member", f"{member.log_loss:.4f}", member.member),
        Tile("Accuracy", f"{accuracy(best.probabilities, label):.1%}", "of three outcomes"),
        Tile("Calibration error", f"{100 * calibration_error(best.probabilities, label):.1f}", "points on average"),
    ]
    if best.holdout is not None:
        tiles.insert(1, Tile("Hold-out log loss", f"{best.holdout:.4f}", "rows that nothing saw"))
    return tiles


def _told(blend: Blend) -> str:
    settings, stack = blend.folds.settings, blend.stack
    return (
        f"The blend {blend.best.method} of {len(stack.members)} members on {len(stack.folds.ids):,} pairs in "
        f"{settings['k']} {str(settings['scheme']).replace('_', ' ')} folds"
    )


def _facts() -> dict[str, str]:
    return {"prefens": __version__, "written": date.today().isoformat()}


def _summary(sections: Sequence[Section], name: str) -> list[str]:
    return [sentence for section in sections if section.name == name for sentence in section.summary]


def _swap_told(gaps: Mapping[str, float]) -> str:
    return f"exchanging A and B {swap_told([*gaps.values()])}" if gaps else "not measured here"
