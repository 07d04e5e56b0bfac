"""The retained heap as a profile that `go tool pprof` and continuous profilers read.

A stack is a path down the dominator tree, the leaf first: what pprof calls `cum` is the retained
size, and `flat` what an object holds itself. No values are in it: names of attributes, globals,
classes and functions, and their files.
"""

from __future__ import annotations

import posixpath
from datetime import UTC, datetime
from io import BytesIO
from typing import TYPE_CHECKING, Any

from heapgraph.export.profiles.messages import new_profile, packed
from heapgraph.export.profiles.stack_tree import MIN_SIZE
from heapgraph.export.profiles.stacks import heap_stacks
from heapgraph.safe_text import printable, shortened
from heapgraph.snapshot.pending_file import write_whole

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

    from heapgraph.export.profiles.stacks import Stacks
    from heapgraph.graph.heap_graph import HeapGraph

SAMPLE_TYPES = (("inuse_objects", "count"), ("inuse_space", "bytes"))
"""As Go's heap profile calls them, in its order: back ends know these names."""

_MAX_TEXT = 200


def write_pprof(
    graph: HeapGraph, stream: BinaryIO, *, min_size: int = MIN_SIZE, worker: str = ""
) -> None:
    """Write the dominator tree of a heap as a gzipped profile.proto.

    A `__dict__` is a part of the object it belongs to. Alike objects below one holder are one
    place, keys and positions are `[*]`, so that profiles of two moments can be subtracted.
    Branches of less than `min_size` belong to what is above them, as does what is deeper than 128
    places; of more than 4,000 places the largest are written. The sizes of all samples sum up to
    the reachable heap.

    Args:
        graph: a snapshot, or tables in memory.
        stream: where to.
        min_size: bytes.
        worker: what the daemon calls the process, "web/0"; for the comments.

    Cost: the dominator tree and the root paths, if they are not there yet; then 0.2 us an object.
        Under 200 KB are written.
    """
    stream.write(packed(_profile(graph, heap_stacks(graph, min_size), worker)))


def export_pprof(graph: HeapGraph, path: Path, *, force: bool = False) -> None:
    """Write it to a file; see `write_pprof` and `Exporter.export`."""
    content = BytesIO()
    write_pprof(graph, content)
    write_whole(path, content.getvalue(), force=force)


class _Strings:
    """The table of texts, in which the first is empty."""

    def __init__(self) -> None:
        self._rows = {"": 0}

    def row(self, text: str) -> int:
        return self._rows.setdefault(text, len(self._rows))

    def texts(self) -> list[str]:
        return list(self._rows)


def _profile(
    graph: HeapGraph,
    stacks: Stacks,
    worker: str,
) -> Any:  # noqa: ANN401 - see `new_profile`
    profile, strings = new_profile(), _Strings()
    for name, unit in SAMPLE_TYPES:
        profile.sample_type.add(type=strings.row(name), unit=strings.row(unit))
    for stack in stacks.stacks:
        ids = [frame + 1 for frame in stack.frames]  # 0 is no location
        profile.sample.add(location_id=ids, value=[stack.objects, stack.size])
    target = graph.manifest.get("target", {})
    profile.mapping.add(
        id=1,
        filename=strings.row(_text(posixpath.basename(target.get("executable", "")))),
        has_functions=True,
        has_filenames=True,
        has_line_numbers=True,
    )
    for number, frame in enumerate(stacks.frames, 1):
        line = frame.place.line
        # With no system name pprof leaves the name alone; else it takes `[*] (app.User)` for a C++
        # template and cuts the brackets.
        profile.function.add(
            id=number,
            name=strings.row(frame.name),
            filename=strings.row(frame.place.file),
            start_line=line,
        )
        location = profile.location.add(id=number, mapping_id=1)
        location.line.add(function_id=number, line=line)
    profile.period_type.type = strings.row("space")
    profile.period_type.unit = strings.row("bytes")
    profile.period = 1
    profile.time_nanos = _nanoseconds(graph.manifest.get("created", ""))
    profile.default_sample_type = strings.row("inuse_space")
    for text in (_comment(graph), _whose(graph, worker)):
        profile.comment.append(strings.row(text))
    profile.string_table.extend(strings.texts())
    return profile


def _comment(graph: HeapGraph) -> str:
    """What `go tool pprof -comments` says."""
    version = _text(graph.manifest.get("tool_version", ""))
    python = _text(graph.manifest.get("target", {}).get("python_version", ""))
    return f"heapgraph {version}: retained heap of CPython {python}; cum is the retained size"


def _whose(graph: HeapGraph, worker: str) -> str:
    """Whose heap it is: a comment, as stacks with labels of two processes are not the same."""
    target = graph.manifest.get("target", {})
    host = _text(target.get("hostname", "")) or "unknown"
    name = f"worker {_text(worker)}, " if worker else ""
    return f"{name}process {_text(target.get('pid', 'unknown'))}, host {host}"


def _text(text: object) -> str:
    return shortened(printable(str(text)), _MAX_TEXT)


def _nanoseconds(created: str) -> int:
    """Since 1970; 0 where the snapshot says no time."""
    try:
        moment = datetime.fromisoformat(created)
    except ValueError:
        return 0
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0, int(moment.timestamp() * 1_000_000)) * 1000
