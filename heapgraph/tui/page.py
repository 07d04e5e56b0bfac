"""A page: facts, lists and commands of one place, before any terminal is involved."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from heapgraph.analysis.registry import Progress
    from heapgraph.tui.cells import Row
    from heapgraph.tui.places import Place
    from heapgraph.tui.tables import Table


@dataclass(frozen=True)
class Notice:
    """One line for the user."""

    text: str


@dataclass(frozen=True)
class PageCommand:
    """What a key does on this page.

    Attributes:
        run: called with the row at the cursor and a progress callback.
        is_heavy: it may take long: it runs in the background and can be cancelled.
    """

    run: Callable[[Row | None, Progress], Place | Notice | None]
    is_heavy: bool = False


@dataclass(frozen=True)
class Later:
    """What a page computes after it is shown.

    Attributes:
        title: what it is, for the user.
        work: called in the background; returns what puts the result on the page, which is called
            where pages are drawn.
    """

    title: str
    work: Callable[[Progress], Callable[[], None]]


@dataclass(frozen=True)
class Share:
    """One field of the block of shares on the overview."""

    label: str
    share: float
    place: Place


@dataclass
class Page:
    """What a place shows.

    Attributes:
        place: the place.
        title: for the breadcrumb.
        facts: names and values above the lists.
        left: lists, the most important one first; at most two.
        right: lists that stand beside them where there is room, else below; at most two.
        object_id: the object the page is about, if it is about one.
        set_text: text of the set the page is about, if it is about one.
        shares: fields of a block of shares, largest first.
        commands: by action name (`keys.py`); what is not here is not offered.
        on_filter: narrows the lists to rows with a text; None where rows cannot be filtered.
        filter_text: the filter that is on.
        keys_mean_page: keys are about the page's object, not about that of the row.
        detail_lines: lines for the full text of the row at the cursor.
        detail_part: at most one part in so many of the page is for that text.
        focus: which of the lists has the keys.
        later: what is still to be computed.
        words: command and arguments for the view as it was changed on the page, instead of those
            of the place: called with OBJECT text; None where no command shows it.
    """

    place: Place
    title: str
    facts: list[tuple[str, str]] = field(default_factory=list)
    left: list[Table] = field(default_factory=list)
    right: list[Table] = field(default_factory=list)
    object_id: int | None = None
    set_text: str | None = None
    shares: list[Share] = field(default_factory=list)
    commands: dict[str, PageCommand] = field(default_factory=dict)
    on_filter: Callable[[str], None] | None = None
    filter_text: str = ""
    keys_mean_page: bool = False
    detail_lines: int = 2
    detail_part: int = 6
    focus: int = 0
    later: Later | None = None
    words: Callable[[str], list[str] | None] | None = None

    @property
    def tables(self) -> list[Table]:
        """All lists in the order in which Tab visits them."""
        return [*self.left, *self.right]

    def has_rows(self) -> bool:
        """Whether there is anything to move on."""
        return any(len(table) for table in self.tables)
