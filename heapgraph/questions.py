"""A method for each question that can be asked of a snapshot.

Written by scripts/write_reference.py from what is declared; a change by hand would be lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from heapgraph.analysis.registry import run

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    from heapgraph.analysis.dominators import Dominators
    from heapgraph.analysis.growth.rows import Diff
    from heapgraph.analysis.histogram import Histogram
    from heapgraph.analysis.holders import Holders
    from heapgraph.analysis.memory import MemoryReport
    from heapgraph.analysis.paths import Paths
    from heapgraph.analysis.registry import Progress
    from heapgraph.analysis.runtime import RuntimeFacts
    from heapgraph.analysis.show import ShownObject
    from heapgraph.analysis.sql import SqlResult
    from heapgraph.analysis.summary import Summary
    from heapgraph.analysis.suspects import Suspects
    from heapgraph.analysis.threads import Threads
    from heapgraph.analysis.verify import Verification
    from heapgraph.analysis.waste import Waste
    from heapgraph.graph.heap_graph import HeapGraph


class Questions:
    """What can be asked; values are checked as on the command line.

    Attributes:
        graph: the snapshot.
    """

    graph: HeapGraph
    _progress: Progress | None

    def summary(self) -> Summary:
        """Target, totals, roots, quality, memory.

        Cost: the dominator tree and the paths from the roots, once per snapshot.
        """
        return cast("Summary", self._ask("summary"))

    def histogram(
        self,
        limit: int | None = None,
        sort: str = "retained",
        *,
        exact: bool = False,
    ) -> Histogram:
        """Objects and sizes per type.

        Args:
            exact: make the retained size of every type exact (slow).
            limit: how many types to list; None: all.
            sort: what the types are ordered by, the most first.

        Cost: vectorised over all objects; one search of the heap per exact row; where objects share
            blocks of C code, the root paths, once.
        """
        return cast("Histogram", self._ask("histogram", exact=exact, limit=limit, sort=sort))

    def dominators(
        self,
        of: int | str | None = None,
        limit: int = 20,
        *,
        raw: bool = False,
    ) -> Dominators:
        """The biggest objects by retained size.

        Args:
            of: list what this object immediately dominates; <roots>: what no object does.
            raw: show each __dict__ apart from its owner, and every node of linked lists.
            limit: how many objects to list.

        Raises:
            ObjectNotFound: `of` names nothing, or more than one object.

        Cost: the dominator tree, once per snapshot; then one partial sort of all objects, and of
            each of the 200 largest containers among the rows what it dominates.
        """
        return cast("Dominators", self._ask("dominators", of=of, raw=raw, limit=limit))

    def holders(self, limit: int = 5) -> Holders:
        """The few objects where most bytes gather, none inside another.

        Args:
            limit: how many holders to list.

        Cost: the dominator tree, then the children of the few largest objects, and their growth.
        """
        return cast("Holders", self._ask("holders", limit=limit))

    def path(
        self,
        *objects: int | str,
        count: int = 1,
        exclude: Iterable[str] = (),
        limit: int = 20,
    ) -> Paths:
        """Why objects are alive: paths from the roots.

        Args:
            objects: object ids or OBJECT texts, type:NAME for all objects of a type.
            count: show up to N different paths to a single object.
            exclude: kinds of references and roots not to use, with commas between:
                weak,frame,type,c-held...
            limit: how many merged paths of a set to list.

        Raises:
            ObjectNotFound: an object names nothing, or more than one object.
            UsageError: an unknown name in `exclude`.

        Cost: one search of the heap (0.5 s for 10 million objects), kept unless something is
            excluded.
        """
        return cast(
            "Paths",
            self._ask(
                "paths",
                objects=objects,
                count=count,
                exclude=exclude,
                limit=limit,
            ),
        )

    def show(
        self,
        object: int | str,  # noqa: A002 - as on the command line
        limit: int = 20,
        *,
        raw: bool = False,
    ) -> ShownObject:
        """One object: value, references, referrers, sizes.

        Args:
            object: object id or OBJECT text.
            raw: list references as they are stored.
            limit: how many references, referrers and dominators to list.

        Raises:
            ObjectNotFound: it names nothing, or more than one object.

        Cost: dominators, paths and reverse references, each once per snapshot.
        """
        return cast("ShownObject", self._ask("show", object=object, raw=raw, limit=limit))

    def suspects(self, limit: int = 10) -> Suspects:
        """What probably leaks, and who holds it.

        Args:
            limit: how many suspects.

        Cost: the dominator tree and the shortest paths, once per snapshot; then passes over the
            heap.
        """
        return cast("Suspects", self._ask("suspects", limit=limit))

    def threads(self, limit: int | None = None, *, suspended: bool = False) -> Threads:
        """Threads with stacks and variables; asyncio tasks.

        Args:
            suspended: with --json: generators, coroutines and greenlets too.
            limit: how many threads and tasks to list; None: all.

        Cost: the dominator tree and the reverse references, then the objects in the frames.
        """
        return cast("Threads", self._ask("threads", suspended=suspended, limit=limit))

    def waste(
        self,
        *detectors: str,
        min_size: int | None = None,
        limit: int | None = None,
    ) -> Waste:
        """Waste and leaks, each with owners and a fix.

        Args:
            detectors: run only this detector; may be given several times; default all.
            min_size: leave out waste below this size; default 1 % of the heap, at most 1 MiB.
            limit: how many findings to list; None: all.

        Raises:
            UsageError: no such detector.

        Cost: each detector is vectorised over the heap.
        """
        return cast(
            "Waste",
            self._ask(
                "waste",
                detectors=detectors,
                min_size=min_size,
                limit=limit,
            ),
        )

    def memory(self, limit: int | None = None) -> MemoryReport:
        """What resident memory is made of, and why it stays.

        Args:
            limit: how many rows of each list; None: all.

        Cost: the dominator tree and the root paths, once per snapshot.
        """
        return cast("MemoryReport", self._ask("memory", limit=limit))

    def diff(
        self,
        new: Questions | str | os.PathLike[str],
        *newer: Questions | str | os.PathLike[str],
        limit: int | None = 20,
    ) -> Diff:
        """What grew between snapshots.

        Args:
            new: the second snapshot.
            newer: the third snapshot, and all later ones.
            limit: how many holders and types to list; None: all.

        Raises:
            UsageError: three snapshots of different processes.
            SnapshotFormatError: a file is no whole snapshot.

        Cost: the paths of each snapshot, one after the other, and some 40 bytes for each way of
            reaching objects in any, times the snapshots. Three are in memory together, of others
            the first and the last.
        """
        return cast(
            "Diff",
            self._ask(
                "diff",
                new=_graph_of(new),
                newer=tuple(map(_graph_of, newer)),
                limit=limit,
            ),
        )

    def sql(
        self,
        query: str | None = None,
        limit: int | None = None,
        time_limit: float = 600.0,
    ) -> SqlResult:
        """Ask in SQL (DuckDB), read-only.

        Args:
            query: one SELECT in DuckDB's SQL; without one, the tables and their columns.
            limit: how many rows to print; None: all.
            time_limit: stop the query when it takes longer.

        Raises:
            UsageError: the query is wrong, does anything but read, or needs too much memory or
                time.

        Cost: the columns that the query reads, once per snapshot; then what the query costs.
        """
        return cast("SqlResult", self._ask("sql", query=query, limit=limit, time_limit=time_limit))

    def runtime(self) -> RuntimeFacts:
        """Collector, tracemalloc, flags, loaded packages.

        Cost: the namespaces of the packages that are loaded.
        """
        return cast("RuntimeFacts", self._ask("runtime"))

    def verify(self) -> Verification:
        """Check the file and its quality record.

        Raises:
            SnapshotFormatError: the file is damaged: there is nothing to judge.

        Cost: reads the whole file.
        """
        return cast("Verification", self._ask("verify"))

    def _ask(self, name: str, **parameters: object) -> object:
        return run(name, self.graph, progress=self._progress, **parameters)


def _graph_of(
    snapshot: Questions | str | os.PathLike[str],
) -> HeapGraph | str | os.PathLike[str]:
    return snapshot.graph if isinstance(snapshot, Questions) else snapshot
