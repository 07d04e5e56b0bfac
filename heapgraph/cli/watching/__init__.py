"""The commands of the daemon: `heapgraph audit`, `heapgraph token`."""
