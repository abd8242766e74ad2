"""Worker processes of the DataLoader: order, seeds, errors, deaths, large batches, early ends."""
import gc
import multiprocessing
import os
import random
import time
import warnings

import numpy
import pytest

import flambeau as torch
from flambeau.utils.data import DataLoader, Dataset, IterableDataset, get_worker_info

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
FORK = {"multiprocessing_context": "fork"}


class Seeds(Dataset):
    def __len__(self):
        return 6

    def __getitem__(self, index):
        info = get_worker_info()
        return (info.id, info.seed, int(torch.randint(0, 2**31, (1,))), random.randint(0, 1 << 30),
                int(numpy.random.randint(0, 1 << 30)), info.worker_id, info.num_workers, torch.get_num_threads())


class Failing(Dataset):
    def __init__(self, error):
        self.error = error

    def __len__(self):
        return 6

    def __getitem__(self, index):
        if index == 3:
            raise self.error
        return index


class Dying(Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        os._exit(3)


class Slow(Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        time.sleep(60)


class Shard(IterableDataset):
    def __init__(self, n):
        self.n = n

    def __iter__(self):
        info = get_worker_info()
        return iter(range(info.id, self.n, info.num_workers))


class Large(Dataset):
    def __len__(self):
        return 5

    def __getitem__(self, index):
        return {"t": torch.full((200, 200), float(index)), "b": torch.ones(3, dtype=torch.bfloat16) * index,
                "n": numpy.full(100_000, index), "e": torch.empty(0, 3), "s": str(index)}


def as_items(batch):
    return batch


def test_order_is_kept():
    expected = [b.tolist() for b in DataLoader(range(23), batch_size=4)]
    for workers in (1, 3):
        assert [b.tolist() for b in DataLoader(range(23), batch_size=4, num_workers=workers, **FORK)] == expected
    got = [b.tolist() for b in DataLoader(range(23), batch_size=4, num_workers=2, in_order=False, **FORK)]
    assert sorted(got) == sorted(expected)


def test_seeds_are_pytorchs():
    torch.manual_seed(7)
    loader = DataLoader(Seeds(), num_workers=2, batch_size=2, collate_fn=as_items, **FORK)
    rows = [row for batch in loader for row in batch]
    assert rows[0] == (0, 1407639518939636932, 1713526587, 219983605, 152107836, 0, 2, 1)
    assert rows[1][2:5] == (936797091, 878100847, 863888540)
    assert rows[2][:5] == (1, 1407639518939636933, 1061676403, 991775690, 1033864931)
    assert list(loader)[0][0][1] == 5163590386780219894
    assert torch.rand(1).item() == pytest.approx(0.2328, abs=1e-4)
    assert get_worker_info() is None


def test_large_batches_cross_over():
    for batch, index in zip(DataLoader(Large(), batch_size=None, num_workers=2, **FORK), range(5)):
        assert batch["t"].shape == (200, 200) and batch["t"].min().item() == batch["t"].max().item() == index
        assert batch["b"].dtype == torch.bfloat16 and batch["b"].tolist() == [index] * 3
        assert batch["n"].tolist() == [index] * 100_000 and batch["e"].shape == (0, 3) and batch["s"] == str(index)
        batch["t"].add_(1)  # the memory is this process's own


@pytest.mark.parametrize("error", [KeyError("broken"), ValueError("broken"), FileNotFoundError("broken")])
def test_errors_keep_their_class(error):
    got = []
    with pytest.raises(type(error)) as caught:
        for item in DataLoader(Failing(error), num_workers=2, **FORK):
            got.append(int(item))
    assert got == [0, 1, 2]
    text = str(caught.value)
    assert f"Caught {type(error).__name__} in DataLoader worker process 1." in text
    assert "Original Traceback" in text and "broken" in text and "__getitem__" in text


def test_errors_of_classes_that_only_the_worker_knows():
    class Local(Exception):
        def __init__(self, one, two):
            super().__init__(one)

    with pytest.raises(RuntimeError, match="Caught Local in DataLoader worker process 0"):
        list(DataLoader(Failing(Local("a", "b")), num_workers=1, **FORK))


def test_init_function():
    def init(worker_id):
        if worker_id == 1:
            raise ZeroDivisionError("no")

    with pytest.raises(ZeroDivisionError, match="Original Traceback"):
        list(DataLoader(range(8), num_workers=2, worker_init_fn=init, **FORK))


def test_dead_and_slow_workers():
    with pytest.raises(RuntimeError, match=r"DataLoader worker \(pid\(s\) \d+\) exited unexpectedly"):
        list(DataLoader(Dying(), num_workers=2, **FORK))
    with pytest.raises(RuntimeError, match="DataLoader timed out after 0.5 seconds"):
        import flambeau.utils.data._utils as utils

        before, utils.MP_STATUS_CHECK_INTERVAL = utils.MP_STATUS_CHECK_INTERVAL, 0.1
        try:
            list(DataLoader(Slow(), num_workers=1, timeout=0.5, **FORK))
        finally:
            utils.MP_STATUS_CHECK_INTERVAL = before


def test_iterable_shards():
    got = [b.tolist() for b in DataLoader(Shard(11), num_workers=3, batch_size=2, **FORK)]
    assert sorted(i for b in got for i in b) == list(range(11)) and got[:3] == [[0, 3], [1, 4], [2, 5]]


def test_persistent_workers_and_early_ends():
    gc.collect()  # loaders that other tests left in cycles
    before = set(multiprocessing.active_children())
    loader = DataLoader(Seeds(), num_workers=2, persistent_workers=True, collate_fn=as_items, **FORK)
    first = {row[1] for batch in loader for row in batch}
    for batch in loader:
        break
    assert {row[1] for batch in loader for row in batch} == first
    for _ in range(3):
        for batch in DataLoader(range(100), num_workers=2, **FORK):
            break
    del loader, batch
    deadline = time.time() + 10
    while set(multiprocessing.active_children()) - before and time.time() < deadline:
        time.sleep(0.05)
    assert not set(multiprocessing.active_children()) - before


def test_other_start_methods():
    loader = DataLoader(Large(), batch_size=None, num_workers=1, multiprocessing_context="spawn")
    assert [b["s"] for b in loader] == list("01234")


def test_length_of_iterable_is_checked():
    class Liar(IterableDataset):
        def __iter__(self):
            return iter(range(3))

        def __len__(self):
            return 2

    loader = DataLoader(Liar())
    assert len(loader) == 2
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        assert len(list(loader)) == 3
    assert "was reported to be 2" in str(seen[0].message)


def test_workers_that_stay_draw_one_seed():
    loader = DataLoader(range(4), num_workers=1, persistent_workers=True, **FORK)
    list(loader)
    before = torch.get_rng_state()
    list(loader)
    assert torch.equal(torch.get_rng_state(), before)
