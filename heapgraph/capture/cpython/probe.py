"""Is a layout the right one? Asked of the target's memory before anything is believed."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from heapgraph.capture.cpython.collector import gc_list_heads, is_collecting
from heapgraph.capture.process.memory import UnreadableMemory
from heapgraph.errors import UnsupportedPython

if TYPE_CHECKING:
    from heapgraph.capture.cpython.layouts import Layout
    from heapgraph.capture.process.memory import Memory

PUBLISHED = "dbg."
"""Layout fields with this prefix say where _PyRuntime publishes the field after it (3.13+)."""

_LINKS_CHECKED = 100
_FEWEST_LINKS = 10
_MAX_METATYPES = 16
_LINK_MASK = ~3  # the collector keeps two flags in the low bits
_MISMATCHES_SHOWN = 3
_GROWING = ("rt.size", "is.size")


def plausible(memory: Memory, layout: Layout, runtime_address: int) -> bool:
    """Tell whether a layout leads from the runtime to objects that make sense.

    The head of every list of the collector must hold two addresses. In one of the lists the first
    100 objects (all, but at least 10, when it is shorter) must be linked both ways, and from each
    of them type, type of the type, and so on must end at the type that is its own type and is
    called "type".

    Cost: a few hundred reads. Of a process that runs, every list can be seen in the middle of a
    change: ask again, with fresh memory, before a `False` is believed.
    """
    try:
        heads = gc_list_heads(memory, layout, runtime_address)
        check_backward = not is_collecting(memory, layout, runtime_address)
    except UnreadableMemory:
        return False
    probe = _ListProbe(memory, layout, check_backward=check_backward)
    return all(map(probe.is_head, heads)) and any(map(probe.passes, heads))


class _ListProbe:
    """Follows lists of the collector and judges what is found in them."""

    def __init__(self, memory: Memory, layout: Layout, *, check_backward: bool) -> None:
        self._memory = memory
        self._fields = layout.fields
        self._check_backward = check_backward  # a collection keeps counts where links were
        self._good_types: set[int] = set()

    def is_head(self, head: int) -> bool:
        """Tell whether two addresses are at `head`: so it is at any moment, also of a change."""
        try:
            links = self._memory.u64(head), self._memory.u64(head + 8)
            return all(self._memory.u64(link & _LINK_MASK) for link in links)
        except UnreadableMemory:
            return False

    def passes(self, head: int) -> bool:
        """Tell whether the list at `head` is long enough and all of it makes sense."""
        try:
            return self._count_good_links(head) >= _FEWEST_LINKS
        except UnreadableMemory:
            return False

    def _count_good_links(self, head: int) -> int:
        """The number of links followed; 0 as soon as one of them is wrong."""
        previous, node = head, self._memory.u64(head) & _LINK_MASK
        for count in range(_LINKS_CHECKED):
            if node == head:
                return count
            if node == 0 or node % 8:
                return 0
            if self._check_backward and self._memory.u64(node + 8) & _LINK_MASK != previous:
                return 0
            if not self._leads_to_type(node + self._fields["gc.head_size"]):
                return 0
            previous, node = node, self._memory.u64(node) & _LINK_MASK
        return _LINKS_CHECKED

    def _leads_to_type(self, address: int) -> bool:
        path: list[int] = []
        for _ in range(_MAX_METATYPES):
            type_address = self._memory.u64(address + self._fields["obj.type"])
            is_known = type_address in self._good_types
            if is_known or (type_address == address and self._is_called_type(address)):
                self._good_types.update(path, (type_address,))
                return True
            if type_address == address:
                return False
            path.append(type_address)
            address = type_address
        return False

    def _is_called_type(self, address: int) -> bool:
        name = self._memory.u64(address + self._fields["tp.name"])
        return self._memory.cstring(name) == "type"


def adapt_to_published(memory: Memory, layout: Layout, runtime_address: int) -> Layout:
    """Compare a layout with what the target itself publishes (3.13+).

    Args:
        memory: the target's.
        layout: of the target's version; one without published offsets is returned as it is.
        runtime_address: of its _PyRuntime.

    Returns:
        The layout, with the target's own sizes of the runtime and the interpreter, which grow at
        their ends from release to release.

    Raises:
        UnsupportedPython: an offset differs: a vendor's patch, or a release with other structs.
    """
    sizes: dict[str, int] = {}
    differences = []
    for name, place in layout.fields.items():
        if not name.startswith(PUBLISHED):
            continue
        field = name.removeprefix(PUBLISHED)
        published = memory.u64(runtime_address + place)
        if field in _GROWING:
            sizes[field] = published
        elif published != layout.fields[field]:
            differences.append(f"{field} is {published} and not {layout.fields[field]}")
    if not differences:
        return replace(layout, fields=MappingProxyType({**layout.fields, **sizes}))
    major, minor = layout.version
    raise UnsupportedPython(
        f"this CPython {major}.{minor} has another layout than {layout.headers_used}: "
        + ", ".join(differences[:_MISMATCHES_SHOWN]),
        "it was patched, or it is a release that heapgraph does not know",
        "run the program on an unpatched CPython, or use a newer heapgraph",
    )
