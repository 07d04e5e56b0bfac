"""What no root reaches: its classes, its cycles, and what the collector does about it."""
