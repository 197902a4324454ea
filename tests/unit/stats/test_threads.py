"""One BLAS thread, also for a library that is loaded while the limit holds."""

import subprocess
import sys

from threadpoolctl import threadpool_info

from pairmark.stats.threads import one_blas_thread

LOADED_LATER = """
import sys
import numpy
from threadpoolctl import threadpool_info
from pairmark.stats.threads import lapack, one_blas_thread
with one_blas_thread():
    assert "scipy.linalg" not in sys.modules
    before = len(threadpool_info())
    lapack()
    pools = threadpool_info()
    print(before, len(pools), {pool["num_threads"] for pool in pools if pool["user_api"] == "blas"})
"""


def threads():
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


def test_the_limit_holds_inside_and_ends_outside():
    before = threads()
    with one_blas_thread():
        assert set(threads()) == {1}
    assert threads() == before


def test_the_limit_holds_for_what_is_loaded_inside():
    told = subprocess.run([sys.executable, "-c", LOADED_LATER], capture_output=True, text=True, check=True)
    assert told.stdout.split(maxsplit=2)[2] == "{1}\n"
