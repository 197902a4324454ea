"""Pure rules of the field: statuses and legal moves, stopping rules, the result model. No I/O, no clock."""
