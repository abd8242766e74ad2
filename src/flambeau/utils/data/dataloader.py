"""DataLoader: batches of a dataset, made in this process or ahead of time in worker processes."""
from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

import flambeau as torch

from . import _utils
from ._utils.collate import default_collate, default_convert
from ._utils.fetch import create_fetcher
from ._utils.pin_memory import pin_memory as _pinned
from ._utils.worker import EndOfData, WorkerError, get_worker_info
from .dataset import IterableDataset
from .sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler

__all__ = ["DataLoader", "default_collate", "default_convert", "get_worker_info"]

T_co = TypeVar("T_co", covariant=True)


class _DatasetKind:
    Map = 0
    Iterable = 1

    @staticmethod
    def create_fetcher(kind: int, dataset: Any, auto_collation: bool, collate_fn: Any, drop_last: bool) -> Any:
        return create_fetcher(kind == _DatasetKind.Iterable, dataset, auto_collation, collate_fn, drop_last)


class _InfiniteConstantSampler(Sampler):
    """None for ever: the sampler of iterable datasets."""

    def __iter__(self) -> Iterator:
        return itertools.repeat(None)


class DataLoader(Generic[T_co]):
    """Goes through a dataset in batches.

    Args:
        dataset: by index (`__getitem__`, `__len__`), or an IterableDataset.
        batch_size: items a batch; None gives single items, converted but not collated.
        shuffle: a new random order each time.
        sampler, batch_sampler: another order of indices, or of lists of indices.
        num_workers: processes that prepare batches ahead; 0 works in this process.
        collate_fn: makes a batch from a list of items.
        pin_memory: copy batches into page-locked memory, for accelerators.
        drop_last: leave out a last batch that is not full.
        timeout: seconds to wait for a batch of a worker; 0 waits for ever.
        worker_init_fn: called with the worker's id at the start of each worker.
        multiprocessing_context: how workers are started: "fork", "spawn", "forkserver", or a context.
        generator: random numbers for the order and the workers' seeds.
        prefetch_factor: batches a worker prepares ahead; 2 unless given.
        persistent_workers: keep the workers from one pass to the next.
        in_order: batches in the sampler's order; with False as they become ready.

    >>> loader = torch.utils.data.DataLoader(range(5), batch_size=2)
    >>> [batch.tolist() for batch in loader]
    [[0, 1], [2, 3], [4]]
    """

    dataset: Any
    batch_size: int | None
    num_workers: int
    pin_memory: bool
    drop_last: bool
    timeout: float
    sampler: Any
    prefetch_factor: int | None
    _iterator: Any = None
    __initialized = False

    def __init__(self, dataset: Any, batch_size: int | None = 1, shuffle: bool | None = None, sampler: Any = None,
                 batch_sampler: Any = None, num_workers: int = 0, collate_fn: Any = None, pin_memory: bool = False,
                 drop_last: bool = False, timeout: float = 0, worker_init_fn: Any = None,
                 multiprocessing_context: Any = None, generator: Any = None, *, prefetch_factor: int | None = None,
                 persistent_workers: bool = False, pin_memory_device: str = "", in_order: bool = True) -> None:
        if num_workers < 0:
            raise ValueError("num_workers option should be non-negative; use num_workers=0 to disable "
                             "multiprocessing.")
        if timeout < 0:
            raise ValueError("timeout option should be non-negative")
        if num_workers == 0 and prefetch_factor is not None:
            raise ValueError("prefetch_factor option could only be specified in multiprocessing."
                             "let num_workers > 0 to enable multiprocessing, otherwise set prefetch_factor to None.")
        if num_workers > 0 and prefetch_factor is None:
            prefetch_factor = 2
        elif prefetch_factor is not None and prefetch_factor < 0:
            raise ValueError("prefetch_factor option should be non-negative")
        if persistent_workers and num_workers == 0:
            raise ValueError("persistent_workers option needs num_workers > 0")
        self.dataset = dataset
        self.num_workers = num_workers
        self.prefetch_factor = prefetch_factor
        self.pin_memory = pin_memory
        self.pin_memory_device = pin_memory_device
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.in_order = in_order
        self.__multiprocessing_context = None
        self.multiprocessing_context = multiprocessing_context

        if isinstance(dataset, IterableDataset):
            self._dataset_kind = _DatasetKind.Iterable
            for name, value in (("shuffle", shuffle or None), ("sampler", sampler), ("batch_sampler", batch_sampler)):
                if value is not None:
                    raise ValueError(f"DataLoader with IterableDataset: expected unspecified {name} option, but got "
                                     f"{name}={value}")
        else:
            self._dataset_kind = _DatasetKind.Map
            shuffle = bool(shuffle)
        if sampler is not None and shuffle:
            raise ValueError("sampler option is mutually exclusive with shuffle")
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError("batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, and "
                                 "drop_last")
            batch_size = None
            drop_last = False
        elif batch_size is None and drop_last:
            raise ValueError("batch_size=None option disables auto-batching and is mutually exclusive with drop_last")
        if sampler is None:
            if self._dataset_kind == _DatasetKind.Iterable:
                sampler = _InfiniteConstantSampler()
            elif shuffle:
                sampler = RandomSampler(dataset, generator=generator)
            else:
                sampler = SequentialSampler(dataset)
        if batch_size is not None and batch_sampler is None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.generator = generator
        if collate_fn is None:
            collate_fn = default_collate if self._auto_collation else default_convert
        self.collate_fn = collate_fn
        self.persistent_workers = persistent_workers
        self._IterableDataset_len_called: int | None = None
        self._iterator = None
        self.__initialized = True
        self.check_worker_number_rationality()

    def __setattr__(self, name: str, value: Any) -> None:
        if self.__initialized and name in ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset",
                                           "persistent_workers"):
            raise ValueError(f"{name} attribute should not be set after {self.__class__.__name__} is initialized")
        super().__setattr__(name, value)

    @property
    def multiprocessing_context(self) -> Any:
        return self.__multiprocessing_context

    @multiprocessing_context.setter
    def multiprocessing_context(self, context: Any) -> None:
        if context is not None:
            import multiprocessing
            from multiprocessing.context import BaseContext

            if self.num_workers == 0:
                raise ValueError("multiprocessing_context can only be used with multi-process loading "
                                 f"(num_workers > 0), but got num_workers={self.num_workers}")
            if isinstance(context, str):
                methods = multiprocessing.get_all_start_methods()
                if context not in methods:
                    raise ValueError("multiprocessing_context option should specify a valid start method in "
                                     f"{methods!r}, but got multiprocessing_context={context!r}")
                context = multiprocessing.get_context(context)
            if not isinstance(context, BaseContext):
                raise TypeError("multiprocessing_context option should be a valid context object or a string "
                                f"specifying the start method, but got multiprocessing_context={context}")
        self.__multiprocessing_context = context

    @property
    def _auto_collation(self) -> bool:
        return self.batch_sampler is not None

    @property
    def _index_sampler(self) -> Any:
        """What gives the next index of the fetcher: lists with automatic batches, else single indices."""
        return self.batch_sampler if self._auto_collation else self.sampler

    def _get_iterator(self) -> _BaseDataLoaderIter:
        if self.num_workers == 0:
            return _SingleProcessDataLoaderIter(self)
        self.check_worker_number_rationality()
        return _MultiProcessingDataLoaderIter(self)

    def __iter__(self) -> _BaseDataLoaderIter:
        if self.persistent_workers and self.num_workers > 0:
            if self._iterator is None:
                self._iterator = self._get_iterator()
            else:
                self._iterator._reset(self)
            return self._iterator
        return self._get_iterator()

    def __len__(self) -> int:
        if self._dataset_kind == _DatasetKind.Map:
            return len(self._index_sampler)
        # an iterable dataset may know its length; what came out in the end is compared with it
        length = self._IterableDataset_len_called = len(self.dataset)
        if self.batch_size is not None:
            return length // self.batch_size if self.drop_last else -(-length // self.batch_size)
        return length

    def check_worker_number_rationality(self) -> None:
        """Warn of more workers than this process may use processors."""
        import os

        if not self.num_workers:
            return
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        if cores is not None and self.num_workers > cores:
            warnings.warn(f"This DataLoader will create {self.num_workers} worker processes in total. Our suggested "
                          f"max number of worker in current system is {cores}, which is smaller than what this "
                          "DataLoader is going to create. Please be aware that excessive worker creation might get "
                          "DataLoader running slow or even freeze, lower the worker number to avoid potential "
                          "slowness/freeze if necessary.", stacklevel=3)


class _BaseDataLoaderIter:
    """One pass over a DataLoader."""

    def __init__(self, loader: DataLoader) -> None:
        self._dataset = loader.dataset
        self._dataset_kind = loader._dataset_kind
        self._IterableDataset_len_called = loader._IterableDataset_len_called
        self._auto_collation = loader._auto_collation
        self._drop_last = loader.drop_last
        self._index_sampler = loader._index_sampler
        self._num_workers = loader.num_workers
        self._timeout = loader.timeout
        self._collate_fn = loader.collate_fn
        self._generator = loader.generator
        self._pin_memory = bool(loader.pin_memory) and torch.cuda.is_available()
        if loader.pin_memory and not self._pin_memory:
            warnings.warn("'pin_memory' argument is set as true but no accelerator is found, then device pinned memory "
                          "won't be used.", stacklevel=4)
        self._start()
        # a seed for the workers, drawn in every case; workers that stay for other passes keep theirs
        self._base_seed = int(torch.empty((), dtype=torch.int64).random_(generator=self._generator).item())

    def _start(self) -> None:
        """Begin a pass: an order of the sampler."""
        self._sampler_iter = iter(self._index_sampler)
        self._num_yielded = 0

    def _reset(self, loader: DataLoader, first_iter: bool = False) -> None:
        self._IterableDataset_len_called = loader._IterableDataset_len_called
        self._start()

    def __iter__(self) -> _BaseDataLoaderIter:
        return self

    def _next_data(self) -> Any:
        raise NotImplementedError

    def __next__(self) -> Any:
        data = self._next_data()
        self._num_yielded += 1
        promised = self._IterableDataset_len_called
        if promised is not None and self._dataset_kind == _DatasetKind.Iterable and self._num_yielded > promised:
            message = (f"Length of IterableDataset {self._dataset} was reported to be {promised} (when accessing "
                       f"len(dataloader)), but {self._num_yielded} samples have been fetched. ")
            if self._num_workers > 0:
                message += ("For multiprocessing data-loading, this could be caused by not properly configuring the "
                            "IterableDataset replica at each worker.")
            warnings.warn(message, stacklevel=2)
        return data

    def __len__(self) -> int:
        return len(self._index_sampler)

    def __getstate__(self) -> Any:
        raise NotImplementedError(f"{self.__class__.__name__} cannot be pickled")


class _SingleProcessDataLoaderIter(_BaseDataLoaderIter):
    def __init__(self, loader: DataLoader) -> None:
        super().__init__(loader)
        if self._timeout != 0 or self._num_workers != 0:
            raise AssertionError("a timeout needs worker processes")
        self._dataset_fetcher = _DatasetKind.create_fetcher(self._dataset_kind, self._dataset, self._auto_collation,
                                                            self._collate_fn, self._drop_last)

    def _next_data(self) -> Any:
        data = self._dataset_fetcher.fetch(next(self._sampler_iter))
        return _pinned(data) if self._pin_memory else data


class _MultiProcessingDataLoaderIter(_BaseDataLoaderIter):
    """Worker processes, each with a connection of its own.

    Batches are numbered; batch n is a task of one worker, and what a worker has answered waits in `_answers` until
    its number's turn. Every message names the pass it belongs to, so that answers of a pass that was left early are
    told apart.
    """

    def __init__(self, loader: DataLoader) -> None:
        self._workers: list = []
        self._connections: list = []
        self._shutdown = False
        super().__init__(loader)
        import multiprocessing

        import numpy  # noqa: F401  # here once, rather than in every worker

        context = loader.multiprocessing_context or multiprocessing.get_context()
        self._prefetch_factor = loader.prefetch_factor
        self._in_order = loader.in_order
        self._persistent_workers = loader.persistent_workers
        self._epoch = 0
        forked = context.get_start_method() == "fork"
        try:
            for i in range(self._num_workers):
                ours, theirs = context.Pipe(duplex=True)
                self._connections.append(ours)
                worker = context.Process(
                    target=_utils.worker.worker_loop, daemon=True,
                    args=(theirs, tuple(self._connections) if forked else (),
                          self._dataset_kind == _DatasetKind.Iterable, self._dataset, self._auto_collation,
                          self._collate_fn, self._drop_last, self._base_seed, loader.worker_init_fn, i,
                          self._num_workers))
                worker.start()
                theirs.close()
                self._workers.append(worker)
        except BaseException:
            self._shutdown_workers()
            raise
        self._begin_pass()

    def _reset(self, loader: DataLoader, first_iter: bool = False) -> None:
        super()._reset(loader)
        self._epoch += 1
        self._begin_pass()

    def _begin_pass(self) -> None:
        self._sent = 0  # number of the next task
        self._next = 0  # number of the next batch to give out
        self._tasks: dict[int, int] = {}  # task -> worker, until it is given out
        self._answers: dict[int, Any] = {}
        self._active = [True] * self._num_workers
        self._turn = 0
        for _ in range((self._prefetch_factor or 0) * self._num_workers):
            self._try_put_index()

    def _try_put_index(self) -> None:
        """Give the next task to the next worker that has data left."""
        if len(self._tasks) >= max(1, self._prefetch_factor or 0) * self._num_workers:
            return
        for _ in range(self._num_workers):
            worker = self._turn
            self._turn = (worker + 1) % self._num_workers
            if self._active[worker]:
                break
        else:
            return
        try:
            index = next(self._sampler_iter)
        except StopIteration:
            return
        try:
            self._connections[worker].send((self._epoch, self._sent, index))
        except (BrokenPipeError, ConnectionResetError):
            self._report_death([worker])
        self._tasks[self._sent] = worker
        self._sent += 1

    def _next_data(self) -> Any:
        while True:
            number = self._turn_of()
            if number is None:
                if not self._persistent_workers:
                    self._shutdown_workers()
                raise StopIteration
            if number not in self._answers:
                self._receive(number)
                continue
            data = self._answers.pop(number)
            del self._tasks[number]
            self._try_put_index()
            if isinstance(data, WorkerError):
                data.reraise()
            return _pinned(data) if self._pin_memory else data

    def _turn_of(self) -> int | None:
        """The number of the batch to give out next; None when there are no more."""
        if not self._tasks:
            self._try_put_index()
        if not self._tasks:
            return None
        if not self._in_order and self._answers:
            return next(iter(self._answers))
        return next(iter(self._tasks))

    def _receive(self, number: int) -> None:
        """Take in one answer at least: that of the worker whose turn it is, if it is there, else whatever comes."""
        from multiprocessing.connection import wait

        owner = self._connections[self._tasks[number]]
        ready: list = [owner] if self._in_order and owner.poll() else []
        if not ready:
            busy = sorted(set(self._tasks.values()))
            sentinels = {self._workers[i].sentinel: i for i in busy}
            found = wait([*(self._connections[i] for i in busy), *sentinels], self._timeout or None)
            if not found:
                self._shutdown_workers()
                raise RuntimeError(f"DataLoader timed out after {self._timeout} seconds")
            ready = [one for one in found if not isinstance(one, int)]
            if not ready:
                self._report_death([sentinels[one] for one in found])
        for connection in ready:
            try:
                epoch, answered, data = _utils.transport.receive(connection)
            except (EOFError, ConnectionResetError):
                self._report_death([self._connections.index(connection)])
            if epoch != self._epoch:
                continue
            if isinstance(data, EndOfData):
                self._active[self._tasks.pop(answered)] = False
                self._try_put_index()
            else:
                self._answers[answered] = data

    def _report_death(self, workers: list[int]) -> None:
        """Raise for workers that ended without having been told to."""
        dead = [self._workers[i] for i in workers]
        for process in dead:
            process.join(1)
        pids = ", ".join(str(process.pid) for process in dead)
        codes = ", ".join(str(process.exitcode) for process in dead)
        self._shutdown_workers()
        if all(process.exitcode is not None and process.exitcode < 0 for process in dead):
            import signal

            name = signal.Signals(-dead[0].exitcode).name
            raise RuntimeError(f"DataLoader worker (pid(s) {pids}) is killed by signal: {name}. ")
        raise RuntimeError(f"DataLoader worker (pid(s) {pids}) exited unexpectedly (exit code {codes})")

    def _shutdown_workers(self) -> None:
        """End the workers: they are told to, then given some seconds, then terminated."""
        import os
        import time

        if self._shutdown:
            return
        self._shutdown = True
        for connection in self._connections:
            try:
                connection.send(None)
            except (OSError, ValueError):  # already closed by the worker's end
                pass
            connection.close()
        deadline = time.monotonic() + _utils.MP_STATUS_CHECK_INTERVAL
        for worker in self._workers:
            if worker._parent_pid != os.getpid():  # this object came into another process by a fork
                continue
            worker.join(max(0.0, deadline - time.monotonic()))
            if worker.is_alive():
                worker.terminate()
                worker.join()

    def __del__(self) -> None:
        try:
            self._shutdown_workers()
        except (AttributeError, TypeError, ImportError):  # the interpreter is going down
            pass
