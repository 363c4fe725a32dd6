"""Every registered engine: the results of all tasks in their order, the first error, and nothing left running."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from capforecast import registry

ENGINES = registry.names("engine")
Run = Callable[[Callable[[Any], Any], Sequence[Any], int], Iterator[Any]]


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Run:
    return registry.load("engine", request.param)


class TaskError(Exception):
    """What a task of these tests raises."""


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("count", [0, 1, 2, 40])
def test_every_engine_gives_what_a_plain_loop_gives(engine: Run, threads: int, count: int) -> None:
    """Results come one per task and in the order of the tasks, however many threads there are."""
    tasks = list(range(count))
    assert [t * t for t in tasks] == list(engine(lambda t: t * t, tasks, threads))


def test_order_is_kept_when_an_early_task_ends_last() -> None:
    """The first task waits for the third; its result still comes first."""
    third_done = threading.Event()

    def work(task: int) -> int:
        if task == 0:
            assert third_done.wait(30)
        if task == 2:
            third_done.set()
        return task

    run = registry.load("engine", "threads")
    assert list(range(6)) == list(run(work, range(6), 2))


def test_threads_really_work_at_the_same_time() -> None:
    """Two tasks that wait for each other both end."""
    meet = threading.Barrier(2, timeout=30)
    run = registry.load("engine", "threads")
    assert len(list(run(lambda task: meet.wait(), range(2), 2))) == 2


@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_stops_the_run_and_cancels_what_waits(engine: Run, threads: int) -> None:
    """Results before the failing task arrive, its error is raised as it is, and later tasks are not begun."""
    begun: list[int] = []

    def work(task: int) -> int:
        begun.append(task)
        if task == 3:
            raise TaskError(task)
        return task

    results: list[int] = []
    with pytest.raises(TaskError) as caught:
        results.extend(engine(work, range(200), threads))
    assert results == [0, 1, 2]
    assert caught.value.args == (3,)
    assert max(begun) <= 3 + 2 * threads


@pytest.mark.parametrize("threads", [1, 3])
def test_a_reader_that_stops_early_stops_the_work(engine: Run, threads: int) -> None:
    """Closing the results ends the run: no more than what was in flight is done, and no thread is left."""
    begun: list[int] = []

    def work(task: int) -> int:
        begun.append(task)
        return task

    before = set(threading.enumerate())
    results = engine(work, range(200), threads)
    assert next(results) == 0
    results.close()
    assert max(begun) <= 1 + 2 * threads
    assert before == set(threading.enumerate())


def test_few_tasks_are_in_flight() -> None:
    """Memory is bounded: a task is taken only when fewer than two per thread are unread."""
    taken: list[int] = []

    class Tasks(Sequence[int]):
        def __len__(self) -> int:
            return 100

        def __getitem__(self, index: int) -> int:
            if index >= 100:
                raise IndexError
            taken.append(index)
            return index

    run = registry.load("engine", "threads")
    for read, result in enumerate(run(lambda task: task, Tasks(), 2), 1):
        assert result == read - 1
        assert len(taken) <= read + 2 * 2
