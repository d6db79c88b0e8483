"""A folder that predicts on a machine without internet: wheels, stored members and a notebook.

Backbones that members refer to lie beside it: they are on Kaggle already, or take longer to upload than the rest.
"""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from prefens.core.errors import ConfigError
from prefens.core.files import atomic_write, write_json
from prefens.core.hashing import short
from prefens.inference.attachments import Attachment
from prefens.inference.kaggle_inputs import MARKER
from prefens.inference.predictor import Predictor
from prefens.store.integrity import write_manifest
from prefens.store.split_store import SplitStore

log = logging.getLogger(__name__)

PROJECT = Path(__file__).resolve().parents[2]  # the checkout
NOTEBOOK = Path(__file__).resolve().parent / "templates" / "submission.ipynb"


def make_bundle(
    split: SplitStore, method: str, packages: Sequence[str], out: Path, backbones: Sequence[Path] = ()
) -> dict[str, object]:
    """Write a bundle, in place of an earlier one.

    Parameters
    ----------
    split : SplitStore
        The part of the store that the blend is in.
    method : str
        A method of the stored blend, "best", or the name of a member that predicts alone; the bundle holds the members
        that it uses, without their out-of-fold probabilities, and of a member with a full fit that one model.
    packages : sequence of str
        Packages whose wheels the bundle holds beside that of prefens, as pip requirements.
    out : Path
        Folder of the bundle.
    backbones : sequence of Path
        Folders of backbones that are searched before the usual places.

    Returns
    -------
    dict
        The content of the bundle's prefens-bundle.json: members, method, wheels, data_digest, attach, megabytes.

    Raises
    ------
    ConfigError
        If `out` holds something else, or if the wheels can't be made.
    BackboneError
        If the files of a backbone are missing.
    StoreError
        If there is no blend, no such method, or a member without a stored model, or if one of them is damaged.
    """
    if out.exists() and not (out / MARKER).is_file():
        raise ConfigError(
            f"{out} exists and is no bundle", "a new folder, or an earlier bundle", "give another out=DIR"
        )
    predictor = Predictor.of_store(split, method, backbones)
    with atomic_write(out) as tmp:
        store = tmp / "runs" / "store" / split.path.name
        store.mkdir(parents=True)
        shutil.copyfile(split.path / "folds.parquet", store / "folds.parquet")
        if predictor.fit is None:
            _write_blend(split.blend(), predictor, store / "blend")
        references = predictor.references()
        predictor.link_files(store / "members", tmp / "runs" / "backbones", without=references)
        attach = [Attachment.of(each, each.find(predictor.backbones)) for each in references.values()]
        build_wheels(packages, tmp / "wheels")
        shutil.copyfile(NOTEBOOK, tmp / "prefens-submission.ipynb")
        contents = {
            "members": predictor.used,
            "method": predictor.method,
            "wheels": sorted(path.name for path in (tmp / "wheels").iterdir()),
            "data_digest": short(split.folds.data_digest),
            "attach": [asdict(each) for each in attach],
            "megabytes": round(sum(path.stat().st_size for path in tmp.rglob("*") if path.is_file()) / 1e6, 1),
        }
        write_json(tmp / MARKER, contents)
    return contents


def _write_blend(blend: Mapping[str, Any], predictor: Predictor, folder: Path) -> None:
    """Write the blend.json of a stored blend with the one method of the predictor."""
    chosen = [item for item in blend["methods"] if item["method"] == predictor.method]
    rule = {"tie_weight": predictor.decision.tie_weight} if "tie_weight" in blend else {}
    write_json(folder / "blend.json", {**blend, **rule, "methods": chosen, "best": predictor.method})
    write_manifest(folder)


def build_wheels(packages: Sequence[str], folder: Path) -> None:
    """Build prefens' wheel from its checkout, and fetch or build those of packages, without their dependencies.

    Parameters
    ----------
    packages : sequence of str
        As pip requirements.
    folder : Path
        Where the wheels are written.

    Raises
    ------
    ConfigError
        If prefens does not run from a checkout, or if pip fails.
    """
    if not (PROJECT / "pyproject.toml").is_file():
        raise ConfigError(
            f"no pyproject.toml in {PROJECT}",
            "a checkout of prefens",
            "go into a clone: python -m prefens.kaggle tracking.root=/absolute/path/runs, or make kaggle RUNS=DIR",
        )
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder)]
    completed = subprocess.run(
        [*pip, "-c", str(PROJECT / "constraints.txt"), str(PROJECT), *packages],
        capture_output=True,
        text=True,
        check=False,
    )
    if completed.returncode:
        raise ConfigError(
            f"pip wheel failed: {completed.stderr.strip()[-500:]}",
            "wheels",
            "check packages= and the connection to PyPI",
        )
