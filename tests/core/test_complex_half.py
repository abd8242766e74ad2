"""complex32: created, converted, promoted and printed as PyTorch does; arithmetic where PyTorch's processor kernels have it."""

import flambeau as torch
import pytest

H = torch.float16


def test_promotion():
    h, c = torch.ones(2, dtype=H), torch.ones(2, dtype=torch.complex32)
    assert torch.chalf is torch.complex32 and torch.complex32.itemsize == 4 and torch.complex32.to_real() == H
    assert H.to_complex() == torch.complex32 and torch.bfloat16.to_complex() == torch.complex64
    for other, expected in ((H, "complex32"), (torch.int64, "complex32"), (torch.bool, "complex32"), (torch.bfloat16, "complex64"),
                            (torch.float32, "complex64"), (torch.float64, "complex128"), (torch.complex64, "complex64"),
                            (torch.complex128, "complex128")):
        assert str(torch.promote_types(torch.complex32, other)) == str(torch.promote_types(other, torch.complex32)) == "torch." + expected
    assert torch.result_type(h, 1j) == torch.result_type(h, torch.tensor(1j)) == torch.complex32
    assert (h * 1j).dtype == (h + torch.tensor(1j)).dtype == (c + 1).dtype == torch.complex32


def test_values():
    x = torch.tensor([1 + 2j, 3 - 1j], dtype=torch.complex32)
    assert repr(x) == "tensor([1.+2.j, 3.-1.j], dtype=torch.complex32)"
    assert x.tolist() == [1 + 2j, 3 - 1j] and x[0].item() == 1 + 2j
    assert (x + x).tolist() == [2 + 4j, 6 - 2j] and (x * x).tolist() == [-3 + 4j, 8 - 6j] and (-x).tolist() == [-1 - 2j, -3 + 1j]
    assert x.abs().dtype == H and (x == x).tolist() == [True, True]
    assert x.real.tolist() == [1, 3] and x.imag.tolist() == [2, -1] and torch.view_as_real(x).dtype == H
    assert x.to(torch.complex64).tolist() == x.tolist() == x.to(torch.complex128).to(torch.complex32).tolist()
    assert torch.ones(2, dtype=H).chalf().tolist() == torch.ones(2).to(torch.complex32).tolist() == [1, 1]
    assert torch.complex(x.real, x.imag).tolist() == torch.view_as_complex(torch.view_as_real(x)).tolist() == x.tolist()
    assert torch.cat([x, x]).tolist() == x.tolist() * 2
    x[0] = 1j
    assert torch.where(torch.tensor([True, False]), x, x * 2).tolist() == [1j, 6 - 2j]


def test_other_operators_do_not_know_it():
    h, x = torch.ones(2, dtype=H), torch.ones(2, dtype=torch.complex32)
    calls = [lambda: x / x, lambda: h / 1j, lambda: x ** 2, lambda: h ** 1j, x.exp, x.sum, x.mean, lambda: x @ x, x.sort, x.prod,
             lambda: x.cumsum(0), x.sqrt]
    for call in calls:
        with pytest.raises(RuntimeError):
            call()
    with pytest.raises(TypeError):
        x.numpy()
