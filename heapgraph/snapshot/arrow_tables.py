"""Tables of the file as Arrow tables, to be written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from heapgraph.snapshot.arrow_arrays import arrow_array

if TYPE_CHECKING:
    from collections.abc import Mapping

    from heapgraph.snapshot.plain_tables import PlainTable


def arrow_tables(tables: Mapping[str, PlainTable]) -> dict[str, pa.Table]:
    """What a capture has made, for the writer.

    Numbers are not copied, and may be narrower than the schema: the writer widens them piece by
    piece. Texts are copied, but for previews.
    """
    return {name: _arrow_table(table) for name, table in tables.items()}


def _arrow_table(table: PlainTable) -> pa.Table:
    columns = [
        arrow_array(values) if isinstance(values, np.ndarray) else values.as_arrow()
        for values in table.columns.values()
    ]
    return pa.Table.from_arrays(columns, names=table.column_names)
