"""What one heap profile has more than another: `python -m heapgraph.export.pprof_delta OLD NEW`.

A program of its own, for whoever serves profiles and has to stay small: it reads two files that are
whole, and writes one.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from heapgraph.errors import HeapgraphError
from heapgraph.export.profiles.messages import MAX_PROFILE_BYTES, new_profile, packed, unpacked
from heapgraph.snapshot.pending_file import write_whole

if TYPE_CHECKING:
    from collections.abc import Iterator

_Key = tuple[tuple[str, str], ...]
"""A stack: function and file of each place, the leaf first."""


def subtract_profiles(old: Any, new: Any) -> Any:  # noqa: ANN401 - see `new_profile`
    """NEW minus OLD, stack by stack; negative where something went. Equal stacks are left out.

    Stacks are the same when all their functions and files are: lines may have moved.

    Args:
        old: a profile.
        new: one with the same kinds of values.

    Returns:
        A profile with the time of `new`, and the time between the two as its duration.

    Raises:
        HeapgraphError: their values are not of the same kinds.
    """
    kinds = [_kinds(profile) for profile in (old, new)]
    if kinds[0] != kinds[1]:
        raise HeapgraphError(
            "the two profiles cannot be subtracted",
            f"one has {', '.join(kinds[0]) or 'nothing'}, the other {', '.join(kinds[1])}",
            "take two profiles of heapgraph",
        )
    values: dict[_Key, list[int]] = {}
    lines: dict[tuple[str, str], int] = {}
    for profile, sign in ((old, -1), (new, 1)):
        for key, numbers in _stacks(profile, lines):
            held = values.setdefault(key, [0] * len(kinds[0]))
            values[key] = [a + sign * b for a, b in zip(held, numbers, strict=True)]
    return _written({key: held for key, held in values.items() if any(held)}, lines, old, new)


def _kinds(profile: Any) -> list[str]:  # noqa: ANN401 - see `new_profile`
    return [
        f"{_string(profile, one.type)}/{_string(profile, one.unit)}" for one in profile.sample_type
    ]


def _string(profile: Any, row: int) -> str:  # noqa: ANN401 - see `new_profile`
    """A text of the table; "" for a row that it does not have."""
    return profile.string_table[row] if 0 <= row < len(profile.string_table) else ""


def _stacks(
    profile: Any,  # noqa: ANN401 - see `new_profile`
    lines: dict[tuple[str, str], int],
) -> Iterator[tuple[_Key, list[int]]]:
    """Each stack with its values; lines of functions are put into `lines`."""
    functions = {}
    for one in profile.function:
        functions[one.id] = _string(profile, one.name), _string(profile, one.filename)
        lines[functions[one.id]] = one.start_line
    unknown = ("?", "")
    locations = {
        one.id: [functions.get(line.function_id, unknown) for line in one.line]
        for one in profile.location
    }
    kinds = len(profile.sample_type)
    for sample in profile.sample:
        key = tuple(place for one in sample.location_id for place in locations.get(one, [unknown]))
        if len(sample.value) == kinds:
            yield key, list(sample.value)


def _written(
    values: dict[_Key, list[int]],
    lines: dict[tuple[str, str], int],
    old: Any,  # noqa: ANN401 - see `new_profile`
    new: Any,  # noqa: ANN401 - see `new_profile`
) -> Any:  # noqa: ANN401 - see `new_profile`
    profile = new_profile()
    profile.CopyFrom(new)
    for field in ("sample", "location", "function"):
        profile.ClearField(field)
    texts = list(map(str, profile.string_table))
    rows = {text: row for row, text in reversed(list(enumerate(texts)))}
    numbers: dict[tuple[str, str], int] = {}

    def row(text: str) -> int:
        if text not in rows:
            rows[text] = len(texts)
            texts.append(text)
        return rows[text]

    for key, held in values.items():
        ids = [numbers.setdefault(place, len(numbers) + 1) for place in key]
        profile.sample.add(location_id=ids, value=held)
    mapping = profile.mapping[0].id if profile.mapping else 0
    for place, number in numbers.items():
        line = lines.get(place, 0)
        profile.function.add(id=number, name=row(place[0]), filename=row(place[1]), start_line=line)
        location = profile.location.add(id=number, mapping_id=mapping)
        location.line.add(function_id=number, line=line)
    del profile.string_table[:]
    profile.string_table.extend(texts)
    profile.duration_nanos = max(0, new.time_nanos - old.time_nanos)
    return profile


def _read(path: Path) -> Any:  # noqa: ANN401 - see `new_profile`
    try:
        with path.open("rb") as file:
            content = file.read(MAX_PROFILE_BYTES + 1)
    except OSError as failure:
        raise HeapgraphError(
            f"cannot read {path}", failure.strerror or "unknown", f"look at it: ls -l {path}"
        ) from failure
    return unpacked(content, str(path))


@click.command()
@click.argument("old", type=click.Path(path_type=Path))
@click.argument("new", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True)
@click.option("--force", is_flag=True, help="Overwrite the output.")
def main(old: Path, new: Path, output: Path, force: bool) -> None:
    """Write what the profile NEW has more than OLD, stack by stack."""
    try:
        content = packed(subtract_profiles(_read(old), _read(new)))
        write_whole(output, content, force=force)
    except HeapgraphError as failure:
        what, cause, hint = failure.parts()
        click.echo(f"error: {what}\ncause: {cause}\nnext:  {hint}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
