"""A process that is gone: its memory in a core file."""
