"""What some objects tell besides their references: tables of a few columns, one for each kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heapgraph.capture.heap import (
    code_table,
    container_facts,
    saved_stacks,
    standing_lines,
    view_sizes,
)

if TYPE_CHECKING:
    from heapgraph.capture.cpython.layouts import Layout
    from heapgraph.capture.heap.columns import HeapColumns
    from heapgraph.native.memory_reads import MemoryReads


def read_object_facts(reads: MemoryReads, layout: Layout, columns: HeapColumns) -> None:
    """Make the tables `codes`, `containers`, `views` and `standing_lines` of the columns.

    And find what lies on the C stacks of greenlets.

    Args:
        reads: of the frozen moment.
        layout: of its CPython.
        columns: the objects.

    Cost: one pass over the objects, and 0.3-1 us for each that is read.
    """
    fields = layout.fields
    chosen = columns.choose(
        {
            **code_table.READERS,
            **container_facts.READERS,
            **view_sizes.READERS,
            **standing_lines.READERS,
        },
        standing_lines.TYPES,
    )
    columns.fact_tables = {
        "codes": code_table.read_code_table(reads, fields, columns, chosen),
        "containers": container_facts.read_container_facts(reads, fields, columns, chosen),
        "views": view_sizes.read_view_sizes(reads, fields, columns, chosen),
        "standing_lines": standing_lines.read_standing_lines(reads, layout, columns, chosen),
    }
    columns.stack_words = saved_stacks.words_of_few_stacks(reads, fields, columns)
