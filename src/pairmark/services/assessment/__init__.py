"""Batches from request to announced result: intake, waves, callbacks, continuation, finalisation, monitor."""
