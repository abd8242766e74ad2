"""Storages: typed and untyped, sharing, resizing with windows alive; the early tensor types."""
import flambeau as torch
import pytest


def test_early_types():
    assert torch.FloatTensor([1, 2]).tolist() == [1.0, 2.0] and torch.LongTensor([1.5]).tolist() == [1]
    assert isinstance(torch.zeros(1), torch.FloatTensor) and not isinstance(torch.zeros(1), torch.DoubleTensor)
    assert torch.zeros(1).type() == "torch.FloatTensor" and torch.zeros(1).type(torch.LongTensor).dtype is torch.int64
    assert repr(torch.FloatTensor) == "<class 'torch.FloatTensor'>" and torch.zeros(1).storage_type() is torch.FloatStorage
    with pytest.raises(TypeError, match="CUDA"):
        torch.cuda.FloatTensor(2)
    with pytest.raises(ValueError, match="invalid type"):
        torch.zeros(1).type("torch.FooTensor")


def test_typed_storage_shares_memory():
    x = torch.zeros(3)
    s = x.storage()
    s[1] = 5
    assert x.tolist() == [0.0, 5.0, 0.0] and len(s) == 3 and s.nbytes() == 12 and s.tolist() == [0.0, 5.0, 0.0]
    assert torch.FloatTensor(s).data_ptr() == x.data_ptr()
    assert str(torch.FloatStorage([1])) == " 1.0\n[torch.storage.TypedStorage(dtype=torch.float32, device=cpu) of size 1]"
    with pytest.raises(IndexError):
        s[3]


def test_parts_of_a_storage():
    s = torch.UntypedStorage([1, 2, 3, 4])
    part = s[1:3]
    part.fill_(9)
    assert s.tolist() == [1, 9, 9, 4]
    with pytest.raises(RuntimeError, match="not resizable"):
        s.resize_(100)


@pytest.mark.parametrize("n", [1000, 1_000_000])
def test_windows_outlive_a_shrunk_storage(n):
    x = torch.ones(n)
    window = x[n // 2:]
    x.untyped_storage().resize_(0)
    assert x.untyped_storage().nbytes() == 0
    window.fill_(3)  # still memory of ours
    x.untyped_storage().resize_(4 * n)
    assert window[-1] == 3


def test_arrays_pin_the_storage():
    x = torch.ones(4)
    array = x.numpy()
    with pytest.raises(RuntimeError, match="not resizable"):
        x.resize_(1000)
    x.set_()
    assert x.shape == (0,) and array.sum() == 4


def test_set_grows_a_storage_and_checks_bounds():
    x = torch.ones(2)
    x.set_(x.untyped_storage(), 0, (5,), (1,))
    assert x.shape == (5,) and x.untyped_storage().nbytes() == 20
    with pytest.raises(RuntimeError):
        x.set_(x.untyped_storage(), -1, (1,), (1,))
    with pytest.raises(RuntimeError):
        x.set_(x.untyped_storage(), 0, (2**62, 2**62), (1, 1))
