"""Every key of the browser in one table: bindings, footer, help and palette are made of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Key:
    """One key.

    Attributes:
        keys: Textual's names, with commas between.
        action: what it does: an action of the browser, or `command('NAME')` of the page.
        label: for the footer.
        help: for the help and the palette.
        in_footer: whether the footer has room for it.
    """

    keys: str
    action: str
    label: str
    help: str
    in_footer: bool = True

    @property
    def shown(self) -> str:
        """The first key as it is written on keyboards."""
        name = self.keys.partition(",")[0]
        return _SIGNS.get(name, name)


_SIGNS = {
    "slash": "/",
    "colon": ":",
    "question_mark": "?",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "escape": "esc",
}


def _command(name: str) -> str:
    return f"command({name!r})"


def _analysis(name: str) -> str:
    return f"analysis({name!r})"


KEYS = (
    Key("enter", "open_row", "open", "open the row at the cursor"),
    Key("l,right", "into", "unfold", "unfold the row, or open it"),
    Key("h,left", "out_of", "out", "fold the row, or go back", in_footer=False),
    Key("e", _command("expand_to_fork"), "to fork", "unfold single children down to a fork"),
    Key("g", _command("regroup"), "group", "group by type, by module, by package, not at all"),
    Key("s", _command("sort"), "sort", "sort by something else"),
    Key("R", _command("raw"), "raw", "show each __dict__ apart, or as a part of its owner"),
    Key("f", "filter", "filter", "show only rows that contain a text"),
    Key("n", _command("next_path"), "next", "the next path"),
    Key("N", _command("previous_path"), "previous", "the previous path", in_footer=False),
    Key("x", _command("exclude_reference"), "exclude", "paths without this one reference"),
    Key("X", _command("exclude_kind"), "ex. kind", "paths without references of this kind"),
    Key("w", _command("what_if"), "what if", "bytes freed if this reference were cut"),
    Key("p", "path", "path", "why the object is alive: its paths from the roots"),
    Key("d", "dominated", "retains", "what the object keeps alive: its dominator tree"),
    Key("P", "merged_paths", "holders", "who holds the objects of the set: their paths merged"),
    Key("t", "types_of_set", "types", "the types of the objects of the set"),
    Key("S", "last_set", "set", "the set found last, which every list marks", in_footer=False),
    Key("left_square_bracket,backspace", "history(-1)", "back", "the page before"),
    Key("right_square_bracket", "history(1)", "forward", "the page after", in_footer=False),
    Key("slash", "search", "search", "search objects by type, expression, value, address"),
    Key("colon", "query", "SQL", "ask the snapshot in SQL"),
    Key("b", "bookmark", "mark", "set or remove a bookmark at the object", in_footer=False),
    Key("B", "bookmarks", "bookmarks", "the bookmarks", in_footer=False),
    Key("c", "copy_expression", "copy", "copy the expression of the object", in_footer=False),
    Key("C", "copy_address", "copy address", "copy the address of the object", in_footer=False),
    Key("y", "copy_command", "command", "copy the command line that shows the same"),
    Key("v", "write_picture", "SVG", "write a picture of what keeps the object alive"),
    Key("1", "overview", "overview", "the overview", in_footer=False),
    Key("2", "dominators", "tree", "the dominator tree from the top", in_footer=False),
    Key("3", "types", "types", "the histogram of all types", in_footer=False),
    Key("4,a", "analyses", "analyses", "the list of all analyses"),
    Key("5", _analysis("suspects"), "suspects", "the leak suspects", in_footer=False),
    Key("6", _analysis("threads"), "threads", "threads, tasks, suspended code", in_footer=False),
    Key("7", _analysis("waste"), "waste", "what could be smaller", in_footer=False),
    Key(
        "8,D", "compare", "compare", "what grew between this snapshot and another", in_footer=False
    ),
    Key("9", _analysis("memory"), "memory", "the account of resident memory", in_footer=False),
    Key("tab", "next_list", "next list", "the next list on the page", in_footer=False),
    Key("shift+tab", "previous_list", "previous list", "the list before", in_footer=False),
    Key("escape", "cancel", "cancel", "stop the work in the background"),
    Key("question_mark", "help", "help", "the keys that work here"),
    Key("q", "quit", "quit", "leave"),
)

MOVING_KEYS = (
    Key("down,j", "move(1)", "down", "one row down"),
    Key("up,k", "move(-1)", "up", "one row up"),
    Key("pagedown,ctrl+d,space", "page(1)", "page down", "one page down"),
    Key("pageup,ctrl+u", "page(-1)", "page up", "one page up"),
    Key("home", "edge(-1)", "first", "the first row"),
    Key("end,G", "edge(1)", "last", "the last row"),
)
"""Keys of a list."""
