"""Where events come from: a source names its columns and makes them readable as the DuckDB relation `raw`."""
