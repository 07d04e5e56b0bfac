"""Every object and reference of a frozen memory, and how sure they are."""
