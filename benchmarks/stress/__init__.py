"""Does a capture harm its target? Measured by targets that notice everything."""
