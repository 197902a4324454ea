"""Requests and the phase of every batch and essay."""
