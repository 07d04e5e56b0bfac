"""The daemon: counters, a census, rules, alerts, an endpoint and an audit log."""
