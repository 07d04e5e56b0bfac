"""What the daemon shows and does for others: endpoint, operations of peers, metrics."""
