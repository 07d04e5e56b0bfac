"""How `heapgraph memory` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heapgraph.cli.output import count_left_out, note, print_table, say
from heapgraph.cli.questions import Layout
from heapgraph.model import NATIVE_KIND_NAMES, NativeKind
from heapgraph.units import format_count, format_share, format_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heapgraph.analysis.memory import LargeBlock, MemoryAccount, MemoryReport
    from heapgraph.analysis.resident.native import NativeOwner
    from heapgraph.cli.questions import Asked


def print_memory(report: MemoryReport, asked: Asked) -> None:
    """The account, then large blocks and arenas."""
    del asked
    print_account(report)
    _print_native_owners(report)
    _print_large_blocks(report)
    _print_arenas(report)


def print_account(account: MemoryAccount, *, with_parts: bool = True) -> None:
    """Print the sum beside the kernel's figure, and the verdict."""
    print_table(
        (("size", "right"), ("share", "right"), ("resident memory", "left")),
        account_rows(account, with_parts=with_parts),
    )
    say()
    say(f"verdict: {account.verdict}. {account.reason}")


def account_rows(account: MemoryAccount, *, with_parts: bool) -> Iterator[tuple[str, str, str]]:
    """The groups with their parts, and the sum."""
    for group in account.groups:
        yield format_size(group.size), format_share(group.share), group.name
        parts = [part for part in account.parts if part.group == group.name]
        if with_parts and len(parts) > 1:
            yield from (("", "", f"  {format_size(p.size)} {p.name}") for p in parts)
        elif with_parts and parts:
            yield "", "", f"  {parts[0].name}"
    yield (
        format_size(account.accounted_size),
        "",
        f"sum; the kernel says {format_size(account.rss)}",
    )


def _print_native_owners(report: MemoryReport) -> None:
    if not report.native_owners:
        return
    say()
    print_table(
        (("size", "right"), ("count", "right"), ("owner", "left"), ("held by", "left")),
        (
            (
                format_size(owner.size),
                format_count(owner.count),
                _owner(owner),
                _holder(owner),
            )
            for owner in report.native_owners
        ),
        title="who leads to memory of C code (estimates; without an object, counts are of blocks)",
    )
    count_left_out(report.native_owners_left_out, "owners of memory of C code")


def _owner(owner: NativeOwner) -> str:
    """Whose it is; what several kinds of objects lead to may be of any of them."""
    if not owner.types:
        return f"({owner.kind})"
    return f"{owner.types_in_words}{' (shared, doubtful)' if owner.is_doubtful else ''}"


def _holder(owner: NativeOwner) -> str:
    """What holds it; what no holder has is said to be held by what has most of its owners."""
    shared = NATIVE_KIND_NAMES[NativeKind.SHARED]
    return f"mostly {owner.holder}" if owner.kind == shared and owner.holder else owner.holder


def _print_large_blocks(report: MemoryReport) -> None:
    if not report.large_blocks:
        return
    say()
    print_table(
        (("in memory", "right"), ("of", "right"), ("kind", "left"), ("what", "left")),
        (
            (format_size(b.size), format_size(b.reserved_size), b.kind, _what(b))
            for b in report.large_blocks
        ),
        title="heaps, large blocks and mappings",
    )
    count_left_out(report.large_blocks_left_out, "heaps, large blocks and mappings")


def _what(block: LargeBlock) -> str:
    if block.object is None:
        return block.name or f"at {block.address:#x}"
    return f"of {block.type} @{block.object}"


def _print_arenas(report: MemoryReport) -> None:
    totals = report.arenas
    if not totals.count:
        note("no arenas of pymalloc: the target uses another allocator for small objects")
        return
    say()
    share = totals.used_size / totals.size if totals.size else 0.0
    print_table(
        (
            ("block", "right"),
            ("pools", "right"),
            ("used", "right"),
            ("free", "right"),
            ("free bytes", "right"),
        ),
        (
            (
                format_size(row.block_size),
                format_count(row.pools),
                format_count(row.used_blocks),
                format_count(row.free_blocks),
                format_size(row.free_size),
            )
            for row in report.size_classes
        ),
        title=f"{format_count(totals.count)} arenas of pymalloc, {format_size(totals.size)}, "
        f"{format_share(share)} in use",
    )
    count_left_out(report.size_classes_left_out, "sizes of blocks")
    if not totals.nearly_empty:
        return
    say()
    print_table(
        (
            ("objects", "right"),
            ("size", "right"),
            ("arenas", "right"),
            ("type", "left"),
            ("held by", "left"),
        ),
        (
            (
                format_count(pin.count),
                format_size(pin.size),
                format_count(pin.arenas),
                pin.type,
                pin.holder,
            )
            for pin in report.pins
        ),
        title=f"{format_count(totals.nearly_empty)} arenas are nearly empty: "
        f"{format_size(totals.pinning_size)} in {format_count(totals.pinning_blocks)} blocks keep "
        f"{format_size(totals.nearly_empty_size)}",
    )
    count_left_out(report.pins_left_out, "types in them")
    say()
    print_table(
        (
            ("arena", "left"),
            ("size", "right"),
            ("in use", "right"),
            ("blocks", "right"),
            ("objects", "right"),
            ("for example", "left"),
        ),
        (
            (
                f"{row.address:#x}",
                format_size(row.size),
                format_size(row.used_size),
                format_count(row.used_blocks),
                format_count(row.objects),
                row.expression,
            )
            for row in report.nearly_empty
        ),
    )
    count_left_out(report.nearly_empty_left_out, "arenas that are nearly empty")


LAYOUT = Layout(print_memory)
