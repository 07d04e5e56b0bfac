"""The tables of a snapshot in a database, and the limits of a query."""
