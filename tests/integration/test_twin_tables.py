"""Lists of a twin's memory that no process can have, or only just."""

from __future__ import annotations

import os

import numpy as np
import pytest

from heapgraph.capture.live.freeze_helper import FreezeHelper, HelperFailure
from heapgraph.capture.live.twin import Twin
from heapgraph.capture.process.maps import Mapping, read_maps
from heapgraph.native.file_pieces import FilePiece
from helpers.machine_code import CODE, DATA, PAGE
from helpers.processes import read_u64

END = (1 << 47) - PAGE
GOOD_ROW = (CODE, PAGE, 0, 0, 0, 1)
BAD_TABLES = {
    "unaligned": [(CODE + 8, PAGE, 0, 0, 0, 1)],
    "half-a-page": [(CODE, 8, 0, 0, 0, 1)],
    "empty": [(CODE, 0, 0, 0, 0, 1)],
    "at-null": [(0, PAGE, 0, 0, 0, 1)],
    "overlap": [GOOD_ROW, GOOD_ROW],
    "unsorted": [(DATA, PAGE, 0, 0, 0, 1), GOOD_ROW],
    "over-the-end": [(END - PAGE, 2 * PAGE, 0, 0, 0, 1)],
    "of-the-kernel": [(1 << 63, PAGE, 0, 0, 0, 1)],
    "wraps": [(CODE, 2**64 - PAGE, 0, 0, 0, 1)],
    "file-longer": [(CODE, PAGE, 0, 0, 2 * PAGE, 1)],
    "offset-wraps": [(CODE, PAGE, 0, 2**63 - PAGE, PAGE, 1)],
    "no-such-file": [(CODE, PAGE, 12345, 0, PAGE, 1)],
    "descriptor-wraps": [(CODE, PAGE, 1 << 32, 0, PAGE, 1)],
    "no-protection-bits": [(CODE, PAGE, 0, 0, 0, 8)],
    "too-many": [(CODE + 2 * PAGE * i, PAGE, 0, 0, 0, 1) for i in range(65531)],
}


@pytest.mark.parametrize("rows", BAD_TABLES.values(), ids=BAD_TABLES)
def test_a_table_that_is_nonsense(rows: list[tuple[int, ...]]) -> None:
    """Given a list of memory that no process can have, the helper refuses it and goes on."""
    tables = [os.memfd_create("table") for _ in range(2)]
    for table, content in zip(tables, (rows, [GOOD_ROW]), strict=True):
        os.pwrite(table, np.array(content, dtype=np.uint64).tobytes(), 0)
    with FreezeHelper(descriptors=tables) as helper:
        with pytest.raises(HelperFailure) as caught:
            helper.make_twin(tables[0], 0)
        assert caught.value.code == "twin"
        assert helper.make_twin(tables[1], 0) > 0
    for table in tables:
        os.close(table)


def test_memory_like_that_of_the_helper_itself() -> None:
    """Given ranges where the helper is mapped as well, the twin has the target's memory there."""
    file = os.memfd_create("content")
    with FreezeHelper() as helper:
        # Not the same addresses in the next helper, but the same regions, nearly whole.
        maps = [item for item in read_maps(helper.pid) if not item.path.startswith("[v")]
    first, last = maps[0].start & ~((1 << 41) - 1), maps[-1].end
    os.pwrite(file, b"found it", 0)
    pieces = [FilePiece(first, last - first, file, 0, PAGE)]
    with Twin(pieces, [Mapping(first, last, "rw-p", 0, "")], 0) as twin:
        assert read_u64(twin.code_pid, first) == int.from_bytes(b"found it", "little")
        assert read_u64(twin.code_pid, maps[0].start) == 0
        assert read_u64(twin.code_pid, last - PAGE) == 0
    os.close(file)
