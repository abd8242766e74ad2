"""Future: a value that will be there, with callbacks."""
from __future__ import annotations

import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

__all__ = ["Future", "collect_all", "wait_all"]


class Future:
    """A value to come. wait() returns it or raises its exception; then() and add_done_callback() react to it.

    >>> future = torch.futures.Future()
    >>> doubled = future.then(lambda f: f.value() * 2)
    >>> future.set_result(21); doubled.wait()
    42
    """

    def __init__(self, *, devices: Any = None) -> None:
        self._condition = threading.Condition()
        self._done = False
        self._value: Any = None
        self._error: BaseException | None = None
        self._callbacks: list[Callable] = []

    def __class_getitem__(cls, item: Any) -> type:
        return cls

    def done(self) -> bool:
        """Whether the value or an exception is there."""
        return self._done

    def wait(self) -> Any:
        """Wait for the value."""
        with self._condition:
            self._condition.wait_for(lambda: self._done)
        return self.value()

    def value(self) -> Any:
        """The value; RuntimeError where it is not there yet."""
        if not self._done:
            raise RuntimeError("Future: the value is not there yet; call wait()")
        if self._error is not None:
            raise self._error
        return self._value

    def _finish(self, value: Any, error: BaseException | None) -> None:
        with self._condition:
            if self._done:
                raise RuntimeError("Future can only be marked completed once.")
            self._value, self._error, self._done = value, error, True
            callbacks, self._callbacks = self._callbacks, []
            self._condition.notify_all()
        for callback in callbacks:
            callback(self)

    def set_result(self, result: Any) -> None:
        """Give the value; once only."""
        self._finish(result, None)

    def set_exception(self, result: BaseException) -> None:
        """Give an exception in place of a value."""
        if not isinstance(result, Exception):
            raise AssertionError(f"{result} is of type {type(result)}, not an Exception.")
        self._finish(None, result)

    def add_done_callback(self, callback: Callable[[Future], None]) -> None:
        """Call callback(self) when done, at once if it is."""
        with self._condition:
            if not self._done:
                self._callbacks.append(callback)
                return
        callback(self)

    def then(self, callback: Callable[[Future], Any]) -> Future:
        """A Future of callback(self)."""
        result = Future()

        def run(done: Future) -> None:
            try:
                value = callback(done)
            except Exception as error:
                result.set_exception(error)
            else:
                result.set_result(value)

        self.add_done_callback(run)
        return result


def collect_all(futures: list[Future]) -> Future:
    """A Future of the list of all futures, done when all are."""
    result = Future()
    left = len(futures)
    lock = threading.Lock()
    if not futures:
        result.set_result([])

    def count(_: Future) -> None:
        nonlocal left
        with lock:
            left -= 1
            last = left == 0
        if last:
            result.set_result(futures)

    for future in futures:
        future.add_done_callback(count)
    return result


def wait_all(futures: list[Future]) -> list:
    """The values of all futures."""
    return [f.wait() for f in collect_all(futures).wait()]
