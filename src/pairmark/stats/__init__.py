"""Comparative judgement as arithmetic: arrays in, frozen results out. Knows nothing of batches, services or files."""
