"""The zip around the tables: where each member's bytes lie in the file.

A snapshot stores its members uncompressed, so that the range of a member can be mapped and read in
place. Everything else a zip can be (compressed, encrypted, split, overlapping) is refused.
"""

from __future__ import annotations

import struct
import zipfile
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, cast

if TYPE_CHECKING:
    import mmap
    from collections.abc import Collection, Iterable

_LOCAL_HEADER = struct.Struct("<4s5H3I2H")
_LOCAL_SIGNATURE = b"PK\x03\x04"
_ENCRYPTED = 1

_DIRECTORY_ERRORS = (
    zipfile.BadZipFile,
    NotImplementedError,
    ValueError,  # also text that is no UTF-8, and a seek to before the file
    OverflowError,
    MemoryError,  # a damaged length that asks for everything
    IndexError,
    OSError,
    struct.error,
)
"""What the zipfile module lets out when the directory of a file is damaged."""


class ArchiveError(Exception):
    """The file is not a zip of stored members.

    Args:
        problem: what is wrong.
        member: the member it is wrong with, "" for the archive itself.
    """

    def __init__(self, problem: str, member: str = "") -> None:
        """Keep the member's name apart."""
        super().__init__(problem)
        self.member = member


@dataclass(frozen=True, slots=True)
class MemberRange:
    """Where a member's bytes lie, and the checksum the directory has for them."""

    name: str
    start: int
    size: int
    crc32: int


def read_directory(image: mmap.mmap, wanted: Collection[str]) -> list[zipfile.ZipInfo]:
    """Read the entries of members from the directory at the end of the archive.

    Args:
        image: the mapped file.
        wanted: their names; one that is not there is left out, all others are ignored.

    Raises:
        ArchiveError: there is no directory, or it is damaged.
    """
    try:
        with zipfile.ZipFile(cast("IO[bytes]", image)) as archive:  # it only reads and seeks
            return [info for info in archive.infolist() if info.filename in wanted]
    except _DIRECTORY_ERRORS as error:
        raise ArchiveError(str(error) or type(error).__name__) from error


def locate_members(image: mmap.mmap, infos: Iterable[zipfile.ZipInfo]) -> dict[str, MemberRange]:
    """Find where the bytes of members lie.

    Args:
        image: the mapped file.
        infos: their entries in the directory.

    Raises:
        ArchiveError: a member is not stored plainly inside the file, or is there twice.
    """
    members: dict[str, MemberRange] = {}
    end_of_last = 0
    for info in sorted(infos, key=lambda info: info.header_offset):
        if info.filename in members:
            raise ArchiveError("it is there twice", info.filename)
        member = _locate(image, info)
        if info.header_offset < end_of_last:
            raise ArchiveError("it overlaps another member", info.filename)
        end_of_last = member.start + member.size
        members[info.filename] = member
    return members


def _locate(image: mmap.mmap, info: zipfile.ZipInfo) -> MemberRange:
    name = info.filename
    if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size:
        raise ArchiveError("it is compressed, which no heapgraph does", name)
    if info.flag_bits & _ENCRYPTED:
        raise ArchiveError("it is encrypted, which no heapgraph does", name)
    header_end = info.header_offset + _LOCAL_HEADER.size
    if info.header_offset < 0 or header_end > len(image):
        raise ArchiveError("it lies outside the file", name)
    header = _LOCAL_HEADER.unpack(image[info.header_offset : header_end])
    name_length, extra_length = header[-2:]
    stored_name = image[header_end : header_end + name_length]
    if header[0] != _LOCAL_SIGNATURE or stored_name != name.encode("utf-8", "replace"):
        raise ArchiveError("its header is damaged", name)
    start = header_end + name_length + extra_length
    if start + info.file_size > len(image):
        raise ArchiveError("it lies outside the file", name)
    return MemberRange(name, start, info.file_size, info.CRC)
