"""The reports of `pairmark score`: page, table, JSON and terminal text from one `ScoreResult`."""
