"""Tasks in threads: kernels release the interpreter lock. Never processes by fork."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any


def run(function: Callable[[Any], Any], tasks: Sequence[Any], threads: int) -> Iterator[Any]:
    """Yield ``function(task)`` for each task in their order, with at most two tasks per thread in flight."""
    with ThreadPoolExecutor(max_workers=max(threads, 1), thread_name_prefix="shard") as pool:
        waiting: deque[Future[Any]] = deque()
        try:
            for task in tasks:
                if len(waiting) >= 2 * max(threads, 1):
                    yield waiting.popleft().result()
                waiting.append(pool.submit(function, task))
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
