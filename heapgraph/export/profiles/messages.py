"""The messages of a pprof file: google/pprof's profile.proto, described by its field numbers.

The numbers and types are the published format (proto/profile.proto of github.com/google/pprof);
fields that are not written here are left out, and kept by who reads a file and writes it again.
"""

from __future__ import annotations

import gzip
import zlib
from functools import cache
from typing import Any

from heapgraph.errors import HeapgraphError

MAX_PROFILE_BYTES = 64 * 2**20
"""Unpacked; ours have less than one MiB."""

_PACKAGE = "heapgraph.pprof"
_INT64, _UINT64, _BOOL, _STRING, _MESSAGE = 3, 4, 8, 9, 11
_ONE, _MANY = 1, 3
"""Types and labels, as FieldDescriptorProto numbers them."""

_MESSAGES: dict[str, tuple[tuple[str, int, int | str, int], ...]] = {
    "ValueType": (("type", 1, _INT64, _ONE), ("unit", 2, _INT64, _ONE)),
    "Label": (
        ("key", 1, _INT64, _ONE),
        ("str", 2, _INT64, _ONE),
        ("num", 3, _INT64, _ONE),
        ("num_unit", 4, _INT64, _ONE),
    ),
    "Sample": (
        ("location_id", 1, _UINT64, _MANY),
        ("value", 2, _INT64, _MANY),
        ("label", 3, "Label", _MANY),
    ),
    "Mapping": (
        ("id", 1, _UINT64, _ONE),
        ("filename", 5, _INT64, _ONE),
        ("has_functions", 7, _BOOL, _ONE),
        ("has_filenames", 8, _BOOL, _ONE),
        ("has_line_numbers", 9, _BOOL, _ONE),
    ),
    "Line": (("function_id", 1, _UINT64, _ONE), ("line", 2, _INT64, _ONE)),
    "Location": (
        ("id", 1, _UINT64, _ONE),
        ("mapping_id", 2, _UINT64, _ONE),
        ("address", 3, _UINT64, _ONE),
        ("line", 4, "Line", _MANY),
    ),
    "Function": (
        ("id", 1, _UINT64, _ONE),
        ("name", 2, _INT64, _ONE),
        ("system_name", 3, _INT64, _ONE),
        ("filename", 4, _INT64, _ONE),
        ("start_line", 5, _INT64, _ONE),
    ),
    "Profile": (
        ("sample_type", 1, "ValueType", _MANY),
        ("sample", 2, "Sample", _MANY),
        ("mapping", 3, "Mapping", _MANY),
        ("location", 4, "Location", _MANY),
        ("function", 5, "Function", _MANY),
        ("string_table", 6, _STRING, _MANY),
        ("time_nanos", 9, _INT64, _ONE),
        ("duration_nanos", 10, _INT64, _ONE),
        ("period_type", 11, "ValueType", _ONE),
        ("period", 12, _INT64, _ONE),
        ("comment", 13, _INT64, _MANY),
        ("default_sample_type", 14, _INT64, _ONE),
    ),
}
"""Name, number, type and label of each field; all repeated numbers are packed."""


@cache
def _profile_class() -> type[Any]:
    from google.protobuf import (  # noqa: PLC0415 - loaded when a profile is made
        descriptor_pb2,
        descriptor_pool,
        message_factory,
    )

    file = descriptor_pb2.FileDescriptorProto(
        name="heapgraph/pprof.proto", package=_PACKAGE, syntax="proto3"
    )
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, number, kind, label in fields:
            added = message.field.add(name=field, number=number, label=label)
            if isinstance(kind, str):
                added.type, added.type_name = _MESSAGE, f".{_PACKAGE}.{kind}"
            else:
                added.type = kind
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file) if hasattr(pool, "Add") else pool.AddSerializedFile(file.SerializeToString())
    found: type[Any] = message_factory.GetMessageClass(
        pool.FindMessageTypeByName(f"{_PACKAGE}.Profile")
    )
    return found


def new_profile() -> Any:  # noqa: ANN401 - classes made at run time have no types
    """An empty Profile message."""
    return _profile_class()()


def packed(profile: Any) -> bytes:  # noqa: ANN401 - see `new_profile`
    """A profile as the bytes of a file: gzipped, the same for the same profile."""
    return gzip.compress(profile.SerializeToString(deterministic=True), 6, mtime=0)


def unpacked(content: bytes, name: str) -> Any:  # noqa: ANN401 - see `new_profile`
    """A profile from the bytes of a file, which anybody may have written.

    Args:
        content: of the file.
        name: of the file, for errors.

    Raises:
        HeapgraphError: it is no profile, or a larger one than heapgraph writes.
    """
    from google.protobuf.message import DecodeError  # noqa: PLC0415 - as above

    try:
        unzip = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        data = unzip.decompress(content, MAX_PROFILE_BYTES + 1)
        if len(data) > MAX_PROFILE_BYTES:
            raise _refusal(name, f"it has more than {MAX_PROFILE_BYTES} bytes unpacked")
        if not unzip.eof:
            raise _refusal(name, "it ends too early")
        profile = new_profile()
        profile.ParseFromString(data)
    except (zlib.error, DecodeError) as failure:
        raise _refusal(name, "it is no gzipped profile.proto") from failure
    return profile


def _refusal(name: str, cause: str) -> HeapgraphError:
    return HeapgraphError(
        f"cannot read the profile {name}",
        cause,
        "write one: heapgraph export FILE --format pprof -o NAME.pb.gz",
    )
