"""Optimisers: five steps against literal numbers, state, groups, hooks, saving, errors."""
import copy
import pickle
import warnings

import pytest

import flambeau as torch

# name, arguments, the four weights after five steps on the problem of `minimise`; the numbers are PyTorch 2.13's
TRACES = [
    ("SGD", {}, [0.9900793257132167, -1.9416319474285917, 0.49193559233561435, 2.8163515823620964]),
    ("SGD", {'lr': 0.02, 'momentum': 0.9, 'weight_decay': 0.1, 'nesterov': True},
     [0.46416286998037737, 0.05928419506139702, 0.08123687312514873, -1.3700983460882197]),
    ("SGD", {'lr': 0.005, 'momentum': 0.9, 'dampening': 0.5, 'maximize': True},
     [1.0886988767667347, -2.5751722587839114, 0.5719090321866999, 5.183750440456483]),
    ("Adam", {'lr': 0.1}, [0.517698256509588, -1.5081930750417196, 0.030373204696208425, 2.5049007414647133]),
    ("Adam", {'lr': 0.1, 'amsgrad': True, 'weight_decay': 0.1, 'betas': (0.5, 0.6)},
     [0.550997872735708, -1.5216616616264655, 0.08644913847134192, 2.5107139272712726]),
    ("AdamW", {'lr': 0.1, 'weight_decay': 0.3},
     [0.4124548419202422, -1.261642937057496, -0.004497664762636341, 2.116403676538581]),
    ("Adamax", {'lr': 0.1, 'weight_decay': 0.1},
     [0.5842218812534159, -1.5539879456844174, 0.10651846028442774, 2.5382602895284783]),
    ("NAdam", {'lr': 0.1}, [0.6457682041130569, -1.6247572407550983, 0.16410671362640591, 2.615256547331673]),
    ("NAdam", {'lr': 0.1, 'weight_decay': 0.1, 'decoupled_weight_decay': True},
     [0.6104689425900226, -1.5419892091718397, 0.151605049756554, 2.4838084164809997]),
    ("RAdam", {'lr': 0.1}, [0.28742208712159995, 0.7932158538855474, -0.050156542605784046, -0.9250237627447084]),
    ("RAdam", {'lr': 0.1, 'betas': (0.9, 0.95), 'weight_decay': 0.1},
     [0.25725425196166174, 0.822021718700847, -0.06060966760649886, -0.8767779316468334]),
    ("Adadelta", {'rho': 0.5, 'weight_decay': 0.1},
     [0.9911639337031704, -1.991154432166251, 0.49116814091931255, 2.991150089357093]),
    ("Adagrad", {'lr': 0.1, 'lr_decay': 0.1, 'initial_accumulator_value': 0.5},
     [0.7540995840353829, -1.7338370553261946, 0.2658069309028815, 2.7283443167221972]),
    ("RMSprop", {'lr': 0.1}, [2.969555448873712e-09, -0.398096434010772, -0.004462274346671579, 1.0397246720823516]),
    ("RMSprop", {'lr': 0.1, 'momentum': 0.9, 'centered': True, 'weight_decay': 0.1},
     [0.121636135654848, 1.724676992480138, 0.6241278021140373, -2.29651772556731]),
    ("Rprop", {'lr': 0.1}, [0.25584000000000007, -1.2558399999999998, -0.036799999999999944, 2.2558399999999996]),
    ("ASGD", {'lr': 0.1, 't0': 2, 'lambd': 0.1},
     [0.4175898745022682, -0.26448200741369243, 0.07569498939519567, -0.09606488851357099]),
    ("Adafactor", {'lr': 0.1, 'weight_decay': 0.1},
     [0.08733456049628904, -1.3077033857801157, 0.0917149195409795, 2.2227952091334755]),
    ("Muon", {'lr': 0.1}, [0.5777576306617186, -1.7891202445871095, 0.3500144815027343, 2.5321695849656245]),
    ("LBFGS", {'max_iter': 3},
     [-5.0820139414176876e-05, 8.09297178768827e-05, 2.001950264358802e-05, -1.3882062999552407e-05]),
    ("LBFGS", {'max_iter': 3, 'line_search_fn': 'strong_wolfe'},
     [-5.0820139414176876e-05, 8.09297178768827e-05, 2.001950264358802e-05, -1.3882062999552407e-05]),
]


def minimise(name, arguments, steps=5, dtype=torch.float64):
    w = torch.tensor([[1.0, -2.0], [0.5, 3.0]], dtype=dtype, requires_grad=True)
    slopes = torch.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=dtype)
    optimizer = getattr(torch.optim, name)([w], **arguments)

    def closure():
        optimizer.zero_grad()
        loss = (w**4 / 4 + slopes * w**2 / 2).sum()
        loss.backward()
        return loss

    for _ in range(steps):
        optimizer.step(closure)
    return w, optimizer


@pytest.mark.parametrize("name, arguments, expected", TRACES)
def test_traces(name, arguments, expected):
    w, _ = minimise(name, arguments)
    loose = name == "Muon"  # its matrix is made in bfloat16
    assert w.detach().flatten().tolist() == pytest.approx(expected, rel=1e-2 if loose else 1e-10, abs=1e-12)


@pytest.mark.parametrize("name, arguments, expected", TRACES)
def test_float32_follows_float64(name, arguments, expected):
    if name in ("RMSprop", "LBFGS"):  # near zero a rounding error grows
        return
    w, _ = minimise(name, arguments, dtype=torch.float32)
    assert w.detach().flatten().tolist() == pytest.approx(expected, rel=2e-2 if name == "Muon" else 1e-4, abs=1e-5)


@pytest.mark.parametrize("name, keys", [
    ("SGD", []), ("Adam", ["step", "exp_avg", "exp_avg_sq"]), ("AdamW", ["step", "exp_avg", "exp_avg_sq"]),
    ("Adamax", ["step", "exp_avg", "exp_inf"]), ("NAdam", ["step", "mu_product", "exp_avg", "exp_avg_sq"]),
    ("RAdam", ["step", "exp_avg", "exp_avg_sq"]), ("Adadelta", ["step", "square_avg", "acc_delta"]),
    ("Adagrad", ["step", "sum"]), ("RMSprop", ["step", "square_avg"]), ("Rprop", ["step", "prev", "step_size"]),
    ("ASGD", ["step", "eta", "mu", "ax"]), ("Adafactor", ["step", "row_var", "col_var"]),
    ("Muon", ["momentum_buffer"]),
])
def test_state_layout(name, keys):
    w, optimizer = minimise(name, {}, steps=1)
    assert list(optimizer.state.get(w, {})) == keys
    if "step" in keys:
        step = optimizer.state[w]["step"]
        assert step.dtype == torch.float32 and step.shape == () and step.item() == 1


@pytest.mark.parametrize("name", ["SGD", "Adam", "RMSprop", "Adagrad", "NAdam", "ASGD"])
def test_resuming_goes_on_as_before(name):
    arguments = {"lr": 0.05}
    if name == "SGD":
        arguments["momentum"] = 0.9
    w, optimizer = minimise(name, arguments, steps=3)
    state, start = copy.deepcopy(optimizer.state_dict()), w.detach().clone()
    v = start.clone().requires_grad_()
    other = getattr(torch.optim, name)([v], lr=1.0)
    other.load_state_dict(state)
    for p, o in ((w, optimizer), (v, other)):
        for _ in range(3):
            p.grad = p.detach() * 2
            o.step()
    assert torch.allclose(w, v, rtol=1e-6)
    assert other.param_groups[0]["lr"] == 0.05


def test_groups_and_names():
    a, b = torch.ones(1, requires_grad=True), torch.ones(2, requires_grad=True)
    optimizer = torch.optim.SGD([{"params": [("a", a)], "lr": 1.0}, {"params": [("b", b)]}], lr=0.1)
    assert [g["lr"] for g in optimizer.param_groups] == [1.0, 0.1]
    assert optimizer.state_dict()["param_groups"][1]["param_names"] == ["b"]
    assert optimizer.state_dict()["param_groups"][1]["params"] == [1]
    optimizer.add_param_group({"params": [("c", torch.ones(3, requires_grad=True))], "lr": 3})
    assert len(optimizer.param_groups) == 3
    plain = torch.optim.SGD([torch.ones(1, requires_grad=True)], lr=0.5)
    assert repr(plain) == """SGD (
Parameter Group 0
    dampening: 0
    differentiable: False
    foreach: None
    fused: None
    lr: 0.5
    maximize: False
    momentum: 0
    nesterov: False
    weight_decay: 0
)"""


def test_zero_grad_and_missing_gradients():
    a, b = torch.ones(1, requires_grad=True), torch.ones(1, requires_grad=True)
    optimizer = torch.optim.Adam([a, b], lr=0.5)
    (a * 2).sum().backward()
    optimizer.step()
    assert a.item() == pytest.approx(0.5) and b.item() == 1.0 and b not in optimizer.state
    optimizer.zero_grad(set_to_none=False)
    assert a.grad.item() == 0.0
    optimizer.zero_grad()
    assert a.grad is None


def test_hooks():
    w = torch.ones(1, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=1.0)
    seen = []
    handles = [optimizer.register_step_pre_hook(lambda o, a, k: seen.append("pre")),
               optimizer.register_step_post_hook(lambda o, a, k: seen.append("post")),
               optimizer.register_state_dict_post_hook(lambda o, s: {**s, "extra": 1}),
               optimizer.register_load_state_dict_pre_hook(lambda o, s: seen.append("load"))]
    w.grad = torch.ones(1)
    optimizer.step()
    assert optimizer.state_dict()["extra"] == 1
    optimizer.load_state_dict(optimizer.state_dict())
    assert seen == ["pre", "post", "load"]
    for handle in handles:
        handle.remove()
    optimizer.step()
    assert seen == ["pre", "post", "load"]


def test_pickle_and_deepcopy():
    w, optimizer = minimise("Adam", {}, steps=2)
    for other in (copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer))):
        (p,) = other.param_groups[0]["params"]
        assert p is not w and torch.equal(other.state[p]["exp_avg"], optimizer.state[w]["exp_avg"])
        other.step()


def test_complex_parameters_are_pairs_of_real_ones():
    for name in ("SGD", "Adam", "RMSprop", "Adagrad"):
        z = torch.tensor([1 + 2j, -3j], dtype=torch.complex128, requires_grad=True)
        r = torch.view_as_real(z.detach().clone()).requires_grad_()
        for p, target in ((z, None), (r, None)):
            optimizer = getattr(torch.optim, name)([p], lr=0.1)
            for _ in range(3):
                p.grad = p.detach() * 2
                optimizer.step()
        assert torch.allclose(torch.view_as_real(z.detach()), r.detach(), rtol=1e-12)


def test_differentiable_through_the_learning_rate():
    lr = torch.tensor(0.1, dtype=torch.float64, requires_grad=True)
    start = torch.tensor([2.0], dtype=torch.float64, requires_grad=True)
    w = start.clone()
    optimizer = torch.optim.SGD([w], lr=lr, differentiable=True)
    w.grad = torch.tensor([3.0], dtype=torch.float64)
    optimizer.step()
    w.sum().backward()
    assert lr.grad.item() == -3.0 and w.item() == pytest.approx(1.7)


@pytest.mark.parametrize("call, error, text", [
    (lambda p: torch.optim.SGD([p], lr=-1), ValueError, "Invalid learning rate: -1"),
    (lambda p: torch.optim.SGD([p], nesterov=True), ValueError, "Nesterov momentum requires a momentum and zero"),
    (lambda p: torch.optim.SGD(p), TypeError, "should be an iterable of Tensors or dicts, but got torch.FloatTensor"),
    (lambda p: torch.optim.SGD([]), ValueError, "optimizer got an empty parameter list"),
    (lambda p: torch.optim.SGD([p * 2]), ValueError, "can't optimize a non-leaf Tensor"),
    (lambda p: torch.optim.SGD(["x"]), TypeError, "optimizer can only optimize Tensors, but one of the params is str"),
    (lambda p: torch.optim.SGD([{"params": {p}}]), TypeError, "ordered collections"),
    (lambda p: torch.optim.SGD([{"params": p}, {"params": [p]}]), ValueError, "in more than one parameter group"),
    (lambda p: torch.optim.SGD([("a", p), torch.ones(1, requires_grad=True)]), ValueError, "with/without names"),
    (lambda p: torch.optim.Adam([p], betas=(0.9, 1.5)), ValueError, "Invalid beta parameter at index 1: 1.5"),
    (lambda p: torch.optim.Adam([p], fused=True, foreach=True), RuntimeError, "cannot be `True` together"),
    (lambda p: torch.optim.Muon([torch.ones(2, 3, 4, requires_grad=True)]), ValueError, "only supports 2D"),
    (lambda p: torch.optim.LBFGS([{"params": [p]}, {"params": [torch.ones(1, requires_grad=True)]}]), ValueError,
     "doesn't support per-parameter options"),
    (lambda p: torch.optim.SGD([p]).load_state_dict({"state": {}, "param_groups": []}), ValueError,
     "different number of parameter groups"),
])
def test_errors(call, error, text):
    with pytest.raises(error) as caught:
        call(torch.ones(2, requires_grad=True))
    assert text in str(caught.value)


def test_duplicate_parameters_warn():
    p = torch.ones(1, requires_grad=True)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        torch.optim.SGD([p, p])
    assert "duplicate parameters" in str(seen[0].message)
