"""Tensors between processes: both sides see one memory, however the process was started."""
import pytest

import flambeau as torch
import flambeau.multiprocessing as mp


def write(tensor, model, queue, done):
    tensor += 1
    model.weight.data.fill_(3.0)
    queue.put((torch.arange(4), {"parameter": model.weight}))
    done.wait(60)


def fill(index, tensor):
    tensor[index] = index + 10


@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_writes_are_seen_on_both_sides(method):
    context = mp.get_context(method)
    tensor, model = torch.zeros(3).share_memory_(), torch.nn.Linear(2, 2)
    model.share_memory()
    queue, done = context.Queue(), context.Event()
    process = context.Process(target=write, args=(tensor, model, queue, done))
    process.start()
    numbers, others = queue.get(timeout=60)
    others["parameter"].data[0, 0] = 7.0
    done.set()
    process.join()
    assert process.exitcode == 0
    assert tensor.tolist() == [1.0] * 3 and numbers.tolist() == [0, 1, 2, 3]
    assert model.weight.tolist() == [[7.0, 3.0], [3.0, 3.0]]
    assert isinstance(others["parameter"], torch.nn.Parameter) and others["parameter"].requires_grad
    assert numbers.is_shared()


def test_arguments_of_spawned_processes_become_shared():
    tensor = torch.zeros(4)
    mp.spawn(fill, (tensor[1:],), nprocs=2)
    assert tensor.tolist() == [0.0, 10.0, 11.0, 0.0] and tensor.is_shared()


def test_sharing_keeps_views_and_frees_memory():
    before = torch.memory_stats()["live_storages"]
    for size in (0, 5, 100_000):
        tensor = torch.ones(size)
        view, array = tensor[1:], tensor.numpy()
        storage = tensor.untyped_storage()
        assert not tensor.is_shared() and not storage.is_shared()
        assert tensor.share_memory_() is tensor
        assert tensor.is_shared() and view.is_shared() and storage.is_shared() and not tensor.clone().is_shared()
        view.fill_(2)
        assert tensor.sum() == max(2 * size - 1, 0) and array.sum() == size  # the array keeps the memory from before
        address = tensor.data_ptr()
        assert tensor.share_memory_().data_ptr() == address
        with pytest.raises(RuntimeError, match="not resizable"):
            storage.resize_(10_000_000)
        del tensor, view, array, storage
    assert torch.memory_stats()["live_storages"] == before
    assert torch.FloatStorage._new_shared(3).is_shared()


def test_results_that_need_gradients_are_not_sent():
    with pytest.raises(RuntimeError, match="Cowardly refusing to serialize non-leaf tensor"):
        mp.reductions.reduce_tensor(torch.ones(2, requires_grad=True) * 2)
