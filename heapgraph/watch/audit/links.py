"""One line of the log after another: does each hold on to the one before?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from heapgraph.units import format_count
from heapgraph.watch.audit.files import NAME
from heapgraph.watch.audit.record import GENESIS, MAX_LINE_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heapgraph.watch.audit.verify import Expected


class Place(NamedTuple):
    """Where a line is.

    Attributes:
        file: its name.
        line: number in the file, from 1.
        offset: bytes before it.
        begins_with: number of the first line of the file, as its name says; None: it does not.
    """

    file: str
    line: int
    offset: int
    begins_with: int | None


@dataclass(frozen=True)
class Damage:
    """The first line that is not as it was written.

    Attributes:
        file, line: where; the line in the file, from 1.
        seq: its number, None where it cannot be read.
        kind: "changed", "missing", "order", "start", "end", "unreadable" or "torn".
        text: one sentence.
    """

    file: str
    line: int
    seq: int | None
    kind: str
    text: str


class _Link(NamedTuple):
    place: Place
    seq: int
    prev: str
    hash: str


class Rest(Protocol):
    """What a file holds behind its last line."""

    size: int
    """Bytes; 0 where the file does not say its size."""

    def sha256(self) -> str:
        """Its hash; reads all of it."""


class _Unread(NamedTuple):
    """The end of a file that is no line."""

    place: Place
    rest: Rest
    is_partial: bool
    is_long: bool


class Links:
    """What has been seen of a chain.

    Args:
        is_whole: all files are there; else one of them.
        cuts: what was deleted, as lines of the log say.
        expected: a line as it was noted elsewhere.

    Attributes:
        count, first_seq, last_seq, last_hash: of the lines that hold.
        cut: what of `cuts` explains that the first line is not number 1.
        torn: what lines say of the ends of files that are no lines.
        damage: the first; None so far.
    """

    def __init__(
        self, *, is_whole: bool, cuts: Sequence[dict[str, Any]], expected: Expected | None
    ) -> None:
        """Nothing is seen yet."""
        self._is_whole, self._cuts, self._expected = is_whole, cuts, expected
        self._last: _Link | None = None
        self._before_last: _Link | None = None
        self._broken: tuple[_Link, _Link] | None = None
        self._unread: list[_Unread] = []
        self.count = self.first_seq = 0
        self.cut: dict[str, Any] | None = None
        self.torn: list[dict[str, Any]] = []
        self.damage: Damage | None = None

    @property
    def last_seq(self) -> int:
        """Number of the last line that holds; 0 for none."""
        return self._last.seq if self._last else 0

    @property
    def last_hash(self) -> str:
        """Its hash."""
        return self._last.hash if self._last else ""

    def take(self, place: Place, record: dict[str, Any], line_hash: str) -> None:
        """Look at the next line."""
        link = _Link(place, record["seq"], record["prev"], line_hash)
        if self._broken:
            self._decide(link)
            return
        if self._unread and record["event"] != "audit.torn":
            self._report_unread()
            return
        if self._last is None:
            self._begin(link)
        else:
            self._hold_on(self._last, link)
        if record["event"] == "audit.torn":
            self._take_torn(link, record["detail"])
        if not self._broken:
            self._compare(link)
        if not self._broken and not self.damage:
            self._before_last, self._last = self._last, link
            self.count += 1

    def take_unreadable(self, place: Place, line: bytes, rest: Rest) -> None:
        """The rest of a file is no line; the next file may say why.

        Args:
            place: where it begins.
            line: its beginning, up to a line feed, or to more than a line can have.
            rest: all of it.
        """
        if self._broken:
            self._decide(None)
        is_long = len(line) > MAX_LINE_BYTES
        is_partial = not line.endswith(b"\n") and not is_long
        self._unread.append(_Unread(place, rest, is_partial, is_long))

    def end(self) -> None:
        """There are no more lines."""
        if self.damage is None and self._broken:
            self._decide(None)
        if self.damage is None and self._unread:
            self._report_unread()
        if self.damage is None and self._expected and self._expected.seq > self.last_seq:
            last = self._last.place if self._last else Place("", 0, 0, None)
            text = f"line {self._expected.seq} is not there: the end was cut off"
            self.damage = Damage(last.file, last.line, self.last_seq, "end", text)

    def _begin(self, link: _Link) -> None:
        """The first line: number 1, or the one after what was deleted."""
        self.first_seq = link.seq
        self._check_name(link)
        if not self._is_whole or (link.seq == 1 and link.prev == GENESIS):
            return
        wanted = (link.seq - 1, link.prev)
        found = [one for one in self._cuts if (one.get("last_seq"), one.get("last_hash")) == wanted]
        if found:
            self.cut = found[0]
            return
        why = "the first line is not as it was written"
        if link.seq > 1:
            why = f"lines 1 to {link.seq - 1} are missing, and no line says that they were deleted"
        self._report(link, "start", why)

    def _hold_on(self, last: _Link, link: _Link) -> None:
        """Any other line: the next number, and the hash of the line before."""
        if link.place.line == 1:
            self._check_name(link)
        if self.damage:
            return
        if link.seq > last.seq + 1:
            gone = f"lines {last.seq + 1} to {link.seq - 1} are"
            if link.seq == last.seq + 2:
                gone = f"line {last.seq + 1} is"
            self._report(link, "missing", f"{gone} missing before this one")
        elif link.seq <= last.seq:
            self._report(
                link, "order", f"line {link.seq} comes after line {last.seq}: put in, or moved"
            )
        elif link.prev != last.hash:
            self._broken = (last, link)

    def _check_name(self, link: _Link) -> None:
        begins_with = link.place.begins_with
        if begins_with not in (None, link.seq):
            why = f"the file begins with line {link.seq}, and by its name with {begins_with}"
            self._report(link, "order", why)

    def _decide(self, following: _Link | None) -> None:
        """Two lines do not fit. If the next does not fit either, the one between was changed."""
        if self._broken is None:
            return
        first, second = self._broken
        changed = first if following is None or following.prev == second.hash else second
        self._broken = None
        if changed is first:  # it was counted as one that holds
            self._last = self._before_last
            self.count -= 1
            self.first_seq = self.first_seq if self.count else 0
        self._report(
            changed, "changed", f"line {changed.seq} is not as it was when the next was written"
        )

    def _take_torn(self, link: _Link, detail: dict[str, Any]) -> None:
        """A line says what is at the end of an earlier file: is it still that?"""
        self.torn.append(detail)
        said = (detail.get("file"), detail.get("bytes"))
        for unread in self._unread:
            is_meant = (unread.place.file, unread.rest.size) == said
            if is_meant and unread.rest.sha256() == detail.get("sha256"):
                self._unread.remove(unread)
                return
        name = NAME.fullmatch(str(said[0]))
        is_deleted = name is not None and int(name[1]) < self.first_seq
        if self._is_whole and not is_deleted and not self.damage:
            why = f"the torn end of {said[0]} is not as this line says"
            self._report(link, "changed", why)

    def _compare(self, link: _Link) -> None:
        expected = self._expected
        if expected and link.seq == expected.seq and link.hash != expected.hash:
            self._report(link, "changed", f"line {link.seq} has another hash than was noted")

    def _report_unread(self) -> None:
        first = self._unread[0]
        is_torn = first.is_partial and len(self._unread) == 1
        offset = format_count(first.place.offset)
        kind, why = "unreadable", f"what begins at byte {offset} is no line of an audit log"
        if first.is_long:
            most = format_count(MAX_LINE_BYTES)
            why += f": no line feed comes within {most} bytes"
        if is_torn:
            kind = "torn"
            begins = f"the last {first.rest.size} bytes, from byte {offset} on,"
            why = f"{begins} are no whole line, and no line says why"
            if not self._is_whole:
                why = f"{begins} are no whole line; the next file may say why"
        place = first.place
        self.damage = Damage(place.file, place.line, None, kind, why)

    def _report(self, link: _Link, kind: str, text: str) -> None:
        self.damage = self.damage or Damage(link.place.file, link.place.line, link.seq, kind, text)
