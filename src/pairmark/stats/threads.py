"""One BLAS thread, so that sums are taken in one order and results repeat to the last bit.

The limit is process-wide while it lasts; nothing else about threads lives here.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from types import ModuleType
from typing import Any

_open_limits: list[None] = []


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Run the body with BLAS and LAPACK limited to one thread.

    Examples
    --------
    >>> from pairmark.stats import comparisons, fit
    >>> data = comparisons([("anna", "bela", 1), ("bela", "cleo", 1)])
    >>> with one_blas_thread():
    ...     bits = fit(data).theta.tobytes()
    >>> with one_blas_thread():
    ...     fit(data).theta.tobytes() == bits
    True
    """
    _open_limits.append(None)
    try:
        with _controller("scipy.linalg" in sys.modules).limit(limits=1, user_api="blas"):
            yield
    finally:
        _open_limits.pop()


@cache
def _controller(with_scipy: bool) -> Any:
    """What knows the loaded libraries; looking for them takes milliseconds."""
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]  # noqa: PLC0415

    return ThreadpoolController()


def lapack() -> ModuleType:
    """SciPy's LAPACK, loaded at the first call; a limit that is open then holds for it too."""
    first_time = "scipy.linalg" not in sys.modules
    from scipy.linalg import lapack as module  # noqa: PLC0415

    if first_time and _open_limits:
        from threadpoolctl import threadpool_limits  # noqa: PLC0415

        threadpool_limits(limits=1, user_api="blas")
    return module
