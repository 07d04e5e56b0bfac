"""Threads, tasks and generators: code that runs or waits."""
