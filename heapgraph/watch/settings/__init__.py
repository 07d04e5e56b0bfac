"""What the user asks of the daemon: one TOML file, checked whole before anything starts."""
