"""The lists of which pages are made."""
