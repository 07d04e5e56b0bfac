"""What the daemon knows, as series of numbers: for Prometheus, and for OpenTelemetry."""
