"""One parameter of a question: what it may be, how it is read from text, where it is refused."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from operator import index
from typing import Any

from heapgraph.errors import UsageError
from heapgraph.safe_text import begun

MOST = 2**31 - 1
"""Of rows, paths and process ids; no list that is longer is of use to anybody."""

MAX_BYTES = 2**63 - 1

# Python also takes the digits of other scripts, underscores and spaces for a number.
_WHOLE = re.compile(r"[+-]?[0-9]{1,20}", re.ASCII)
_SHOWN_CHARACTERS = 40


class Kind(Enum):
    """What a value is; the text is what a person is told to give."""

    OBJECT = "an object id, or an OBJECT text"
    TYPE = "the qualified name of a type"
    COUNT = "a whole number"
    BYTES = "a whole number of bytes"
    SECONDS = "a number of seconds above 0"
    FLAG = "true or false"
    CHOICE = "one of the names"
    TEXT = "a text"
    NAMES = "names with commas between"
    SNAPSHOT = "a snapshot, or its file"


PLACEHOLDERS = {
    Kind.OBJECT: "OBJECT",
    Kind.TYPE: "TYPE",
    Kind.COUNT: "N",
    Kind.BYTES: "BYTES",
    Kind.SECONDS: "SECONDS",
    Kind.NAMES: "NAMES",
    Kind.SNAPSHOT: "FILE",
}
"""What stands for a value in a usage line; else the parameter's name in capitals."""


@dataclass(frozen=True)
class Parameter:
    """One named parameter of a question.

    Attributes:
        name: as the function and the Python interface call it.
        kind: what a value is.
        help: what it says, as a phrase without a full stop, e.g. "how many types to list".
        default: when it is not given; None where the function decides, e.g. all rows.
        required: there is no default.
        many: any number of values, passed on as a tuple.
        is_argument: on the command line it is named by its position and has to be given.
        minimum: the least COUNT or BYTES.
        choices: of a CHOICE.
        option: on the command line, where it is not `--name`.
        placeholder: stands for the value in usage lines, where the kind's is not used.
        printed_default: the default of a command that prints text; as JSON it then has all.
        default_text: the default in words, where the value does not say it.
    """

    name: str
    kind: Kind
    help: str
    default: object = None
    required: bool = False
    many: bool = False
    is_argument: bool = False
    minimum: int = 1
    choices: tuple[str, ...] = ()
    option: str = ""
    placeholder: str = ""
    printed_default: int | None = None
    default_text: str = ""

    @property
    def option_name(self) -> str:
        """The option of the command line, `--min-size`."""
        return self.option or f"--{self.name.replace('_', '-')}"

    @property
    def metavar(self) -> str:
        """What stands for a value in a usage line."""
        if self.placeholder:
            return self.placeholder
        if self.kind is Kind.CHOICE:
            return f"[{', '.join(self.choices)}]"
        return PLACEHOLDERS.get(self.kind, self.name.upper())

    @property
    def maximum(self) -> int:
        """The most COUNT or BYTES."""
        return MAX_BYTES if self.kind is Kind.BYTES else MOST

    @property
    def worded_default(self) -> str:
        """The default for people; empty where leaving it away says nothing."""
        if self.printed_default is not None:
            return f"{self.printed_default}, or all as JSON"
        if self.default_text:
            return self.default_text
        has_number = self.kind in (Kind.COUNT, Kind.BYTES, Kind.SECONDS)
        if has_number and isinstance(self.default, int | float):
            return f"{self.default:g}"
        return str(self.default) if self.kind is Kind.CHOICE and self.default else ""

    def parse(self, text: str, *, asked_as: str = "") -> Any:  # noqa: ANN401 - by the kind
        """One value from the text that a person typed, checked.

        Args:
            text: as it was typed.
            asked_as: how the person names the parameter; else as Python does.

        Raises:
            UsageError: it is no value of this kind, or out of range.
        """
        value: Any = text
        if self.kind in (Kind.COUNT, Kind.BYTES):
            if not is_whole_number(text):
                raise self._refusal(text, "is not a valid integer", asked_as)
            value = int(text)
        elif self.kind is Kind.SECONDS:
            try:
                value = float(text if text.isascii() else "")
            except ValueError:
                raise self._refusal(text, "is not a valid number", asked_as) from None
        elif self.kind is Kind.FLAG:
            if text not in ("yes", "no"):
                raise self._refusal(text, "is neither yes nor no", asked_as)
            value = text == "yes"
        return self._checked(value, asked_as)

    def check(self, value: Any) -> Any:  # noqa: ANN401 - by the kind
        """A value of a program as the function gets it.

        Raises:
            UsageError: it is no value of this kind, or out of range.
        """
        has_none = self.default is None or self.printed_default is not None
        if value is None and has_none and not self.required:
            return () if self.many else None
        if not self.many:
            return self._checked(value, "")
        # One text is no list of its letters, and one snapshot no list at all.
        single = isinstance(value, str) or not isinstance(value, Sequence)
        values = (value,) if single else value
        if self.required and not values:
            raise UsageError(
                f"no {self.name.removesuffix('s')} was given",
                f"{self.name} is {self.help}",
                "name at least one",
            )
        return tuple(self._checked(part, "") for part in values)

    def _checked(self, value: Any, asked_as: str) -> Any:  # noqa: ANN401 - by the kind
        """One value, if it is allowed."""
        if self.kind in (Kind.COUNT, Kind.BYTES):
            return self._whole(value, asked_as)
        if self.kind is Kind.SECONDS:
            return self._seconds(value, asked_as)
        if self.kind is Kind.OBJECT and _is_whole(value):
            return index(value)
        if self.kind is Kind.NAMES:
            names = value.split(",") if isinstance(value, str) else value
            return tuple(name.strip() for name in names if name.strip())
        if self.kind is Kind.SNAPSHOT:
            return os.fspath(value) if isinstance(value, os.PathLike) else value
        if self.kind is Kind.FLAG:
            if not isinstance(value, bool):
                raise self._refusal(value, "is neither True nor False", asked_as)
        elif not isinstance(value, str):
            raise self._refusal(value, f"is not {self.kind.value}", asked_as)
        elif self.kind is Kind.CHOICE and value not in self.choices:
            raise self._refusal(value, f"is none of {', '.join(self.choices)}", asked_as)
        return value

    def _whole(self, value: Any, asked_as: str) -> int:  # noqa: ANN401 - whatever was given
        if not _is_whole(value):
            raise self._refusal(value, "is not a valid integer", asked_as)
        number, least, most = index(value), self.minimum, self.maximum
        if not least <= number <= most:
            raise self._refusal(value, f"is not in the range {least}<=x<={most}", asked_as)
        return number

    def _seconds(self, value: object, asked_as: str) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._refusal(value, "is not a valid number", asked_as)
        if value <= 0:
            raise self._refusal(value, "is not in the range x>0", asked_as)
        if not math.isfinite(value):  # NaN is in every range, and infinity no limit
            raise self._refusal(value, "is no number of seconds", asked_as)
        return float(value)

    def _refusal(self, value: object, why: str, asked_as: str) -> UsageError:
        """The same three parts wherever the value came from; the last as that place writes it."""
        word = self.name.replace("_", " ")
        article = "an" if word[0] in "aeiou" else "a"
        example = f"{asked_as} {self.metavar}" if asked_as else f"{self.name}={self.metavar}"
        return UsageError(
            f"{article} {word} of {shown_value(value)} {why}",
            f"{asked_as or self.name} has to be {self._expected()}",
            f"{example}: {self.help}",
        )

    def _expected(self) -> str:
        if self.kind in (Kind.COUNT, Kind.BYTES):
            return f"{self.kind.value}, {self.minimum} or more"
        if self.kind is Kind.CHOICE:
            return f"one of {', '.join(self.choices)}"
        return str(self.kind.value)


def check_values(
    name: str, parameters: Iterable[Parameter], values: Mapping[str, object]
) -> dict[str, Any]:
    """Values as a function gets them.

    Args:
        name: of what takes them.
        parameters: that it has.
        values: by the names of parameters.

    Raises:
        UsageError: an unknown name, a value that is not allowed, or a missing one.
    """
    known = {parameter.name: parameter for parameter in parameters}
    if unknown := values.keys() - known.keys():
        raise UsageError(
            f"{name} has no parameter {', '.join(sorted(unknown))}",
            "the name is misspelled, or it belongs to something else",
            "one of: " + (", ".join(sorted(known)) or "none, it has no parameters"),
        )
    if missing := [one for one in known.values() if one.required and one.name not in values]:
        raise UsageError(
            f"{name} needs {', '.join(sorted(one.name for one in missing))}",
            "it was not given",
            f"{missing[0].name}={missing[0].metavar}: {missing[0].help}",
        )
    return {key: known[key].check(value) for key, value in values.items()}


def is_whole_number(text: str) -> bool:
    """Whether a text is a whole number in ASCII digits, and not endless."""
    return _WHOLE.fullmatch(text) is not None


def shown_value(value: object) -> str:
    """A value as errors show it: texts quoted, of long ones the beginning."""
    text = begun(str(value), _SHOWN_CHARACTERS)
    return repr(text) if isinstance(value, str) else text


def _is_whole(value: object) -> bool:
    """Whether Python can count with it; numpy's numbers are, booleans are not."""
    return hasattr(value, "__index__") and not isinstance(value, bool)
