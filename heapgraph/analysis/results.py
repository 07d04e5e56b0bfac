"""What every result of an analysis can do: become a dict, an Arrow table, a pandas frame, HTML."""

from __future__ import annotations

from dataclasses import field, fields, is_dataclass
from html import escape
from typing import TYPE_CHECKING, Any, ClassVar

from heapgraph.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


def hidden(default: int = 0) -> Any:  # noqa: ANN401 - stands in for a default of any type
    """Default of a field that words a result for people and is no part of the JSON document."""
    return field(default=default, metadata={"hidden": True})


def plain(value: Any) -> Any:  # noqa: ANN401 - any part of a result
    """A result or a part of one as dicts, lists, numbers and text, ready for JSON.

    Dataclasses become dicts of their fields in declared order, without the `hidden` ones.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {
            part.name: plain(getattr(value, part.name))
            for part in fields(value)
            if not part.metadata.get("hidden")
        }
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    return value


class Result:
    """Base of the frozen results; the fields of the dataclass are the keys of the JSON document."""

    def to_dict(self) -> dict[str, Any]:
        """The result as the JSON document of the command line; sizes in bytes."""
        document: dict[str, Any] = plain(self)
        return document


class TableResult(Result):
    """A result whose main part is a list of rows, in the field named by `rows_field`."""

    rows_field: ClassVar[str]

    def rows(self) -> list[dict[str, Any]]:
        """The rows as plain dicts, in the order of the result."""
        rows: list[dict[str, Any]] = self.to_dict()[self.rows_field]
        return rows

    def to_arrow(self) -> pa.Table:
        """The rows as an Arrow table; sizes are int64 bytes."""
        import pyarrow as pa  # noqa: PLC0415 - only who asks for a table pays for it

        return pa.Table.from_pylist(self.rows())

    def to_pandas(self) -> pd.DataFrame:
        """The rows as a pandas frame.

        Raises:
            UsageError: pandas is not installed.
        """
        try:
            return self.to_arrow().to_pandas()
        except ModuleNotFoundError as failure:
            raise UsageError(
                "pandas is not installed",
                "it is not a dependency of heapgraph",
                "pip install pandas",
            ) from failure

    def _repr_html_(self) -> str:
        """The rows as an HTML table, for notebooks."""
        rows = self.rows()
        if not rows:
            return "<p>no rows</p>"
        head = "".join(f"<th>{escape(name)}</th>" for name in rows[0])
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row.values()) + "</tr>"
            for row in rows
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
