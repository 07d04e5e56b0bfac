"""Taking values, paths and names of a program out of a snapshot before it is written."""
