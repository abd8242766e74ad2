"""Learning-rate schedules: their rates, chaining, saving, warnings, errors; averaging of weights."""
import copy
import math
import warnings

import pytest

import flambeau as torch
from flambeau.optim import lr_scheduler as schedules
from flambeau.optim import swa_utils


def sgd(lr=1.0, momentum=0.9):
    return torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=lr, momentum=momentum)


def rates(make, steps, lr=1.0):
    optimizer = sgd(lr)
    schedule = make(optimizer)
    out = []
    for _ in range(steps):
        out.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return out


@pytest.mark.parametrize("make, expected", [
    (lambda o: schedules.LambdaLR(o, lambda e: 1 / (1 + e)), [1, 1 / 2, 1 / 3, 1 / 4]),
    (lambda o: schedules.MultiplicativeLR(o, lambda e: 0.5), [1, 0.5, 0.25, 0.125]),
    (lambda o: schedules.StepLR(o, 2, 0.1), [1, 1, 0.1, 0.1, 0.01]),
    (lambda o: schedules.MultiStepLR(o, [1, 3, 3], 0.5), [1, 0.5, 0.5, 0.125, 0.125]),
    (lambda o: schedules.ConstantLR(o, 0.5, 2), [0.5, 0.5, 1, 1]),
    (lambda o: schedules.LinearLR(o, 0.5, 1.0, 4), [0.5, 0.625, 0.75, 0.875, 1, 1]),
    (lambda o: schedules.ExponentialLR(o, 0.5), [1, 0.5, 0.25]),
    (lambda o: schedules.PolynomialLR(o, 4, 2.0), [1, 0.5625, 0.25, 0.0625, 0, 0]),
    (lambda o: schedules.CosineAnnealingLR(o, 4), [(1 + math.cos(math.pi * e / 4)) / 2 for e in range(9)]),
    (lambda o: schedules.CosineAnnealingWarmRestarts(o, 2, 2),
     [1, 0.5, 1, (1 + math.cos(math.pi / 4)) / 2, 0.5, (1 + math.cos(3 * math.pi / 4)) / 2, 1]),
    (lambda o: schedules.CyclicLR(o, 0.0, 1.0, 2, 2), [0, 0.5, 1, 0.5, 0, 0.5]),
    (lambda o: schedules.CyclicLR(o, 0.0, 1.0, 2, mode="triangular2"), [0, 0.5, 1, 0.5, 0, 0.25, 0.5, 0.25]),
    (lambda o: schedules.OneCycleLR(o, 1.0, 10, anneal_strategy="linear"),
     [0.04, 0.52, 1.0, 0.857143428571, 0.714286857143, 0.571430285714, 0.428573714286]),
    (lambda o: schedules.SequentialLR(o, [schedules.ConstantLR(o, 0.1, 9), schedules.ExponentialLR(o, 0.5)], [2]),
     [0.1, 0.1, 1.0, 0.5, 0.25]),
    (lambda o: schedules.ChainedScheduler([schedules.ConstantLR(o, 0.5, 2), schedules.ExponentialLR(o, 0.5)]),
     [0.5, 0.25, 0.25, 0.125]),
])
def test_rates(make, expected):
    assert rates(make, len(expected)) == pytest.approx(expected, abs=1e-9)


def test_momentum_goes_the_other_way():
    optimizer = sgd()
    schedule = schedules.OneCycleLR(optimizer, 1.0, 10, anneal_strategy="linear")
    seen = []
    for _ in range(3):
        seen.append(optimizer.param_groups[0]["momentum"])
        optimizer.step()
        schedule.step()
    assert seen == pytest.approx([0.95, 0.9, 0.85])


def test_plateau():
    optimizer = sgd()
    schedule = schedules.ReduceLROnPlateau(optimizer, patience=1, factor=0.1)
    seen = []
    for loss in (1.0, 1.0, 1.0, 1.0, 0.5, 0.6, 0.6):
        schedule.step(torch.tensor(loss))
        seen.append(schedule.get_last_lr()[0])
    assert seen == pytest.approx([1, 1, 0.1, 0.1, 0.1, 0.1, 0.01])


def test_state_round_trip():
    optimizer = sgd()
    schedule = schedules.CosineAnnealingLR(optimizer, 7)
    for _ in range(3):
        optimizer.step()
        schedule.step()
    state = copy.deepcopy((optimizer.state_dict(), schedule.state_dict()))
    assert "optimizer" not in state[1]
    other = sgd(0.3)
    resumed = schedules.CosineAnnealingLR(other, 7)
    other.load_state_dict(state[0])
    resumed.load_state_dict(state[1])
    for o, s in ((optimizer, schedule), (other, resumed)):
        o.step()
        s.step()
    assert resumed.get_last_lr() == schedule.get_last_lr() and resumed.last_epoch == 4


def test_warnings_about_the_order():
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        schedules.StepLR(sgd(), 1).step()
    assert "Detected call of `lr_scheduler.step()` before `optimizer.step()`" in str(seen[0].message)
    optimizer = sgd()
    schedule = schedules.StepLR(optimizer, 1)
    optimizer.step()
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        schedule.step()
        assert not seen
        schedule.step(5)
        assert "epoch parameter" in str(seen[0].message)
        schedule.get_lr()
        assert "get_last_lr" in str(seen[1].message)
    assert schedule.last_epoch == 5


def test_tensor_rates_keep_their_identity():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=torch.tensor(1.0))
    lr = optimizer.param_groups[0]["lr"]
    schedule = schedules.ExponentialLR(optimizer, 0.5)
    optimizer.step()
    schedule.step()
    assert optimizer.param_groups[0]["lr"] is lr and lr.item() == 0.5


@pytest.mark.parametrize("make, error, text", [
    (lambda o: schedules.StepLR(3, 1), TypeError, "int is not an Optimizer"),
    (lambda o: schedules.StepLR(o, 1, last_epoch=2), KeyError, "param 'initial_lr' is not specified"),
    (lambda o: schedules.LambdaLR(o, [min, max]), ValueError, "Expected 1 lr_lambdas, but got 2"),
    (lambda o: schedules.ConstantLR(o, 2.0), ValueError, "expected to be between 0 and 1"),
    (lambda o: schedules.OneCycleLR(o, 0.1), ValueError, "You must define either total_steps OR"),
    (lambda o: schedules.CyclicLR(o, 0.1, 0.2, mode="x"), ValueError, "mode is invalid and scale_fn is None"),
    (lambda o: schedules.ReduceLROnPlateau(o, "x"), ValueError, "mode x is unknown!"),
    (lambda o: schedules.CosineAnnealingWarmRestarts(o, 0), ValueError, "Expected positive integer T_0"),
    (lambda o: schedules.SequentialLR(o, [], []), ValueError, "expects at least one scheduler"),
])
def test_errors(make, error, text):
    with pytest.raises(error) as caught:
        make(sgd())
    assert text in str(caught.value)


def test_averaged_model_and_swalr():
    model = torch.nn.Linear(1, 1, bias=False)
    equal, ema = swa_utils.AveragedModel(model), swa_utils.AveragedModel(
        model, multi_avg_fn=swa_utils.get_ema_multi_avg_fn(0.5))
    for value in (1.0, 3.0, 8.0):
        torch.nn.init.constant_(model.weight, value)
        equal.update_parameters(model)
        ema.update_parameters(model)
    assert equal.module.weight.item() == 4.0 and ema.module.weight.item() == 5.0
    assert equal.n_averaged.item() == 3 and list(equal.state_dict()) == ["n_averaged", "module.weight"]
    optimizer = sgd()
    schedule = swa_utils.SWALR(optimizer, 0.5, anneal_epochs=2, anneal_strategy="linear")
    seen = []
    for _ in range(3):
        optimizer.step()
        schedule.step()
        seen.append(schedule.get_last_lr()[0])
    assert seen == pytest.approx([0.75, 0.5, 0.5])


def test_update_bn():
    net = torch.nn.Sequential(torch.nn.BatchNorm1d(1))
    swa_utils.update_bn([torch.tensor([[0.0], [2.0]]), [torch.tensor([[2.0], [4.0]]), None]], net)
    assert net[0].running_mean.item() == 2.0 and net[0].running_var.item() == 2.0 and net[0].momentum == 0.1
