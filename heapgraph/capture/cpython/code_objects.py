"""What a frame needs to know of the code it runs: names, sizes and the current line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from heapgraph.capture.cpython.line_tables import line_decoder
from heapgraph.capture.process.memory import UnreadableMemory
from heapgraph.source_files import MAX_CHARACTERS, kept

if TYPE_CHECKING:
    from heapgraph.capture.cpython.objects import ObjectReader

_MAX_VARIABLES = 65_536  # an oparg with one EXTENDED_ARG; CPython itself allows more
_MAX_STACK = 65_536


@dataclass(frozen=True, slots=True)
class CodeObject:
    """The parts of a code object that explain a frame.

    Attributes:
        address: of the code object.
        function: its qualified name (3.11+), or plain name.
        file: co_filename.
        first_line: co_firstlineno.
        variables: names of the slots before the evaluation stack: locals, cells, free variables.
        stack_size: slots of the evaluation stack.
        line_table: in the format of the version.
    """

    address: int
    function: str
    file: str
    first_line: int
    variables: tuple[str, ...]
    stack_size: int
    line_table: bytes


class CodeReader:
    """Reads each code object, and each line, once.

    Args:
        reader: reads the target's memory.
    """

    def __init__(self, reader: ObjectReader) -> None:
        """Nothing is read yet."""
        self._reader = reader
        self._code_objects: dict[int, CodeObject] = {}
        self._lines: dict[tuple[int, int], int] = {}
        self._find_line = line_decoder(reader.kinds.line_table)

    def read(self, address: int) -> CodeObject:
        """Return the code object at an address.

        Raises:
            UnreadableMemory: there is none.
        """
        code = self._code_objects.get(address)
        if code is None:
            code = self._code_objects[address] = self._read(address)
        return code

    def line(self, code: CodeObject, offset: int) -> int:
        """Return the line of a bytecode offset (bytes), 0 when the compiler recorded none."""
        key = code.address, offset
        line = self._lines.get(key)
        if line is None:
            line = self._find_line(code.line_table, code.first_line, offset) or 0
            self._lines[key] = line = line if 0 <= line < 1 << 32 else 0
        return line

    def _read(self, address: int) -> CodeObject:
        reader = self._reader
        if reader.type_name(reader.type_address(address)) != "code":
            raise UnreadableMemory(f"no code object at {address:#x}")
        fields = reader.fields
        name = "code.qualname" if "code.qualname" in fields else "code.name"
        table = "code.linetable" if "code.linetable" in fields else "code.lnotab"
        stack_size = reader.number(address, "code.stacksize")
        if not 0 <= stack_size <= _MAX_STACK:
            raise UnreadableMemory(f"the code at {address:#x} claims a stack of {stack_size}")
        return CodeObject(
            address,
            kept(reader.read_str(reader.word(address, name), MAX_CHARACTERS + 1)),
            kept(reader.read_str(reader.word(address, "code.filename"), MAX_CHARACTERS + 1)),
            reader.number(address, "code.firstlineno"),
            self._variables(address),
            stack_size,
            reader.read_bytes(reader.word(address, table)),
        )

    def _variables(self, address: int) -> tuple[str, ...]:
        """Names in the order of the frame's slots; since 3.11 one tuple has them all."""
        reader = self._reader
        tuples = ["code.localsplusnames"]
        if tuples[0] not in reader.fields:
            tuples = ["code.varnames", "code.cellvars", "code.freevars"]
        return tuple(
            reader.read_str(name)
            for field in tuples
            for name in reader.iter_tuple(reader.word(address, field), _MAX_VARIABLES)
        )
