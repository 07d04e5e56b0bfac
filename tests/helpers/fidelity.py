"""Compares a snapshot with what the target itself says of its objects."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from heapgraph.capture.dump import dump
from heapgraph.model import EdgeFlags, ObjectFlags
from heapgraph.snapshot.reader import open_snapshot
from helpers.running_target import TARGETS, start_target

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from heapgraph.capture.captured import DumpResult


class Said(NamedTuple):
    """What the target says of one object: see fixtures/targets/kinds.py."""

    address: int
    type_name: str
    is_tracked: bool
    getsizeof: int
    referents: Counter[int]


@dataclass
class Fidelity:
    """How far a snapshot agrees with its target; the counters are by type name.

    Attributes:
        compared: objects of each type that both know.
    """

    gc_objects: int = 0
    equal_references: int = 0
    objects: int = 0
    equal_sizes: int = 0
    compared: Counter[str] = field(default_factory=Counter)
    missing: Counter[str] = field(default_factory=Counter)
    other_references: Counter[str] = field(default_factory=Counter)
    other_sizes: Counter[str] = field(default_factory=Counter)

    @property
    def reference_share(self) -> float:
        """GC objects whose referents are exactly those of gc.get_referents."""
        return self.equal_references / self.gc_objects

    @property
    def size_share(self) -> float:
        """Objects whose size is exactly sys.getsizeof."""
        return self.equal_sizes / self.objects

    def __str__(self) -> str:
        """Everything a failing test should show."""
        return (
            f"{len(self.compared)} types, "
            f"referents {self.equal_references}/{self.gc_objects} = {self.reference_share:.4%}, "
            f"sizes {self.equal_sizes}/{self.objects} = {self.size_share:.4%}, "
            f"missing {dict(self.missing)}, "
            f"other referents {self.other_references.most_common(20)}, "
            f"other sizes {self.other_sizes.most_common(20)}"
        )


def read_said(path: Path) -> Iterator[Said]:
    """The target's own account, object by object."""
    with path.open() as lines:
        for line in lines:
            address, type_name, tracked, size, referents = line.rstrip("\n").split("\t")
            yield Said(
                int(address),
                type_name,
                tracked == "1",
                int(size),
                Counter(int(referent) for referent in referents.split()),
            )


def compare(snapshot_path: Path, said_path: Path) -> Fidelity:
    """Compare every object that both know.

    The target goes on between the snapshot and its own account: an address that holds an object of
    another type by then is left out.
    """
    snapshot = open_snapshot(snapshot_path)
    addresses = snapshot.column("objects", "address")
    targets = addresses[snapshot.column("references", "target")]
    visible = (snapshot.column("references", "flags") & EdgeFlags.GC_VISIBLE) != 0
    offsets = np.zeros(len(addresses) + 1, dtype=np.int64)
    np.cumsum(snapshot.column("objects", "out_degree"), out=offsets[1:])
    type_names = snapshot.strings("types", "name").to_pylist()
    types = snapshot.column("objects", "type")
    sizes = snapshot.column("objects", "getsizeof")
    is_gc = (snapshot.column("objects", "flags") & ObjectFlags.IS_GC) != 0
    id_of = {address: number for number, address in enumerate(addresses.tolist())}
    result = Fidelity()
    for said in read_said(said_path):
        object_id = id_of.get(said.address)
        if object_id is None:
            result.missing[said.type_name] += 1
            continue
        name = type_names[types[object_id]]
        if name.rpartition(".")[2] != said.type_name:
            continue
        result.compared[name] += 1
        result.objects += 1
        result.equal_sizes += int(sizes[object_id]) == said.getsizeof
        if int(sizes[object_id]) != said.getsizeof:
            result.other_sizes[name] += 1
        if not is_gc[object_id]:
            continue
        result.gc_objects += 1
        edges = slice(offsets[object_id], offsets[object_id + 1])
        found = Counter(targets[edges][visible[edges]].tolist())
        result.equal_references += found == said.referents
        if found != said.referents:
            result.other_references[name] += 1
    return result


def dump_and_compare(python: str, folder: Path, *options: str) -> tuple[int, DumpResult, Fidelity]:
    """Dump a target with hundreds of kinds of objects, then ask itself about each of them.

    Returns:
        The kinds of objects that its collector tracks, what the dump says, and the comparison.
    """
    snapshot, account = folder / "kinds.heapgraph", folder / "account"
    with start_target(TARGETS / "kinds.py", *options, python=python) as target:
        kinds = int(target.ready.split()[2])
        result = dump(target.pid, snapshot, force=True)
        target.send(str(account))
        assert target.read_line() == "described"
    return kinds, result, compare(snapshot, account)
