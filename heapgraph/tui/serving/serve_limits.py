"""What a served browser may use: who has the address may look, and not fill the machine."""

from __future__ import annotations

MAX_WINDOWS = 4
"""Windows at once; each is a process that opens the snapshot for itself."""

MAX_CONNECTIONS = 64
"""Connections at once, of everybody: a page needs up to six, a window one."""

REQUEST_LIMIT_S = 30.0
"""A connection that is no window by then is closed: who sends or reads a byte a second."""

MAX_COLUMNS, MAX_ROWS = 400, 120
"""A screen of 3840 x 2160 pixels has 400 x 113 cells of the page's font."""

MAX_MESSAGE_BYTES = 1 << 16
"""Of what a page sends at once; a key has six, a long query a thousand."""

MAX_PACKET_BYTES = 1 << 24
"""Of what the program of a window sends at once; a frame of the largest terminal has 5 MB."""

IDLE_LIMIT_S = 2 * 3600.0
"""A window in which nothing was pressed for so long is closed."""

HEARTBEAT_S = 15.0
"""A page that has not answered for so long is gone, or does not read what is sent."""

SEND_LIMIT_S = 15.0
"""How long a page may leave unread what it was sent."""

END_LIMIT_S = 2.0
"""How long the program of a window may take to end before it is killed."""

MIN_WINDOW_BYTES = 2 << 30
"""Of memory that the program of a window may reserve, however little is free."""


def clamped(columns: int, rows: int) -> tuple[int, int]:
    """A size of a terminal that can be drawn.

    Whoever draws keeps some bytes of every cell: 20,000 x 20,000 of them were 2.4 GB.
    """
    return max(1, min(columns, MAX_COLUMNS)), max(1, min(rows, MAX_ROWS))
