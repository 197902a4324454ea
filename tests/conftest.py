"""Fixtures of all tests: a real PostgreSQL, a database per test cloned from a migrated template, and the whole system over it.

Tests send Ctrl-C to programs, and these inherit that it is ignored from a run in the background: not from here on.
"""

import signal

for _number, _usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _usual)

pytest_plugins = [
    "support.postgres",
    "support.system",
    "support.ends",
    "support.soaks",
    "support.browser",
    "support.kafka",
    "support.loki",
    "support.roads",
    "support.fleet",
    "support.content",
    "support.fetched",
    "support.mariadb",
]
