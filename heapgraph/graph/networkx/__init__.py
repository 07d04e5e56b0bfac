"""The graph as networkx sees it: its backend, and the searches that it runs here."""
