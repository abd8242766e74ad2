"""The worker process of a DataLoader: its loop, what it can ask about itself, and how its errors come home."""
from __future__ import annotations

import traceback
from typing import Any

import flambeau as torch


class WorkerInfo:
    """What `get_worker_info` gives: `id` (also `worker_id`), `num_workers`, `seed`, and the worker's `dataset`."""

    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)

    @property
    def worker_id(self) -> int:
        return self.__dict__["id"]

    def __setattr__(self, key: str, value: Any) -> None:
        raise RuntimeError(f"Cannot assign attributes to {self.__class__.__name__} objects.")

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}({', '.join(f'{key}={value}' for key, value in self.__dict__.items())})"


_worker_info: WorkerInfo | None = None


def get_worker_info() -> WorkerInfo | None:
    """In a worker process of a DataLoader, what it is: its id, seed, dataset, and how many there are; else None."""
    return _worker_info


class WorkerError:
    """An exception on its way from a worker: its class, where that can be pickled, and its traceback as text."""

    def __init__(self, error: BaseException, where: str) -> None:
        import pickle

        self.kind: Any = type(error)
        try:
            pickle.dumps(self.kind)
        except Exception:  # a class that only the worker knows
            self.kind = None
        text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        self.message = f"Caught {type(error).__name__} {where}.\nOriginal {text}"

    def reraise(self) -> None:
        """Raise it here, as the same class where its constructor takes a message, else as RuntimeError."""
        if self.kind is KeyError:
            raise KeyError(_PlainText(self.message))
        if self.kind is None:
            raise RuntimeError(self.message)
        try:
            error = self.kind(self.message)
        except Exception:
            error = RuntimeError(self.message)
        raise error


class _PlainText(str):
    """A string whose repr is itself: KeyError shows the repr of what it is given."""

    def __repr__(self) -> str:
        return str(self)


class EndOfData:
    """A worker's answer when its iterable dataset has nothing more."""


def _seed(base_seed: int, worker_id: int) -> int:
    """Seed all generators of a worker. NumPy's seed is drawn from both numbers, so that near seeds do not correlate."""
    import random
    import sys

    seed = base_seed + worker_id
    random.seed(seed)
    torch.manual_seed(seed)
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed(numpy.random.SeedSequence([worker_id, base_seed]).generate_state(4))
    return seed


def worker_loop(connection: Any, inherited: tuple, iterable: bool, dataset: Any, auto_collation: bool,
                collate_fn: Any, drop_last: bool, base_seed: int, init_fn: Any, worker_id: int,
                num_workers: int) -> None:
    """Answer tasks `(epoch, number, index)` with `(epoch, number, batch)` until None or the end of the connection.

    `inherited` are the parent's ends of all connections: closed here, so that a lost parent is noticed.
    """
    from . import transport
    from .fetch import create_fetcher

    global _worker_info
    for other in inherited:
        other.close()
    torch.set_num_threads(1)
    seed = _seed(base_seed, worker_id)
    _worker_info = WorkerInfo(id=worker_id, num_workers=num_workers, seed=seed, dataset=dataset)
    where = f"in DataLoader worker process {worker_id}"
    failure: WorkerError | None = None
    try:
        if init_fn is not None:
            init_fn(worker_id)
    except Exception as error:
        failure = WorkerError(error, where)
    fetcher, fetcher_epoch, ended = None, None, False
    try:
        while (task := connection.recv()) is not None:
            epoch, number, index = task
            answer: Any
            try:
                if failure is None and epoch != fetcher_epoch:
                    fetcher_epoch, ended = epoch, False
                    fetcher = create_fetcher(iterable, dataset, auto_collation, collate_fn, drop_last)
                if failure is not None:
                    answer, failure = failure, None
                elif ended:
                    answer = EndOfData()
                else:
                    answer = fetcher.fetch(index)  # type: ignore[union-attr]
            except Exception as error:
                if iterable and isinstance(error, StopIteration):
                    ended, answer = True, EndOfData()
                else:
                    answer = WorkerError(error, where)
            try:
                transport.send(connection, (epoch, number, answer))
            except (BrokenPipeError, ConnectionResetError):
                return
            except Exception as error:  # a batch that cannot be pickled
                transport.send(connection, (epoch, number, WorkerError(error, where)))
            del answer, task
    except (EOFError, BrokenPipeError, ConnectionResetError, KeyboardInterrupt):
        return  # the parent is gone, or the user has interrupted everything
