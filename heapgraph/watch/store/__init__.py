"""What the daemon keeps: snapshots within limits, and its own state over a restart."""
