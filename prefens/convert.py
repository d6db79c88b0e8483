"""python -m prefens.convert: write preference data in another format. See --help."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from prefens.runner import app, config
from prefens.runner.schemas import ConvertConfig

if TYPE_CHECKING:
    from prefens.data.sources import Source

log = logging.getLogger(__name__)


def main() -> None:
    app.run("convert", convert)


def convert(settings: ConvertConfig) -> app.Rows:
    """Write the pairs, and print what was kept, merged and refused."""
    from prefens.core.errors import counted
    from prefens.data import convert as formats

    source: Source = config.build(settings.data)
    formats.check_format(settings.out_format)
    loaded = source.load(labelled=True, lenient=True)
    path, written = formats.convert(loaded.pairs, settings.out_format, Path(settings.out))
    for row, problem in list(loaded.problems.items())[:10]:
        log.warning("row %d (id %s) is left out: %s", row + 1, loaded.ids[row], problem)
    counts = {
        "kept": written,
        "merged": sum(each.merged for each in loaded.sources),
        "both_bad": sum(each.both_bad for each in loaded.sources),
        "ties": len(loaded.pairs) - written + sum(each.ties for each in loaded.sources),
        "refused": len(loaded.problems),
    }
    print(
        f"Wrote {path}: {counted(written, 'pair')}. Left out: {counts['merged']} that several sources have, "
        f"{counts['both_bad']} both bad, {counted(counts['ties'], 'tie')}, "
        f"{counted(counts['refused'], 'row')} that can't be read"
    )
    return [counts]


if __name__ == "__main__":
    main()
