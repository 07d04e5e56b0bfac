"""The browser for a web browser of the same user: windows, their limits, the address."""
