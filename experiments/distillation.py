"""What students gain from their teacher, as Markdown tables on stdout.

    python experiments/distillation.py runs/tulu1/0 runs/tulu1/1 runs/tulu1/2

The roots hold one kind of pairs on folds of several seeds: members, the stored best blend of them, and its students. A
student is compared with the member of the same settings without a teacher, and with its teacher. Held-out rows are
predicted by full fits alone. Log loss in nats, expected under the true probabilities where these are known; the range
is over the roots. A difference is the mean over the rows of all roots, with a 95 % interval by bootstrap over prompts.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from prefens.core.bootstrap import GroupBootstrap
from prefens.core.metrics import outcome_shares, row_losses
from prefens.core.resources import limit_threads
from prefens.core.types import Floats, Folds, Pairs, Strings
from prefens.runner.sync import member_stack
from prefens.runner.teaching.teacher import find_teacher
from prefens.store.member_spec import MemberSpec
from prefens.store.oof_store import OOFStore
from prefens.store.split_store import SplitStore

NOTHING: Strings = np.empty(0, dtype=object)
NO_PAIRS = Pairs(NOTHING, NOTHING, NOTHING, NOTHING)  # a blend that reads no features needs none
TEACHER, UNTAUGHT = "the teacher", "no teacher"
DEFAULTS = {"share": 0.5, "temperature": 1.0}
PARTS = ("out of fold", "hold-out")

Losses = dict[str, Floats]  # of the rows of each part


def describe(spec: MemberSpec) -> str:
    """Return a member as the tables name it."""
    steps = spec.recipe.get("training", {}).get("min_steps")
    name = f"{spec.backbone} ({steps} steps)" if steps else spec.backbone
    if not spec.is_student:
        return f"{name}, {UNTAUGHT}"
    teacher = spec.recipe["teacher"]
    more = ", more pairs" if "unlabelled_share" in teacher else ""
    own = "".join(f", {key} {teacher[key]:g}" for key, default in DEFAULTS.items() if teacher[key] != default)
    return f"{name}, {teacher['scheme']}{more}{own}"


def losses_of(folds: Folds, probabilities: Floats) -> Floats:
    """Return the (n,) losses of (n, K) probabilities."""
    if folds.truth is None:
        return row_losses(probabilities, folds.label)
    expected: Floats = -(folds.truth[:, 0] * np.log(probabilities)).sum(axis=1)
    return expected


def member_losses(split: SplitStore, spec: MemberSpec) -> Losses:
    """Return the losses of a member: out of fold, and on the hold-out where it has a full fit."""
    stack, _ = member_stack(split, spec)
    losses = {PARTS[0]: losses_of(stack.folds, stack.probabilities[0])}
    if split.has_full(spec.name):
        probabilities = split.predictions(spec, split.k).holdout_probabilities
        losses[PARTS[1]] = losses_of(split.folds.rows(~split.folds.scored), probabilities)
    return losses


def references(split: SplitStore) -> dict[str, Losses]:
    """Return the losses of the stored blend, of the class prior, and of the true probabilities where they are known."""
    teacher = find_teacher(split, "blend", NO_PAIRS)
    parts = [teacher.stack.folds, split.folds.rows(~split.folds.scored)]
    held_out, prior = teacher.on_holdout(), outcome_shares(parts[0].label, split.folds.n_outcomes)
    if held_out is None:
        raise SystemExit(f"{split.path}: no row is held out")
    predictions = {
        TEACHER: [teacher.honest, held_out],
        "class prior": [np.tile(prior, (len(rows.ids), 1)) for rows in parts],
    }
    if split.folds.truth is not None:
        predictions["floor"] = [rows.truth[:, 1] for rows in parts if rows.truth is not None]
    return {
        name: {part: losses_of(rows, each) for part, rows, each in zip(PARTS, parts, own, strict=True)}
        for name, own in predictions.items()
    }


def difference(own: Sequence[Floats], other: Sequence[Floats] | None, groups: Sequence[Strings]) -> str:
    if other is None or other is own:
        return ""
    values = np.concatenate(own) - np.concatenate(other)
    ((low, high),) = GroupBootstrap(np.concatenate(groups), 2000).intervals(values[None])
    return f"{values.mean():+.4f} [{low:+.4f}, {high:+.4f}]"


def span(own: Sequence[Floats]) -> str:
    means = [each.mean() for each in own]
    return f"{min(means):.4f} to {max(means):.4f}" if len(means) > 1 else f"{means[0]:.4f}"


def print_part(part: str, groups: Sequence[Strings], losses: Mapping[str, Mapping[int, Losses]]) -> None:
    """Print a table of the rows of one part; what lacks a root is left out."""
    whole = {
        name: [roots[place][part] for place in sorted(roots)]
        for name, roots in losses.items()
        if len(roots) == len(groups) and all(part in each for each in roots.values())
    }
    print(f"\n| {part} | log loss | minus {UNTAUGHT} | minus {TEACHER} |\n|---|---|---|---|")
    for name, own in sorted(whole.items()):
        others = whole.get(f"{name.partition(', ')[0]}, {UNTAUGHT}"), whole[TEACHER]
        print(f"| {name} | {span(own)} | {' | '.join(difference(own, other, groups) for other in others)} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("roots", type=Path, nargs="+")
    limit_threads()
    splits = [next(iter(OOFStore(root).splits())) for root in parser.parse_args().roots]
    losses = defaultdict[str, dict[int, Losses]](dict)
    for place, split in enumerate(splits):
        for name, reference in references(split).items():
            losses[name][place] = reference
        for spec in split.members():
            if {*range(split.k)} <= split.records(spec).keys():
                losses[describe(spec)][place] = member_losses(split, spec)
    for part in PARTS:
        rows = [split.folds.rows(split.folds.scored == (part == PARTS[0])) for split in splits]
        print_part(part, [each.group for each in rows], losses)


if __name__ == "__main__":
    main()
