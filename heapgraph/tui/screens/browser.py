"""The browser: what each key does on the page that is shown."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType

from heapgraph.safe_text import printable
from heapgraph.tui import places
from heapgraph.tui.cells import safe
from heapgraph.tui.keys import KEYS
from heapgraph.tui.screens import destinations
from heapgraph.tui.screens.asking import AskingScreen
from heapgraph.tui.screens.conditions import CONDITIONS
from heapgraph.tui.screens.help import HelpScreen
from heapgraph.tui.screens.page_view import PageView
from heapgraph.tui.state import object_of, set_of
from heapgraph.tui.widgets.prompt import Prompt

if TYPE_CHECKING:
    from heapgraph.tui.messages import PlaceChosen
    from heapgraph.tui.widgets.key_line import KeyLine


SERVED_WRITES_NOTHING = (
    "a served browser writes no files; in a terminal: heapgraph svg FILE OBJECT -o X.svg"
)

OF_SETS = ("merged_paths", "types_of_set")
"""Actions on a set."""


class Browser(AskingScreen, inherit_bindings=False):
    """Shows the page of a place, and does what is asked of it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(key.keys, key.action, key.label, show=key.in_footer, tooltip=key.help)
        for key in KEYS
    ]

    def on_mount(self) -> None:
        """Begin."""
        super().on_mount()
        if self.notes:
            self.say("\n".join(map(safe, self.notes)))

    def footer_keys(self) -> list[tuple[str, str, str]]:
        """The keys of the last line: none that does what Enter does, or is about no set here."""
        left_out: set[str] = set()
        if self.page is None or "expand" not in self.page.commands:
            left_out.add("into")
        if self.page is None or set_of(self.page, self.row) is None:
            left_out.update(OF_SETS)
        return [key for key in super().footer_keys() if key[2] not in left_out]

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Whether a key does anything now: it is hidden from footer and help otherwise."""
        if action not in CONDITIONS:
            return True
        try:
            return CONDITIONS[action](self, *parameters)
        except Exception:  # noqa: BLE001 - what cannot even be offered does nothing
            return False

    def on_row_list_moved(self) -> None:
        """Another row: other details, perhaps other keys."""
        self.query_one(PageView).show_detail()
        self.offer_keys()

    def on_row_list_chosen(self) -> None:
        """A row was clicked at the cursor."""
        self.action_open_row()

    async def on_key_line_clicked(self, message: KeyLine.Clicked) -> None:
        """A key in the last line was clicked."""
        prompt = self.query_one(Prompt)
        await self.app.run_action(message.action, prompt if prompt.display else self)

    def on_descendant_focus(self) -> None:
        """The prompt has other keys than a list."""
        self.offer_keys()

    def on_place_chosen(self, message: PlaceChosen) -> None:
        """A field that leads somewhere was clicked."""
        self.goto(message.place)

    notes: tuple[str, ...] = ()
    """What there is to say when the browser opens."""

    def action_open_row(self) -> None:
        """Open the row at the cursor."""
        row, page = self.row, self.page
        if row is not None and row.place is not None:
            self.goto(row.place)
        elif page is not None and "open_row" in page.commands:
            self.run_command(page.commands["open_row"])

    def action_into(self) -> None:
        """Unfold the row, or open it."""
        if self.page is not None and "expand" in self.page.commands:
            self.run_command(self.page.commands["expand"])
        else:
            self.action_open_row()

    def action_out_of(self) -> None:
        """Fold the row, or go back."""
        if self.page is not None and "collapse" in self.page.commands:
            self.run_command(self.page.commands["collapse"])
        else:
            self.action_history(-1)

    def action_command(self, name: str) -> None:
        """Do what the page does under this name."""
        if self.page is not None and name in self.page.commands:
            self.run_command(self.page.commands[name])

    def action_history(self, steps: int) -> None:
        """Go back or forward; back from a page that is being made is where it was asked for."""
        was_waiting = self.is_waiting
        self.cancel_job()
        if was_waiting and steps < 0:
            self.offer_keys()
            return
        if self.session.history.move(steps):
            self.show_page()

    def action_cancel(self) -> None:
        """Give up what is being computed."""
        self.cancel_job()
        if self.page is None:
            self.say("stopped; 1 begins again, every other page can be asked for as well")
        self.offer_keys()

    def action_path(self) -> None:
        """Why the object is alive."""
        if (object_id := self.current_object()) is not None:
            self.goto(places.PathTo(object_id))

    def action_dominated(self) -> None:
        """What the object keeps alive."""
        if (object_id := self.current_object()) is not None:
            self.goto(places.DominatorsOf(object_id))

    def action_merged_paths(self) -> None:
        """Who holds the set."""
        if (text := self.current_set()) is not None:
            self.goto(places.MergedPathsTo(text))

    def action_types_of_set(self) -> None:
        """What the set is made of."""
        if (text := self.current_set()) is not None:
            self.goto(places.Types(text))

    def action_last_set(self) -> None:
        """The set that is marked in every list."""
        if self.session.selection_text:
            self.goto(places.ObjectSet(self.session.selection_text))

    def action_overview(self) -> None:
        """The first page."""
        self.goto(places.Overview())

    def action_dominators(self) -> None:
        """The dominator tree from the top."""
        self.goto(places.DominatorsOf())

    def action_types(self) -> None:
        """The histogram."""
        self.goto(places.Types())

    def action_analyses(self) -> None:
        """All analyses."""
        self.goto(places.Analyses())

    def action_analysis(self, name: str) -> None:
        """One analysis."""
        self.goto(places.AnalysisOf(name))

    def action_compare(self) -> None:
        """Ask for another snapshot."""
        self.goto(places.Compared())

    def action_bookmarks(self) -> None:
        """The bookmarks."""
        self.goto(places.Bookmarks())

    def action_bookmark(self) -> None:
        """Set or remove a bookmark."""
        if (object_id := self.current_object()) is not None:
            is_set = self.session.toggle_bookmark(object_id)
            name = self.session.names.of(object_id)
            self.say(f"{'marked' if is_set else 'no longer marked'}: {name}; B lists bookmarks")

    def action_copy_expression(self) -> None:
        """Copy how to reach the object."""
        if (object_id := self.current_object()) is not None:
            self.copy(self.session.names.object_text(object_id))

    def action_copy_address(self) -> None:
        """Copy where the object was."""
        if (object_id := self.current_object()) is not None:
            self.copy(f"{int(self.session.graph.addresses[object_id]):#x}")

    def action_copy_command(self) -> None:
        """Copy the command line for the same view."""
        if self.page is not None and (line := self.session.command_line(self.page)):
            self.copy(line)

    def copy(self, text: str) -> None:
        """Give a text to the terminal's clipboard, and show it: not every terminal has one.

        It will be pasted into a shell: an escape sequence in a name could end the pasting there,
        and a line feed run what comes before it.
        """
        self.app.copy_to_clipboard(printable(text))
        self.say(f"copied: {safe(text)}")

    def action_write_picture(self) -> None:
        """Write an SVG of the chain to the object; on the dominator tree, of what it retains."""
        object_id, page = self.current_object(), self.page
        if object_id is None or page is None:
            return
        if self.app.is_web:
            self.say(SERVED_WRITES_NOTHING, is_error=True)
            return
        retained = isinstance(page.place, places.DominatorsOf)
        path = Path.cwd() / f"{Path(self.session.file).stem}-{object_id}.svg"
        self.run_job(
            "picture",
            lambda _: destinations.write_picture(
                self.session.graph, object_id, path, retained=retained
            ),
            lambda written: self.say(f"wrote {safe(str(written))}"),
        )

    def action_next_list(self) -> None:
        """Go to the next list."""
        self.query_one(PageView).focus_list(1)

    def action_previous_list(self) -> None:
        """Go to the list before."""
        self.query_one(PageView).focus_list(-1)

    def action_help(self) -> None:
        """List the keys that work here."""
        keys: dict[str, list[str]] = {}
        for active in self.active_bindings.values():
            binding = active.binding
            if active.enabled and active.node in (self, self.focused, self.app):
                text = binding.tooltip or binding.description
                if text:  # Textual's ctrl+c has none: it only says which key quits
                    keys.setdefault(text, []).append(self.app.get_key_display(binding))
        self.app.push_screen(HelpScreen([(" ".join(names), text) for text, names in keys.items()]))

    async def action_quit(self) -> None:
        """Leave."""
        self.cancel_job()
        self.app.exit()

    def current_object(self) -> int | None:
        """The object that keys are about."""
        return None if self.page is None else object_of(self.page, self.row)

    def current_set(self) -> str | None:
        """The set that keys are about."""
        if self.page is None:
            return None
        return set_of(self.page, self.row, self.session.selection_text)
