"""Where CPython keeps what: one table of offsets per minor version."""
