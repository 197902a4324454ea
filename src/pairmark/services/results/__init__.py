"""Published results, for those who ask."""
