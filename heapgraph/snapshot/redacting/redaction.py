"""Takes the values of the target out of a snapshot before it is written (`--redact`).

Names that the program's author wrote stay, because without them no path can be read: local
variables, modules, functions, types, and those attributes and interned dict keys that occur in the
program's code. Everything the program computed or received goes: every preview, and every other
attribute and key, which is replaced by a hash so that paths still tell them apart. Of the files of
code the folders go (`redacted_places.py`); whose code it is was decided before and stays.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from heapgraph.model import NO_LABEL, EdgeKind, ObjectFlags, RootKind
from heapgraph.snapshot.arrow_arrays import arrow_array, compute
from heapgraph.snapshot.redacting.code_names import module_names, names_in_code
from heapgraph.snapshot.redacting.places import code_previews, redacted_files
from heapgraph.snapshot.schema import TABLES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

HASHED_PREFIX = "redacted-"
"""Begins the text that stands for a key which is not shown."""

_SALT_BYTES = 16
_DIGEST_BYTES = 8  # with 10 million keys, two share a hash with a probability under 1 in 100,000
_SLICE_ROWS = 2**22
"""Objects handled together: bounds the memory, and keeps texts below the 2 GiB of one array."""

_IMPLICIT_VARIABLE = re.compile(r"\.\d+")  # what the compiler names a comprehension's iterable
_STANDARD_THREAD = re.compile(
    r"MainThread|(Thread|Dummy|ThreadPoolExecutor|asyncio)[-_]\d+(_\d+)?( \([\w.<>]+\))?"
    r"|QueueFeederThread|QueueManagerThread|ExecutorManagerThread"
)
"""Names the standard library gives to threads; any other may hold a value."""

_Mask = npt.NDArray[np.bool_]


def redact_tables(tables: Mapping[str, pa.Table], salt: bytes | None = None) -> dict[str, pa.Table]:
    """Return the tables without the target's values.

    Args:
        tables: every table of the schema; not changed.
        salt: keys of equal text get equal hashes with equal salt. Default: random and forgotten, so
            that nobody can find a key by hashing guesses.

    Returns:
        The tables, of which objects, roots, threads, frames, codes and modules are new.

    Cost: about 2 us per different dict key, 20 bytes per object.
    """
    hasher = _Hasher(secrets.token_bytes(_SALT_BYTES) if salt is None else salt)
    places = {name: _with_files(tables, name, hasher) for name in ("frames", "codes", "modules")}
    module_names = [
        name if _is_module_name(name) else hasher(name)
        for name in tables["modules"].column("name").to_pylist()
    ]
    places["modules"] = _with_texts(places["modules"], "modules", "name", module_names)
    previews = _previews(tables, places["codes"], hasher)
    return (
        dict(tables)
        | places
        | {
            "objects": _with_texts(tables["objects"], "objects", "preview", previews),
            "roots": _with_texts(
                tables["roots"], "roots", "name", _root_names(tables["roots"], hasher)
            ),
            "threads": _with_texts(
                tables["threads"], "threads", "name", _thread_names(tables["threads"], hasher)
            ),
        }
    )


def redact_manifest(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return the manifest marked as redacted, of the command line only the executable's name.

    The name comes from the executable's path: a process may write anything over its arguments.
    """
    target = dict(manifest["target"])
    target["command_line"] = [PurePosixPath(target["executable"]).name]
    return dict(manifest) | {"target": target, "redacted": True}


class _Hasher:
    """Turns a text into its stand-in."""

    def __init__(self, salt: bytes) -> None:
        self._salt = salt

    def __call__(self, text: str) -> str:
        digest = hashlib.blake2b(text.encode(), digest_size=_DIGEST_BYTES, key=self._salt)
        return HASHED_PREFIX + digest.hexdigest()


class _Labels:
    """Which objects are labels, and which of them may be shown if their text is a name."""

    def __init__(self, tables: Mapping[str, pa.Table]) -> None:
        objects, references = tables["objects"], tables["references"]
        self._count = objects.num_rows
        self._labels = references.column("label").to_numpy()
        kinds = references.column("kind").to_numpy()
        types = objects.column("type").to_numpy()
        flags = objects.column("flags").to_numpy()
        to_module = _of_types(tables, types, ("module",))[references.column("target").to_numpy()]
        variable = self._labelled_by(kinds == EdgeKind.LOCAL)
        attribute = self._labelled_by(kinds == EdgeKind.ATTRIBUTE)
        key = self._labelled_by(kinds == EdgeKind.VALUE)
        interned = (flags & ObjectFlags.INTERNED) != 0
        self.is_label = variable | attribute | key
        self.is_variable = variable
        self.may_be_in_code = attribute | (key & interned)
        self.may_be_module_name = self._labelled_by((kinds == EdgeKind.VALUE) & to_module)
        self.code_names = names_in_code(tables)
        self.module_names = {name for name in module_names(tables) if _is_module_name(name)}

    def _labelled_by(self, references: _Mask) -> _Mask:
        labels = self._labels[references]
        result = np.zeros(self._count, np.bool_)
        result[labels[labels != NO_LABEL]] = True
        return result


def _of_types(
    tables: Mapping[str, pa.Table], types: npt.NDArray[Any], names: tuple[str, ...]
) -> _Mask:
    type_names = tables["types"].column("name").to_pylist()
    is_named = np.array([name in names for name in type_names], np.bool_)
    result: _Mask = is_named[types]
    return result


def _with_files(tables: Mapping[str, pa.Table], name: str, hasher: _Hasher) -> pa.Table:
    files = tables[name].column("file").to_pylist()
    return _with_texts(tables[name], name, "file", redacted_files(files, hasher))


def _previews(tables: Mapping[str, pa.Table], codes: pa.Table, hasher: _Hasher) -> pa.ChunkedArray:
    labels = _Labels(tables)
    column = tables["objects"].column("preview")
    ids = codes.column("object").to_numpy()
    shown = pa.array(code_previews(codes.to_pydict()), pa.string())
    slices = []
    for start in range(0, len(column), _SLICE_ROWS):
        part = _redacted_slice(column.slice(start, _SLICE_ROWS), labels, start, hasher)
        first, last = np.searchsorted(ids, [start, start + len(part)]).tolist()
        is_code = np.zeros(len(part), np.bool_)
        is_code[ids[first:last] - start] = True
        slices.append(compute("replace_with_mask", part, arrow_array(is_code), shown[first:last]))
    return pa.chunked_array(slices, pa.string())


def _redacted_slice(
    column: pa.ChunkedArray, labels: _Labels, start: int, hasher: _Hasher
) -> pa.Array:
    """Previews of some objects: the text, its stand-in, or null."""
    span = slice(start, start + len(column))
    wanted = labels.is_label[span] & column.is_valid().to_numpy()
    rows = np.flatnonzero(wanted)
    encoded = column.filter(pa.array(wanted)).combine_chunks().dictionary_encode()
    texts: list[str] = encoded.dictionary.to_pylist()
    number = encoded.indices.to_numpy()
    shown = labels.is_variable[span][rows] & _each(texts, _is_identifier)[number]
    shown |= (
        labels.may_be_in_code[span][rows] & _each(texts, labels.code_names.__contains__)[number]
    )
    shown |= (
        labels.may_be_module_name[span][rows]
        & (_each(texts, labels.module_names.__contains__)[number])
    )
    choices = pa.array(texts + [hasher(text) for text in texts], pa.string())
    choice = np.zeros(len(column), np.int64)
    choice[rows] = np.where(shown, number, number + len(texts))
    return choices.take(pa.array(choice, mask=~wanted))


def _each(texts: list[str], test: Callable[[str], bool]) -> _Mask:
    return np.fromiter((test(text) for text in texts), np.bool_, len(texts))


def _is_identifier(text: str) -> bool:
    return text.isidentifier() or _IMPLICIT_VARIABLE.fullmatch(text) is not None


def _is_module_name(text: str) -> bool:
    return all(part.isidentifier() for part in text.split("."))


def _root_names(roots: pa.Table, hasher: _Hasher) -> list[str]:
    """Only module names come from the target's data: they are the keys of sys.modules."""
    kinds = roots.column("kind").to_pylist()
    names = roots.column("name").to_pylist()
    return [
        hasher(name) if kind == RootKind.MODULE and not _is_module_name(name) else name
        for kind, name in zip(kinds, names, strict=True)
    ]


def _thread_names(threads: pa.Table, hasher: _Hasher) -> list[str | None]:
    return [
        name if name is None or _STANDARD_THREAD.fullmatch(name) else hasher(name)
        for name in threads.column("name").to_pylist()
    ]


def _with_texts(
    table: pa.Table, name: str, column: str, texts: pa.ChunkedArray | list[str] | list[str | None]
) -> pa.Table:
    field = TABLES[name].schema.field(column)
    values = pa.array(texts, pa.string()) if isinstance(texts, list) else texts
    return table.set_column(table.schema.get_field_index(column), field, values)
