"""The manifest of a snapshot file: what must be in it, and the way to and from its bytes."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from types import NoneType
from typing import TYPE_CHECKING, Any

from heapgraph.snapshot import damage
from heapgraph.snapshot.limits import most_rows
from heapgraph.snapshot.schema import (
    FORMAT_NAME,
    FORMAT_VERSION,
    MANIFEST_MEMBER,
    TABLES,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MAX_MANIFEST_BYTES = 64 * 2**20
"""Far above any real manifest; a member that claims more is damage or malice, and is not read."""

_MAX_VALUES = 2**23
"""Of values in it. A command line has at most 6 MiB, each argument one byte and a pointer; as many
empty lists would take half a gigabyte when they are read."""

SNAPSHOT_ID = re.compile(r"[0-9a-f]{8,64}")
"""It names a folder of the cache, so nothing else may be in it."""

_NUMBER = (int, float)
_SHOWN_CHARACTERS = 40

_MOST = 2**63 - 1
"""No count, size or time of a process is larger; beyond it sums would not fit into 64 bits."""


@dataclass(frozen=True)
class _Each:
    """A list, or an object whose keys are free, of values of one type."""

    container: type[list[Any] | dict[str, Any]]
    value: type | tuple[type, ...]
    is_optional: bool = False


_TEXTS = _Each(list, str)
_COUNTS = _Each(dict, int)
_COUNT_LIST = _Each(list, int)

_Shape = type | tuple[type, ...] | _Each | dict[str, Any]

SHAPE: dict[str, _Shape] = {
    "format": str,
    "format_version": int,
    "tool_version": str,
    "snapshot_id": str,
    "created": str,
    "target": {
        "pid": int,
        "executable": str,
        "command_line": _TEXTS,
        "python_version": str,
        "python_build": str,
        "rss": int,
        "hostname": str,
        "started": str,
    },
    "capture": {
        "method": str,
        "passed_over": _Each(dict, str, is_optional=True),
        "pause_ms": _NUMBER,
        "seconds": _NUMBER,
        "phases": _Each(dict, _NUMBER),
        "memory_read": int,
    },
    "interpreter": {
        "gc_enabled": bool,
        "gc_thresholds": _COUNT_LIST,
        "gc_counts": _COUNT_LIST,
        "gc_frozen": int,
        "gc_disabled_in": int,
        "interpreters": int,
        "tracemalloc": (bool, NoneType),
        "tracemalloc_frames": int,
        "tracemalloc_bytes": (int, NoneType),
        "flags": _COUNTS,
    },
    "native": _Each(dict, (int, str), is_optional=True),
    "quality": {
        "invalid_references": int,
        "list_breaks": int,
        "negative_refcounts": int,
        "surplus_refcounts": int,
        "reached_from_named_roots": _NUMBER,
        "c_held": int,
        "c_held_types": _NUMBER,
        "garbage": int,
        "immortal_unreached": int,
        "collecting": bool,
        "attempts": int,
        "scanned_types": _COUNTS,
        "traversed_objects": int,
        "traverse_faults": _COUNTS,
        "traverse": dict,
        "grade": str,
        "reasons": _TEXTS,
    },
    "redacted": bool,
    "counts": {"objects": int, "references": int, "types": int},
    "members": {
        layout.member: {"size": int, "crc32": int, "rows": int} for layout in TABLES.values()
    },
}
"""Every key of a manifest with its type; a dict lists the keys below, numbers are never negative.
Optional ones came later than the format. A
reader ignores other keys, so that a later heapgraph can add some without a new format version."""


NO_MEMBER: Mapping[str, int] = {"size": 0, "crc32": 0, "rows": 0}
"""What stands for a table that is not in the file."""


def complete_manifest(
    manifest: Mapping[str, Any], members: Mapping[str, Mapping[str, int]]
) -> dict[str, Any]:
    """Add what only the writer knows: format, counts and members.

    Args:
        manifest: everything else of `SHAPE`.
        members: size, crc32 and rows of every table's member.

    Raises:
        ValueError: a key is missing or has another type; the message names it.
    """
    counts = {name: members[TABLES[name].member]["rows"] for name in ("objects", "references")}
    complete = dict(manifest) | {
        "format": FORMAT_NAME,
        "format_version": FORMAT_VERSION,
        "counts": counts | {"types": members[TABLES["types"].member]["rows"]},
        "members": {name: dict(member) for name, member in members.items()},
    }
    problem = _first_problem(complete, SHAPE, "") or _wrong_value(complete)
    if problem:
        raise ValueError(f"the manifest cannot be written: {problem}")
    return complete


def encode_manifest(manifest: Mapping[str, Any]) -> bytes:
    """Return the bytes of the manifest's member: JSON, for people too.

    Text that came from the target may hold lone surrogates, so everything beyond ASCII is escaped.

    Raises:
        ValueError: a value that JSON does not have, such as NaN.
    """
    return json.dumps(manifest, indent=1, allow_nan=False).encode("ascii") + b"\n"


def decode_manifest(data: bytes, path: Path | str) -> dict[str, Any]:
    """Return the manifest in `data`, checked: format, version, every key and type, counts.

    Args:
        data: the bytes of the member.
        path: the snapshot file, for the error.

    Raises:
        SnapshotFormatError: it is not the manifest of a format that this heapgraph reads.
    """
    values = sum(map(data.count, (b",", b"[", b"{")))
    if values > _MAX_VALUES:
        raise damage.damaged(path, MANIFEST_MEMBER, f"it has some {values:,} values")
    try:
        manifest = json.loads(data, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise damage.damaged(path, MANIFEST_MEMBER, f"it is not JSON ({error})") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT_NAME:
        problem = f"its {MANIFEST_MEMBER} does not say format {FORMAT_NAME!r}"
        raise damage.foreign(path, problem, MANIFEST_MEMBER)
    _check_version(manifest, path)
    _add_later_members(manifest)
    problem = _first_problem(manifest, SHAPE, "") or _wrong_value(manifest)
    if problem:
        raise damage.damaged(path, MANIFEST_MEMBER, problem)
    return manifest


def _add_later_members(manifest: dict[str, Any]) -> None:
    """Say of tables that came later than the file that they have no rows."""
    members = manifest.get("members")
    if isinstance(members, dict):
        for layout in TABLES.values():
            if layout.is_later:
                members.setdefault(layout.member, dict(NO_MEMBER))


def _check_version(manifest: Mapping[str, Any], path: Path | str) -> None:
    version = manifest.get("format_version")
    if not isinstance(version, int) or isinstance(version, bool):
        problem = f"format_version is {_shown(version)}, not a number"
        raise damage.damaged(path, MANIFEST_MEMBER, problem)
    if version != FORMAT_VERSION:
        writer = str(manifest.get("tool_version"))
        raise damage.other_version(path, version, FORMAT_VERSION, writer)


def _refuse_constant(name: str) -> float:
    """NaN and the infinities, which Python's parser takes though JSON does not have them."""
    raise ValueError(f"{name} is no number")


def _first_problem(value: object, shape: _Shape, where: str) -> str:
    if isinstance(shape, _Each):
        return _first_wrong_item(value, shape, where)
    if not isinstance(shape, dict):
        return _value_problem(value, shape, where)
    if not isinstance(value, dict):
        return f"{where} is {_shown(value)}, not an object"
    for key, inner in shape.items():
        path = f"{where}.{key}" if where else key
        if key not in value:
            if isinstance(inner, _Each) and inner.is_optional:
                continue
            return f"{path} is missing"
        problem = _first_problem(value[key], inner, path)
        if problem:
            return problem
    return ""


def _first_wrong_item(value: object, shape: _Each, where: str) -> str:
    if not isinstance(value, shape.container):
        return f"{where} is {_shown(value)}, of the wrong type"
    items = value.items() if isinstance(value, dict) else enumerate(value)
    problems = (_value_problem(item, shape.value, f"{where}[{_shown(key)}]") for key, item in items)
    return next(filter(None, problems), "")


def _value_problem(value: object, expected: type | tuple[type, ...], where: str) -> str:
    if not _has_type(value, expected):
        return f"{where} is {_shown(value)}, of the wrong type"
    if isinstance(value, int | float) and not 0 <= value <= _MOST:  # NaN is neither
        return f"{where} is {_shown(value)}, which cannot be"
    return ""


def _wrong_value(manifest: Mapping[str, Any]) -> str:
    rows = {name: manifest["members"][layout.member]["rows"] for name, layout in TABLES.items()}
    for name, count in manifest["counts"].items():
        if name in rows and count != rows[name]:
            return f"counts.{name} is {_shown(count)}, but the table has {_shown(rows[name])} rows"
    if not SNAPSHOT_ID.fullmatch(manifest["snapshot_id"]):
        return f"snapshot_id is {_shown(manifest['snapshot_id'])}, not 8 to 64 hex digits"
    for name, count in rows.items():
        most = most_rows(name, rows["objects"])
        if count > most:
            return (
                f"members.{name}.parquet.rows is {_shown(count)}, more than the {most} there can be"
            )
    return ""


def _has_type(value: object, expected: type | tuple[type, ...]) -> bool:
    if isinstance(value, bool):  # Python counts it as an int, JSON does not
        return expected is bool or (isinstance(expected, tuple) and bool in expected)
    return isinstance(value, expected)


def _shown(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "..."
