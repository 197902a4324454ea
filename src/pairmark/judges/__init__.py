"""Who answers comparisons: recorded votes, a known truth, text length. Judges know no batch and no database."""
