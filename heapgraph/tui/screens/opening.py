"""What is on the screen while a snapshot is opened, or made: how far it is, and a way out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.widgets import Static

from heapgraph.tui.cells import bar, safe
from heapgraph.tui.screens.working import WorkingScreen
from heapgraph.tui.widgets.headline import Headline
from heapgraph.tui.widgets.key_line import KeyLine

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.app import ComposeResult

    from heapgraph.analysis.registry import Progress
    from heapgraph.errors import HeapgraphError
    from heapgraph.graph.heap_graph import HeapGraph
    from heapgraph.tui.jobs import JobThread

_BAR_WIDTH = 30


@dataclass(frozen=True)
class Opened:
    """A snapshot that can be browsed.

    Attributes:
        file: as it was given, or as it was written, for command lines.
        graph: open; nothing needs to be computed yet.
        notes: what there is to say about how it was made.
    """

    file: str
    graph: HeapGraph
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class PendingSnapshot:
    """A snapshot that is not there yet.

    Attributes:
        title: what is opened, for the user.
        run: does it; called in the thread that works, with a progress callback.
    """

    title: str
    run: Callable[[Progress], Opened]


class OpeningScreen(WorkingScreen, inherit_bindings=False):
    """Shows the progress of an opening."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q", "give_up", "stop")]

    def __init__(
        self, opening: PendingSnapshot, then: Callable[[Opened], None], jobs: JobThread
    ) -> None:
        """Begin nothing yet.

        Args:
            opening: what to do.
            then: called with the snapshot.
            jobs: the thread that does it.
        """
        super().__init__(jobs)
        self._opening = opening
        self._then = then
        self._is_given_up = False

    def compose(self) -> ComposeResult:
        """Headline, progress, keys."""
        yield Headline(self._opening.title, id="headline")
        yield Static(id="opening")
        yield KeyLine(id="keys")

    def on_mount(self) -> None:
        """Begin."""
        super().on_mount()
        self.query_one(Headline).show_trail(["opening"])
        self.query_one(KeyLine).show([("esc", "stop", "give_up")])
        self.run_job(self._opening.title, self._opening.run, self._then)
        self.show_progress()

    def show_progress(self) -> None:
        """The phase, and a bar where it is known how much there is to do."""
        job = self._job
        if job is None:
            return
        lines = [safe(job.phase) or "opening"]
        if job.total:
            lines.append(f"{bar(job.done / job.total, _BAR_WIDTH)} {job.done:,} of {job.total:,}")
        if self._is_given_up:
            lines.append("stopping")
        self.query_one("#opening", Static).update(Text("\n".join(lines)))

    def action_give_up(self) -> None:
        """Stop at the next report of progress, and leave when everything is put back."""
        if self._job is None:
            self.app.exit()
            return
        self._is_given_up = True
        self._job.is_cancelled = True
        self.show_progress()

    def work_failed(self, failure: HeapgraphError) -> None:
        """Leave: the command line says what failed."""
        self.app.exit(failure)

    def work_changed(self) -> None:
        """When it was given up and is over, there is nothing more to show."""
        if self._is_given_up and self._job is None:
            self.app.exit()
