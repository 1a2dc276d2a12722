from __future__ import annotations

import gc
import threading

import pytest

from emotion.core.imports import large_import


def test_the_garbage_collector_is_paused_and_comes_back() -> None:
    with large_import():
        assert not gc.isenabled()
        with large_import():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()
    with pytest.raises(ImportError), large_import():
        raise ImportError
    assert gc.isenabled()


def test_it_stays_off_where_it_was_off() -> None:
    gc.disable()
    try:
        with large_import():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_one_import_at_a_time() -> None:
    entered, leave, second = threading.Event(), threading.Event(), threading.Event()

    def first() -> None:
        with large_import():
            entered.set()
            leave.wait(20)

    def other() -> None:
        with large_import():
            second.set()

    threads = [threading.Thread(target=first), threading.Thread(target=other)]
    threads[0].start()
    assert entered.wait(20)
    threads[1].start()
    assert not second.wait(0.05)
    leave.set()
    assert second.wait(20)
    for thread in threads:
        thread.join()
