"""Tables in parquet, feather and Arrow's stream format."""

from __future__ import annotations

import pyarrow as pa

from prefens.data.raw.source import Source
from prefens.data.raw.table import Choose, RawTable, from_arrow, pick


def read_binary(source: Source, kind: str, choose: Choose) -> RawTable:
    """Read columns of a file of one of the kinds of `kinds.TABLES`; cells are as stored.

    Raises
    ------
    DataError
        Where the file is damaged or holds a wanted column twice.
    """
    try:
        return _read(source, kind, choose)
    except (pa.ArrowException, OSError, UnicodeDecodeError, MemoryError) as error:
        raise source.refusal(
            f"damaged {kind}: {(str(error).splitlines() or [''])[0]}", f"a whole {kind} file"
        ) from error


def _read(source: Source, kind: str, choose: Choose) -> RawTable:
    import pyarrow.feather as feather
    import pyarrow.parquet as pq

    with source.open() as stream:
        if kind == "parquet":
            file = pq.ParquetFile(stream)
            header = file.schema_arrow.names
            table = file.read(columns=pick(source, choose, header))
        elif kind == "feather":
            table = feather.read_table(stream)
            header = table.column_names
        else:
            table = pa.ipc.open_stream(stream).read_all()
            header = table.column_names
        return from_arrow(source.name, table, pick(source, choose, header), header)
