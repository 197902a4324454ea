"""Fixtures of all tests: a real PostgreSQL, a database per test cloned from a migrated template, and the whole system over it."""

pytest_plugins = [
    "support.postgres",
    "support.system",
    "support.soaks",
    "support.browser",
    "support.kafka",
    "support.loki",
]
