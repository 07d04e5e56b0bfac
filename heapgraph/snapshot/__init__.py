"""The snapshot file: schema, writer, reader."""
