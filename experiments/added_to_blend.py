"""What each network member of a store adds to the blend of the cheap members, as a Markdown table on stdout.

    python experiments/added_to_blend.py runs/tulu1

The probabilities of a recipe's seeds are averaged. Weights are fitted on the other folds, as in `prefens.blend`. A gain
is the difference of two honest log losses on the same rows, with a 95 % interval by bootstrap over prompts.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from prefens.core.bootstrap import GroupBootstrap
from prefens.core.metrics import row_losses
from prefens.core.resources import limit_threads
from prefens.core.types import Floats, MemberInfo, OOFStack
from prefens.ensemble.convex_weights import LogLossWeights
from prefens.ensemble.crossfit import cross_fit
from prefens.store.assemble import make_stack
from prefens.store.member_spec import MemberSpec
from prefens.store.oof_store import OOFStore


def blended_losses(stack: OOFStack, extra: Sequence[Floats] = ()) -> Floats:
    """Return the (n,) honest losses in nats of the blend of a stack and further (n, K) probabilities."""
    infos = (*stack.members, *(MemberInfo(f"extra-{place}", None, None) for place in range(len(extra))))
    wide = replace(stack, members=infos, probabilities=np.concatenate([stack.probabilities, *(p[None] for p in extra)]))
    (honest,) = cross_fit([LogLossWeights()], wide).values()
    return row_losses(honest, stack.folds.label)


def describe(spec: MemberSpec) -> str:
    """Return a recipe as a table shows it."""
    head, training = spec.recipe["head"], spec.recipe["training"]
    style = "with style" if head["style"] else "texts alone"
    return f"{spec.backbone}, {training['mode']}, {head['pooling']}, {style}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path)
    limit_threads()
    (split,) = OOFStore(parser.parse_args().root).splits()
    members = [spec for spec in split.members() if len(split.records(spec)) == split.folds.k]
    runs = {spec.info: [split.predictions(spec, fold) for fold in range(split.folds.k)] for spec in members}
    stack, _ = make_stack(split.folds, runs)
    oof = dict(zip((spec.name for spec in members), stack.probabilities, strict=True))
    seeds = defaultdict[str, list[MemberSpec]](list)
    for spec in members:
        seeds[describe(spec) if spec.kind == "encoder" else ""].append(spec)
    cheap = seeds.pop("")
    base_stack = replace(
        stack, members=tuple(spec.info for spec in cheap), probabilities=np.stack([oof[spec.name] for spec in cheap])
    )
    base, bootstrap = blended_losses(base_stack), GroupBootstrap(split.folds.group, 2000)
    print("| member | log loss | blend with it | gain |\n|---|---|---|---|")
    for spec in cheap:
        print(f"| {spec.backbone} | {row_losses(oof[spec.name], split.folds.label).mean():.3f} | | |")
    print(f"| **blend of these** | **{base.mean():.3f}** | | |")
    for name, specs in sorted(seeds.items()):
        alone = [row_losses(oof[spec.name], split.folds.label).mean() for spec in specs]
        losses = blended_losses(base_stack, [np.mean([oof[spec.name] for spec in specs], axis=0)])
        ((low, high),) = bootstrap.intervals((base - losses)[None])
        span = f"{min(alone):.3f} to {max(alone):.3f}" if len(alone) > 1 else f"{alone[0]:.3f}"
        print(f"| {name} | {span} | {losses.mean():.3f} | {(base - losses).mean():.4f} [{low:.4f}, {high:.4f}] |")


if __name__ == "__main__":
    main()
