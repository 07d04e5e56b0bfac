"""The numbers of the Memory protocol over a class's own `read`."""

from __future__ import annotations


class WordReader:
    """Little-endian numbers out of what `read` returns."""

    def read(self, address: int, size: int) -> bytes:
        """Return bytes; each memory of the tests has its own."""
        raise LookupError(f"no memory at {address:#x} ({size} bytes)")

    def u64(self, address: int) -> int:
        """Return eight bytes as a number."""
        return int.from_bytes(self.read(address, 8), "little")

    def u32(self, address: int) -> int:
        """Return four bytes as a number."""
        return int.from_bytes(self.read(address, 4), "little")

    def i32(self, address: int) -> int:
        """Return four bytes as a signed number."""
        return int.from_bytes(self.read(address, 4), "little", signed=True)

    def u8(self, address: int) -> int:
        """Return one byte as a number."""
        return self.read(address, 1)[0]
