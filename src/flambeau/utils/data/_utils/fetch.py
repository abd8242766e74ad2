"""Fetchers: they turn a sampler's indices into a batch of a dataset."""
from __future__ import annotations

from typing import Any

import flambeau as torch

from .collate import default_collate


class _MapDatasetFetcher:
    """Items by index. `auto_collation` says whether an index stands for a batch of indices."""

    def __init__(self, dataset: Any, auto_collation: bool, collate_fn: Any, drop_last: bool) -> None:
        self.dataset = dataset
        self.auto_collation = auto_collation
        self.collate_fn = collate_fn
        self.drop_last = drop_last

    def fetch(self, index: Any) -> Any:
        dataset = self.dataset
        if self.auto_collation:
            many = getattr(dataset, "__getitems__", None)
            data = many(index) if many else [dataset[i] for i in index]
        else:
            data = dataset[index]
        return self.collate_fn(data)


class _TensorDatasetFetcher(_MapDatasetFetcher):
    """Batches of a plain TensorDataset: rows gathered by one operator a tensor, not one a row."""

    def fetch(self, index: Any) -> Any:
        chosen = torch.tensor(index, dtype=torch.int64)
        for i in (min(index), max(index)):
            if not -len(self.dataset) <= i < len(self.dataset):
                self.dataset[i]  # raises the error that this index has without batches
        if min(index) < 0:
            chosen = chosen % len(self.dataset)
        return [tensor.index_select(0, chosen) for tensor in self.dataset.tensors]


class _IterableDatasetFetcher:
    """Items in the order of an iterable dataset; a batch of indices only says how many."""

    def __init__(self, dataset: Any, auto_collation: bool, collate_fn: Any, drop_last: bool) -> None:
        self.auto_collation = auto_collation
        self.collate_fn = collate_fn
        self.drop_last = drop_last
        self.items = iter(dataset)
        self.ended = False

    def fetch(self, index: Any) -> Any:
        if self.ended:
            raise StopIteration
        if not self.auto_collation:
            return self.collate_fn(next(self.items))
        data = []
        for _ in index:
            try:
                data.append(next(self.items))
            except StopIteration:
                self.ended = True
                break
        if not data or (self.drop_last and len(data) < len(index)):
            raise StopIteration
        return self.collate_fn(data)


def create_fetcher(iterable: bool, dataset: Any, auto_collation: bool, collate_fn: Any, drop_last: bool) -> Any:
    """The fetcher for a kind of dataset."""
    if iterable:
        return _IterableDatasetFetcher(dataset, auto_collation, collate_fn, drop_last)
    from ..dataset import TensorDataset

    if (auto_collation and collate_fn is default_collate and type(dataset) is TensorDataset
            and all(type(tensor) is torch.Tensor and not tensor.requires_grad for tensor in dataset.tensors)):
        return _TensorDatasetFetcher(dataset, auto_collation, collate_fn, drop_last)
    return _MapDatasetFetcher(dataset, auto_collation, collate_fn, drop_last)
