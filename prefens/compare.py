"""python -m prefens.compare: which of two answers people prefer, and what each member says. See --help."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from prefens.runner import app, config
from prefens.runner.schemas import CompareConfig
from prefens.store.tracking.factory import Tracking


def main() -> None:
    app.run("compare", compare)


def compare(settings: CompareConfig) -> app.Rows:
    """Compare the two answers of each row, print them, and write comparisons.jsonl where out= is given."""
    from prefens.core.errors import ConfigError
    from prefens.core.files import write_text
    from prefens.inference.comparison import compare_rows, read_comparisons
    from prefens.inference.saved_model import find_predictor

    if settings.data.path is None:
        raise ConfigError("no data.path", "a file of prompts with answers a and b", "add data.path=FILE, - for stdin")
    rows = read_comparisons(settings.data.path)
    tracking, folders = config.build(settings.tracking, Tracking), config.backbone_folders(settings.backbones)
    digests = settings.data_digest, settings.fold_digest
    predictor = find_predictor(tracking, settings.model, settings.method, *digests, folders)
    done = compare_rows(predictor, rows)
    if settings.out is not None:
        lines = [json.dumps(asdict(row), ensure_ascii=False) for row in done]
        write_text(Path(settings.out) / "comparisons.jsonl", "".join(f"{line}\n" for line in lines))
    for row in done:
        print(row.as_text(predictor.method))
    return [asdict(row) for row in done]


if __name__ == "__main__":
    main()
