"""The rules: a pure state machine whose only clock is the moments of what it is shown."""
