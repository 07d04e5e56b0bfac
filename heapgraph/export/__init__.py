"""Results as pictures and files for other tools."""
