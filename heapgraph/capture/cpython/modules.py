"""The modules of an interpreter: their files, and whose code they are."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from heapgraph.capture.cpython.dict_tables import find_value
from heapgraph.capture.cpython.instances import inline_values, instance_dict
from heapgraph.capture.cpython.objects import MAX_ITEMS
from heapgraph.capture.cpython.type_flags import TypeFlags
from heapgraph.capture.process.memory import UnreadableMemory
from heapgraph.model import CodeOrigin
from heapgraph.source_files import MAX_CHARACTERS, distribution_of, kept, origin_of_file

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from heapgraph.capture.cpython.objects import ObjectReader

ModuleRow: TypeAlias = "dict[str, int | str]"

_FILE = "__file__"
_PROGRAMS = ("__main__", "__mp_main__")
_SEARCHED_FIRST = ("os", "encodings", "codecs", *_PROGRAMS)
"""Modules that have a file in nearly every process, by whose key the others' is known."""

_MAX_BUILTINS = 10_000
_LONGEST_BUILTIN = 100
_DEEPEST = 16  # packages inside packages; a name can be made of 4,096 dots
_MAX_TEXT = 1 << 24
"""Characters of all files together; 10,000 modules have a tenth of it. The rest is unknown."""

_MAX_SEARCHED = 100_000
"""Entries of dicts that are compared as texts: far more than the first modules have."""


@dataclass(frozen=True)
class _File:
    """What a module's `__file__` says; `is_there` also where it is no text."""

    path: str
    is_there: bool


_NO_FILE = _File("", is_there=False)
_UNREADABLE = _File("", is_there=True)


class ModuleReader:
    """Reads the modules of one interpreter, whose names are interned together.

    Args:
        reader: reads the target's memory.
    """

    def __init__(self, reader: ObjectReader) -> None:
        """Nothing is read yet."""
        self._reader = reader
        self._key = 0
        self._dict_offsets: dict[int, int] = {}
        self._searches_left = _MAX_SEARCHED
        self._text_left = _MAX_TEXT

    def rows(self, modules: Sequence[tuple[str, int]], suffix: str) -> list[ModuleRow]:
        """Rows of the snapshot's table, but `object` is the address.

        Args:
            modules: name in sys.modules and address of each.
            suffix: what is put behind each name to tell the interpreter.

        Cost: 30 us a module.
        """
        first = [pair for pair in modules if pair[0] in _SEARCHED_FIRST]
        for _, address in first:
            self._file(address)
        read = [self._file(address) for _, address in modules]
        files = {name: file for (name, _), file in zip(modules, read, strict=True)}
        standard = sys.stdlib_module_names | self._builtin_names(dict(modules).get("sys", 0))
        return [
            {
                "object": address,
                "name": name + suffix,
                "file": file.path,
                **_whose(name, file, files, standard),
            }
            for (name, address), file in zip(modules, read, strict=True)
        ]

    def _file(self, module: int) -> _File:
        try:
            address = self._file_address(module)
            if not address or self._type_name(address) == "NoneType":
                return _NO_FILE
            limit = min(self._text_left, MAX_CHARACTERS + 1)
            path = kept(self._reader.read_str(address, limit))
        except UnreadableMemory:
            return _UNREADABLE
        self._text_left -= min(len(path), limit)
        return _File(path, is_there=True) if self._text_left else _UNREADABLE

    def _type_name(self, address: int) -> str:
        return self._reader.type_name(self._reader.type_address(address))

    def _file_address(self, module: int) -> int:
        """Address of the value of `__file__`; 0 for none."""
        reader = self._reader
        namespace = self._namespace(module)
        if not namespace:
            has_values = bool(inline_values(reader, module))
            return (reader.get_attribute(module, _FILE) or 0) if has_values else 0
        if not self._key:
            return self._search(namespace)
        return find_value(reader, namespace, self._key, MAX_ITEMS)

    def _namespace(self, module: int) -> int:
        """Address of the dict of a module, or of the one that stands for it; 0 for none."""
        reader = self._reader
        type_address = reader.type_address(module)
        if type_address in self._dict_offsets:
            return reader.memory.u64(module + self._dict_offsets[type_address])
        if reader.type_name(type_address) == "module":  # the same for nearly all of them
            self._dict_offsets[type_address] = reader.word(type_address, "tp.dictoffset")
        elif reader.is_instance(module, TypeFlags.DICT_SUBCLASS):
            return module
        return instance_dict(reader, module)

    def _search(self, namespace: int) -> int:
        """Find the key by its text; the one that is found is every other module's, too."""
        reader = self._reader
        for key, value in reader.iter_dict(namespace):
            self._searches_left -= 1
            if self._searches_left < 0:
                break
            if (
                reader.is_instance(key, TypeFlags.UNICODE_SUBCLASS)
                and reader.word(key, "uni.length") == len(_FILE)
                and reader.read_str(key) == _FILE
            ):
                self._key = key
                return value
        return 0

    def _builtin_names(self, sys_module: int) -> set[str]:
        """`sys.builtin_module_names` of the target; its version may have others than ours."""
        reader = self._reader
        try:
            names = reader.get_attribute(sys_module, "builtin_module_names") if sys_module else None
            if names is None:
                return set()
            found = reader.iter_tuple(names, _MAX_BUILTINS)
            return {reader.read_str(name, _LONGEST_BUILTIN) for name in found}
        except UnreadableMemory:
            return set()


def _whose(
    name: str, own: _File, files: Mapping[str, _File], standard: Collection[str]
) -> dict[str, int | str]:
    """Origin and distribution of a module: by its file, else by its name, else by its package.

    What C code makes below a package (`torch._C._nn`) has no file: it belongs where that does. A
    package without a file that is in no other is a namespace, and nobody knows whose.
    """
    if name in _PROGRAMS:
        return {"origin": CodeOrigin.APPLICATION, "distribution": ""}
    file, within = own, name
    for _ in range(_DEEPEST):
        if file.is_there or not within:
            break
        within = within.rpartition(".")[0]
        file = files.get(within, _NO_FILE)
    if file.is_there:
        origin = origin_of_file(file.path)
        return {"origin": origin, "distribution": distribution_of(file.path)}
    is_standard = name.partition(".")[0] in standard
    origin = CodeOrigin.STANDARD_LIBRARY if is_standard else CodeOrigin.UNKNOWN
    return {"origin": origin, "distribution": ""}
