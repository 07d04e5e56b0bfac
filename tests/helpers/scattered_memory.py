"""Memory that makes no sense, for code that must survive it."""

from __future__ import annotations

import random
import struct

from heapgraph.capture.process.memory import UnreadableMemory
from helpers.word_reader import WordReader

_WORDS = 4096
_LARGEST_READ = 1 << 26


class ScatteredMemory(WordReader):
    """Every address can be read, and holds words by chance: addresses, small numbers, any bits.

    The same address always holds the same word, so a chain can lead in a circle.
    """

    def __init__(self, seed: int) -> None:
        chance = random.Random(seed)
        kinds = (
            lambda: 0,
            lambda: chance.randrange(64),
            lambda: chance.randrange(_WORDS) * 8,
            lambda: chance.getrandbits(64),
        )
        words = [chance.choice(kinds)() for _ in range(_WORDS)]
        self._content = struct.pack(f"<{_WORDS}Q", *words)

    def read(self, address: int, size: int) -> bytes:
        if not 0 <= address < 1 << 47 or not 0 <= size <= _LARGEST_READ:
            raise UnreadableMemory(f"{address:#x} is not mapped")
        start = address % len(self._content)
        repeated = self._content * ((start + size) // len(self._content) + 1)
        return repeated[start : start + size]

    def cstring(self, address: int, limit: int = 256) -> str:
        return self.read(address, limit).split(b"\0")[0].decode(errors="replace")
