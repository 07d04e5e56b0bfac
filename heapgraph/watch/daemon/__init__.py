"""The daemon itself: what happens in which order, and what it may cost."""
