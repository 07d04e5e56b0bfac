"""A suspect as a paragraph: what, how much, who holds it, where it grows, what to do."""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from heapgraph.analysis.execution.code_places import place_of
from heapgraph.analysis.execution.greenlets import EVENT_LOOP_TYPES
from heapgraph.analysis.expressions import expression, path_references, write_path
from heapgraph.analysis.expressions.attributes import namespace_entries
from heapgraph.analysis.expressions.carriers import THREAD_LOCAL, thread_spaces
from heapgraph.analysis.expressions.openings import root_names
from heapgraph.analysis.expressions.suspended_functions import is_suspended
from heapgraph.analysis.leaks.accumulation import CONTENT_SHARE
from heapgraph.analysis.leaks.application_code import (
    ORIGIN_WORDS,
    OWN_OR_UNKNOWN,
)
from heapgraph.analysis.leaks.defining_module import defining_route
from heapgraph.analysis.leaks.exceptions import kept_variable, other_ways
from heapgraph.analysis.leaks.groups import EXIT_CALLBACKS, are_lost
from heapgraph.analysis.leaks.held_also import also_held, held_inside
from heapgraph.analysis.leaks.inside import describe_nested, heavy_part
from heapgraph.analysis.leaks.members import (
    describe_captured,
    describe_members,
    describe_one,
    samples_of,
)
from heapgraph.analysis.leaks.sizes import each_or_average, member_sizes, sizes_in_words
from heapgraph.analysis.leaks.weak_costs import costs_in_words
from heapgraph.analysis.object_rows import share_of_heap
from heapgraph.model import UNREACHABLE, VIRTUAL_ROOT, EdgeKind, RootKind
from heapgraph.units import format_count, format_share, format_size

if TYPE_CHECKING:
    from heapgraph.analysis.ages.verdict import Growth
    from heapgraph.analysis.leaks.accumulation import Content
    from heapgraph.analysis.leaks.candidates import Candidate
    from heapgraph.analysis.leaks.known_leaks import KnownLeak
    from heapgraph.graph.heap_graph import HeapGraph
    from heapgraph.graph.paths import RootPath

_THREAD_TABLE = "threading._active"
_MAX_FUNCTIONS = 3
"""Places in the code that are named; more would hide the sentence they stand in."""

_NEARLY_ALL, _HALF = 0.9, 0.5
"""Share from which on a part is said to be nearly all; of less, the share is said, or "most"."""
_LOOP = re.compile(r"<(event loop of [^>@]+)>")
"""Which module of a library leads to it says nothing."""

_AT_EXIT = "atexit calls them when the program ends, and keeps them until then."


@dataclass(frozen=True)
class Findings:
    """What is known of a suspect when it is put into words.

    Attributes:
        candidate: what was found.
        holder: the named holder; None for a group without one.
        expression: how the holder is reached.
        retained_size: bytes that go with it.
        native_size: how many of them C code has, an estimate.
        inner_type: what members that are tuples or functions are about.
        within: what nearly every member carries, see `inside.carried`.
        known: the pattern it fits.
        growth: what the ages of the members say.
        uses: see `application_code.code_that_uses`.
    """

    candidate: Candidate
    holder: int | None
    expression: str
    retained_size: int
    inner_type: str | None
    within: Content | None
    known: KnownLeak | None
    growth: Growth
    uses: tuple[str, tuple[str, ...]] = ("", ())
    native_size: int = 0


def explain(graph: HeapGraph, findings: Findings) -> str:
    """The paragraph."""
    sentences = [
        _what(graph, findings),
        _weakly(graph, findings),
        _trend(findings.growth),
        _who(graph, findings),
        _where(findings),
    ]
    if findings.expression.startswith(_THREAD_TABLE):
        sentences.append(_thread_functions(graph))
    if findings.known is not None:
        sentences.append(f"A known pattern: {findings.known.name}. {findings.known.advice}")
    return " ".join(sentence for sentence in sentences if sentence)


def _thread_functions(graph: HeapGraph) -> str:
    """The functions of the application in which most threads stand: the outermost of each."""
    outermost: dict[int, str] = {}
    for frame in sorted(graph.frames, key=lambda frame: frame.depth):
        if frame.origin in OWN_OR_UNKNOWN:
            place = f"{frame.function}() at {posixpath.basename(frame.file)}"
            outermost[frame.thread] = place
    places = Counter(outermost.values())
    texts = [
        f"{format_count(count)} in {place}" for place, count in places.most_common(_MAX_FUNCTIONS)
    ]
    rest = sum(count for _, count in places.most_common()[_MAX_FUNCTIONS:])
    more = f", {format_count(rest)} elsewhere" if rest else ""
    return f"Threads stand: {', '.join(texts)}{more}." if texts else ""


def _what(graph: HeapGraph, findings: Findings) -> str:
    """Holder, size and content."""
    candidate = findings.candidate
    share = format_share(share_of_heap(graph, findings.retained_size))
    native = findings.native_size
    size = f"{sizes_in_words(findings.retained_size - native, native)}, {share} of the heap"
    if findings.holder is None:
        return f"{findings.expression} keep {size}: {_content(graph, findings)}."
    holder = f"{findings.expression} ({graph.type_name(findings.holder)}) keeps {size}"
    if text := _by_thread(graph, findings):
        return f"{holder}{text}."
    if candidate.keeper is not None:
        return f"{holder}{_kept(graph, findings, candidate.keeper)}."
    if candidate.kind == "object":
        return f"{holder}{_single(graph, findings)}."
    return f"{holder}: {_content(graph, findings)}."


def _weakly(graph: HeapGraph, findings: Findings) -> str:
    content = findings.candidate.content
    return "" if content is None else costs_in_words(graph, content.members, findings.retained_size)


def _trend(growth: Growth) -> str:
    """What the ages say; nothing where they say nothing."""
    if growth.is_growing:
        return f"It is growing: {growth.evidence}."
    return f"It is not growing ({growth.trend}): {growth.evidence}." if growth.is_steady else ""


def _content(graph: HeapGraph, findings: Findings) -> str:
    content = findings.candidate.content
    if content is None:
        return "a single object"
    count = len(content.members)
    if references := findings.candidate.references:
        noun = "object" if count == 1 else "objects"
        return (
            f"{format_count(references)} references, most of them to {format_count(count)} {noun} "
            f"of type {content.type_name}"
        )
    about = f" (of {findings.inner_type})" if findings.inner_type else ""
    sizes = member_sizes(graph, content, findings.native_size)
    named = describe_members(graph, content.type_name, content.members)
    if named is None and (nested := describe_nested(graph, content)):
        return nested
    if named is None:
        what = f"{format_count(count)} objects of type {content.type_name}{about}"
        inner = findings.within
        with_it = None if inner is None else describe_one(graph, inner.type_name, inner.members)
        part = f", each with {with_it}" if with_it else ""
        middle = int(content.members[count // 2])
        inside = heavy_part(graph, middle, with_size=sizes.are_alike)
        return f"{what}{part}{sizes.text}{inside}"
    most = content.retained_size // count
    first = int(content.members[0])
    inside = describe_captured(graph, first, 2 * most, with_size=sizes.are_alike)
    return f"{named}{_awaited(graph, findings)}{sizes.text}{inside}"


def _awaited(graph: HeapGraph, findings: Findings) -> str:
    """What tasks wait for, where they are held by it."""
    owner, _, attribute = findings.expression.rpartition(".")
    if attribute != "_waiters" or findings.holder is None:
        return ""
    before = int(graph.root_paths.parent[findings.holder])
    if before in (VIRTUAL_ROOT, UNREACHABLE):
        return ""
    kind = graph.type_name(graph.folded.owner_of(before)).rpartition(".")[2]
    return f" waiting for {kind} `{owner.rpartition('.')[2]}`"


def _single(graph: HeapGraph, findings: Findings) -> str:
    """What a holder of one large object holds, when that is not the holder itself."""
    point = findings.candidate.point
    if point == findings.holder:
        return _in_pieces(graph, point, findings.retained_size)
    size = graph.folded.retained_size(point)
    return (
        f", {_part(size, findings.retained_size)} through one {graph.type_name(point)} of"
        f" {format_size(size)} at {expression(graph, point)}"
    )


def _in_pieces(graph: HeapGraph, point: int, retained: int) -> str:
    """What an object keeps by itself, or how large the largest thing is that it keeps."""
    own = graph.folded.shallow_size(point)
    native = own - graph.exact.folded.shallow_size(point)
    if native >= CONTENT_SHARE * retained:
        return f", {_part(native, retained)} in memory of C code"
    if own >= _NEARLY_ALL * retained:
        return " in one piece"
    if own >= CONTENT_SHARE * retained:
        return f", {_part(own, retained)} in one piece"
    inside = format_count(len(graph.dominators.dominated(point)))
    largest = graph.folded.children(point, 1)
    if not largest:
        return f" in {inside} objects"
    size = format_size(graph.folded.retained_size(largest[0]))
    return f" in {inside} objects, the largest of which keeps {size}"


def _part(size: int, whole: int) -> str:
    """How much of something another thing is."""
    share = size / max(whole, 1)
    return "nearly all of it" if share >= _NEARLY_ALL else f"{format_share(share)} of it"


def _kept(graph: HeapGraph, findings: Findings, keeper: int) -> str:
    """Where most of what an exception keeps lies, and what that is."""
    point = findings.candidate.point
    size = graph.folded.retained_size(point)
    what = graph.type_name(point)
    if findings.candidate.content is not None:
        what = f"{what} of {_content(graph, findings)}"
    variable = kept_variable(graph, point, keeper)
    where = f" in `{variable.name}` of {variable.place}" if variable else ""
    if point == keeper and not where:
        return f": {_content(graph, findings)}" if findings.candidate.content else ""
    share = size / findings.retained_size
    part = "nearly all" if share >= _NEARLY_ALL else "most" if share > _HALF else "the largest part"
    return f", {part} of it{where}: {format_size(size)}, a {what}"


def _by_thread(graph: HeapGraph, findings: Findings) -> str:
    """Of a threading.local its heaviest variable, with how many threads have it."""
    holder = findings.holder
    if holder is None or graph.type_name(holder) != THREAD_LOCAL:
        return ""
    sizes: dict[str, list[int]] = {}
    for _, space in thread_spaces(graph, holder):
        for name, value in namespace_entries(graph, space):
            sizes.setdefault(name, []).append(graph.folded.retained_size(value))
    if not sizes:
        return ""
    name, each = max(sizes.items(), key=lambda item: sum(item[1]))
    noun = "thread" if len(each) == 1 else "threads"
    short = f"{findings.expression.rpartition('.')[2]}.{name}"
    part = _part(sum(each), findings.retained_size)
    return f", {part} in `{short}`: {format_count(len(each))} {noun}, {each_or_average(each)}"


def _who(graph: HeapGraph, findings: Findings) -> str:
    """The root that keeps it alive, and whose code that is."""
    keeper = findings.candidate.keeper
    path = graph.root_paths.path_to(findings.candidate.point if keeper is None else keeper)
    if path is None:
        return ""
    root = graph.roots.row(path.root)
    if variable := _variable_of(graph, path):
        return variable
    if root.kind is RootKind.MODULE:
        return _who_of_module(graph, findings, root.name)
    if findings.holder is None:
        return _who_of_group(graph, findings)
    opening = root_names(graph).opening(path.root)
    held = f"{opening.prefix} {opening.head}".strip()
    return _AT_EXIT if held.startswith(f"<{EXIT_CALLBACKS}") else f"It is held by {held}."


def _variable_of(graph: HeapGraph, path: RootPath) -> str:
    """The function of the application that has it in a variable, suspended in a task or so."""
    references = path_references(graph, path)
    for place_on_path in reversed(range(len(references))):
        reference = references[place_on_path]
        if reference.kind is not EdgeKind.LOCAL or not is_suspended(graph, reference.source):
            continue
        # Up to 3.10 what is suspended has a frame object, and this the variables.
        owner = references[max(place_on_path - 1, 0)].source
        owner = owner if is_suspended(graph, owner) else reference.source
        place = place_of(graph, reference.source)
        if place.origin in OWN_OR_UNKNOWN and place.file:
            words = ORIGIN_WORDS[place.origin]
            what = graph.type_name(owner).replace("_", " ")
            opening = write_path(graph, path)
            what = "task" if opening.startswith("<task ") else what
            where = f"{posixpath.basename(place.file)}:{place.line}"
            return f"It is a variable of the {what} {place.name} ({words}, {where})."
        return ""
    return ""


def _who_of_module(graph: HeapGraph, findings: Findings, name: str) -> str:
    holder = findings.holder
    route = None if holder is None else defining_route(graph, holder)
    if route is not None and route.text == findings.expression:
        name = route.module
    module = graph.modules.by_name.get(name)
    origin = graph.modules.origin(name)
    where = f", {module.file}" if module is not None and module.file else ""
    others = _others(graph, findings)
    held = f"the module {name} ({ORIGIN_WORDS[origin]}{where})"
    if loop := _LOOP.match(findings.expression):
        return f"It is held by the {loop[1]}.{others}"
    if findings.holder is not None:
        text = expression(graph, findings.holder) if route is None else route.text
        if text != findings.expression:  # that is how the application reaches it
            return f"It is the application's, and {held} holds it, too: {text}.{others}"
    return f"It is held by {held}.{others}"


def _others(graph: HeapGraph, findings: Findings) -> str:
    """What else holds the members of a group: freeing one holder alone frees nothing."""
    if (keeper := findings.candidate.keeper) is not None:
        names = other_ways(graph, keeper)
        return f" It is also reached as {_listed(names)}, which must let go too." if names else ""
    content, holder = findings.candidate.content, findings.holder
    if holder is None or content is None:
        return ""
    if findings.candidate.group is None:
        return held_inside(graph, content.members, holder)
    return also_held(graph, content.members, holder, findings.retained_size)


def _listed(names: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _who_of_group(graph: HeapGraph, findings: Findings) -> str:
    if findings.candidate.kind == "threads":
        return "They are variables of functions that are still running."
    group = findings.candidate.group
    if group is not None and group.expression.startswith(f"<{EXIT_CALLBACKS}"):
        return _AT_EXIT
    content = findings.candidate.content
    is_held = findings.candidate.kind == "c-held"
    if is_held and content is not None and are_lost(graph, content.members):
        return _lost(graph, content)
    if findings.candidate.kind == "interned" and content is not None:
        samples = samples_of(graph, content.members)
        return f"Nothing but the table of interned strings holds them{samples}."
    waits = group is not None and group.waits_in_greenlets
    if content is not None and re.fullmatch(EVENT_LOOP_TYPES, content.type_name):
        waits = True
    if is_held and not waits:
        return "More references to each are counted than were found: C code holds the others."
    return "No single object holds them."


def _lost(graph: HeapGraph, content: Content) -> str:
    """Objects that are counted, and that nothing was found to refer to."""
    return (
        f"{format_count(len(content.members))} lost {content.type_name}"
        f"{samples_of(graph, content.members)}: nothing refers to them, and each is still counted"
        " as if something did."
    )


def _where(findings: Findings) -> str:
    name, texts = findings.uses
    if not texts:
        return ""
    shown = ", ".join(texts[:_MAX_FUNCTIONS])
    return f"Code that uses `{name}`: {shown}{_and_more(len(texts))}."


def _and_more(count: int) -> str:
    """What a list of functions that is cut leaves out."""
    return f" and {format_count(count - _MAX_FUNCTIONS)} more" if count > _MAX_FUNCTIONS else ""
