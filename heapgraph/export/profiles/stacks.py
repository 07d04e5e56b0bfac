"""The stacks of a heap, as every profile format writes them: names with places, and sizes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from heapgraph.export.profiles.places import NOWHERE, SourcePlace, SourcePlaces
from heapgraph.export.profiles.stack_tree import MIN_SIZE, build_stack_tree
from heapgraph.safe_text import printable, shortened

if TYPE_CHECKING:
    from heapgraph.export.profiles.stack_tree import StackTree
    from heapgraph.graph.heap_graph import HeapGraph

OTHERS = "<small holders>"
"""What hangs from the roots directly and is too small to be shown."""

_MAX_NAME, _MAX_FILE = 300, 1000
_GLOBAL = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+")
_ATTRIBUTE = re.compile(r"\.[^\W\d]\w*")


@dataclass(frozen=True)
class Frame:
    """One place in a stack.

    Attributes:
        name: a global (`app.CACHE`), or what leads here with the type there (`.history (list)`).
        place: of the class, the module or the function; `NOWHERE` where that is not known.
    """

    name: str
    place: SourcePlace


@dataclass(frozen=True)
class Stack:
    """What one place of the dominator tree holds itself.

    Attributes:
        frames: rows in `Stacks.frames`, the leaf first.
        objects, size: objects and bytes that belong to no stack below.
    """

    frames: tuple[int, ...]
    objects: int
    size: int


@dataclass(frozen=True)
class Stacks:
    """All of them.

    Attributes:
        frames: distinct.
        stacks: the ones above before those below; their sizes sum up to the reachable heap.
    """

    frames: tuple[Frame, ...]
    stacks: tuple[Stack, ...]


def heap_stacks(graph: HeapGraph, min_size: int = MIN_SIZE) -> Stacks:
    """The dominator tree of a snapshot as stacks; see `build_stack_tree` for what is folded.

    Args:
        graph: the snapshot.
        min_size: bytes; smaller branches belong to what is above them.
    """
    tree = build_stack_tree(graph, min_size)
    frames: dict[Frame, int] = {}
    paths: list[tuple[int, ...]] = []
    stacks = []
    rows = zip(
        tree.parents.tolist(),
        _frames(graph, tree),
        tree.own(tree.objects).tolist(),
        tree.own(tree.sizes).tolist(),
        strict=True,
    )
    for parent, frame, objects, size in rows:
        above = paths[parent] if parent >= 0 else ()
        paths.append((frames.setdefault(frame, len(frames)), *above))
        if objects or size:
            stacks.append(Stack(paths[-1], objects, size))
    tops = tree.parents < 0
    objects = tree.reachable_objects - int(tree.objects[tops].sum())
    size = tree.reachable_size - int(tree.sizes[tops].sum())
    if objects or size:
        row = frames.setdefault(Frame(OTHERS, NOWHERE), len(frames))
        stacks.append(Stack((row,), objects, size))
    return Stacks(tuple(frames), tuple(stacks))


def _frames(graph: HeapGraph, tree: StackTree) -> list[Frame]:
    """Of each group the name with its place."""
    places = SourcePlaces(graph)
    found = []
    rows = zip(tree.parents.tolist(), tree.names, tree.types, tree.examples.tolist(), strict=True)
    for parent, name, type_name, example in rows:
        place = places.of_object(example, type_name)
        text = f"{name or '<object>'} ({type_name})"
        if parent < 0:
            place = place if place.file else places.of_root(example)
            if _GLOBAL.fullmatch(name) and type_name != "module":
                text = name
                place = place if place.file else places.of_module(name.rpartition(".")[0])
        elif tree.types[parent] == "module" and tree.parents[parent] < 0:
            module = tree.names[parent]
            text = f"{module}{name}" if _ATTRIBUTE.fullmatch(name) else text
            place = place if place.file else places.of_module(module)
        elif not place.file and name.startswith("."):
            place = places.of_class(tree.types[parent])  # whose attribute it is
        place = SourcePlace(shortened(printable(place.file), _MAX_FILE), place.line)
        found.append(Frame(shortened(printable(text), _MAX_NAME), place))
    return found
