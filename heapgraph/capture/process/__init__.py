"""What the system tells of a process: its mappings, its pages, its files."""
