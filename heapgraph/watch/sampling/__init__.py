"""Counters of live processes, read from outside: none is stopped, none is touched."""
