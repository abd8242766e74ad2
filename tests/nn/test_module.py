"""Module: registration, attributes, state dictionaries, hooks, conversion, containers."""
import copy
import importlib
import pickle
from collections import OrderedDict

import flambeau as torch
import pytest
from flambeau import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(2, 2)
        self.b = nn.Sequential(nn.ReLU(), nn.Linear(2, 1))
        self.p = nn.Parameter(torch.ones(2))
        self.register_buffer("q", torch.zeros(3))
        self.register_buffer("r", torch.zeros(3), persistent=False)

    def forward(self, x):
        return self.b(self.a(x) * self.p)


@pytest.fixture
def net():
    made = Net()
    for p in made.parameters():
        p.data.fill_(0.5)
    return made


def test_names(net):
    assert [n for n, _ in net.named_parameters()] == ["p", "a.weight", "a.bias", "b.1.weight", "b.1.bias"]
    assert [n for n, _ in net.named_buffers()] == ["q", "r"]
    assert [n for n, _ in net.named_modules()] == ["", "a", "b", "b.0", "b.1"]
    assert list(net.state_dict()) == ["p", "q", "a.weight", "a.bias", "b.1.weight", "b.1.bias"]
    assert net.state_dict()._metadata["b"] == {"version": 1}
    assert net.get_submodule("b.1") is net.b[1] and net.get_parameter("a.bias") is net.a.bias
    assert {"a", "b", "p", "q"} <= set(dir(net))


def test_shared_parameters_count_once(net):
    net.b[1].weight = net.p = nn.Parameter(torch.ones(1, 2))
    assert len(list(net.parameters())) == 4
    assert len(list(net.named_parameters(remove_duplicate=False))) == 5


def test_reassignment_moves_between_tables():
    m = nn.Module()
    m.x = 3
    m.x = nn.Parameter(torch.ones(1))
    assert "x" in m._parameters and "x" not in m.__dict__
    m.x = None
    assert m._parameters == {"x": None}
    del m.x
    m.x = nn.ReLU()
    assert m.x is m._modules["x"]
    with pytest.raises(TypeError, match="cannot assign 'int' as child module 'x'"):
        m.x = 3


@pytest.mark.parametrize("act, error, text", [
    (lambda m: m.foo, AttributeError, "'Net' object has no attribute 'foo'"),
    (lambda m: setattr(m, "p", torch.ones(1)), TypeError, "as parameter 'p' .torch.nn.Parameter or None expected"),
    (lambda m: setattr(m, "q", 3), TypeError, "cannot assign 'int' as buffer 'q'"),
    (lambda m: m.register_buffer("a", torch.ones(1)), KeyError, "attribute 'a' already exists"),
    (lambda m: m.register_parameter("x.y", None), KeyError, "t contain"),
    (lambda m: m.add_module("z", 3), TypeError, "int is not a Module subclass"),
    (lambda m: m.get_submodule("b.7"), AttributeError, "Sequential has no attribute `7`"),
    (lambda m: m.train(3), ValueError, "training mode is expected to be boolean"),
    (lambda m: m.to(torch.int32), TypeError, "only accepts floating point or complex"),
    (lambda m: nn.Module()(1), NotImplementedError, 'missing the required "forward" function'),
    (lambda m: nn.Module(1), TypeError, "takes 1 positional argument but 2 were given"),
    (lambda m: nn.Module(a=1), TypeError, "unexpected keyword argument 'a'"),
    (lambda m: m.load_state_dict(3), TypeError, "Expected state_dict to be dict-like"),
])
def test_errors(net, act, error, text):
    with pytest.raises(error, match=text):
        act(net)


def test_assignment_before_init():
    class Early(nn.Module):
        def __init__(self):
            self.w = nn.Parameter(torch.ones(1))

    with pytest.raises(AttributeError, match="cannot assign parameters before Module.__init__"):
        Early()


def test_load_state_dict(net):
    state = OrderedDict(net.state_dict())
    state["extra"] = torch.ones(1)
    del state["p"]
    state["q"] = torch.zeros(4)
    with pytest.raises(RuntimeError) as caught:
        net.load_state_dict(state)
    assert str(caught.value) == (
        "Error(s) in loading state_dict for Net:\n"
        '\tMissing key(s) in state_dict: "p". \n'
        '\tUnexpected key(s) in state_dict: "extra". \n'
        "\tsize mismatch for q: copying a param with shape torch.Size([4]) from checkpoint, the shape in "
        "current model is torch.Size([3])."
    )
    state["q"] = torch.ones(3)
    result = net.load_state_dict(state, strict=False)
    assert result.missing_keys == ["p"] and result.unexpected_keys == ["extra"]
    assert repr(net.load_state_dict(net.state_dict())) == "<All keys matched successfully>"
    before = net.p
    net.load_state_dict({k: v.double() for k, v in net.state_dict().items()})
    assert net.p is before and net.p.dtype == torch.float32
    net.load_state_dict({k: v.double() for k, v in net.state_dict().items()}, assign=True)
    assert net.p is not before and net.p.dtype == torch.float64 and isinstance(net.p, nn.Parameter)


def test_extra_state():
    class Counter(nn.Module):
        n = 5

        def get_extra_state(self):
            return self.n

        def set_extra_state(self, state):
            self.n = state

    m = Counter()
    assert dict(m.state_dict()) == {"_extra_state": 5}
    m.load_state_dict({"_extra_state": 7})
    assert m.n == 7
    with pytest.raises(RuntimeError, match='Missing key.s. in state_dict: "_extra_state"'):
        m.load_state_dict({})


def test_conversion_keeps_identity(net):
    p = net.p
    p.grad = torch.ones(2)
    net.to(torch.float64)
    assert net.p is p and p.dtype == torch.float64 and p.grad.dtype == torch.float64
    assert net.q.dtype == torch.float64
    assert net.half().p.dtype == torch.float16 and net.float().p.dtype == torch.float32
    net.zero_grad(set_to_none=False)
    assert p.grad.tolist() == [0, 0]
    net.zero_grad()
    assert p.grad is None
    assert not any(q.requires_grad for q in net.requires_grad_(False).parameters())


def test_train_and_apply(net):
    assert not net.eval().b[0].training and net.train().b[0].training
    seen = []
    assert net.apply(lambda m: seen.append(type(m).__name__)) is net
    assert seen == ["Linear", "ReLU", "Linear", "Sequential", "Net"]


def test_forward_hooks(net):
    log = []
    x = torch.ones(1, 2)
    plain = net(x)
    handles = [
        net.register_forward_pre_hook(lambda m, args: (args[0] * 2,)),
        net.register_forward_pre_hook(
            lambda m, args, kwargs: log.append((len(args), kwargs)), with_kwargs=True, prepend=True
        ),
        net.register_forward_hook(lambda m, args, out: out + 1),
        net.register_forward_hook(lambda m, args, kwargs, out: log.append(tuple(out.shape)), with_kwargs=True),
    ]
    # 0.5 * (2 + 2) + 0.5 = 2.5, times p 1.25, twice 1.25 * 0.5 + 0.5 = 1.75, and one
    assert net(x).item() == 2.75 and plain.item() == 1.25
    assert log == [(1, {}), (1, 1)]
    for handle in handles:
        handle.remove()
    assert net(x).item() == plain.item()


def test_always_call(net):
    log = []

    def fail(module, args, output):
        raise ValueError("x")

    net.register_forward_hook(fail)
    net.register_forward_hook(lambda m, args, out: log.append(out is not None), always_call=True)
    with pytest.raises(ValueError, match="x"):
        net(torch.ones(1, 2))
    assert log == [True]


def test_full_backward_hooks(net):
    log = []
    x = torch.ones(1, 2, requires_grad=True)
    net.a.register_full_backward_hook(lambda m, gi, go: log.append((gi[0].tolist(), go[0].tolist())))
    net.a.register_full_backward_pre_hook(lambda m, go: (go[0] * 3,))
    net(x).backward()
    assert log == [([[0.75, 0.75]], [[0.75, 0.75]])] and x.grad.tolist() == [[0.75, 0.75]]
    net.b.register_full_backward_hook(lambda m, gi, go: (gi[0] * 10,))
    x.grad = None
    net(x).backward()
    assert x.grad.tolist() == [[7.5, 7.5]]
    with pytest.raises(RuntimeError, match="Cannot use both regular backward hooks and full backward hooks"):
        net.a.register_backward_hook(lambda *args: None)


def test_global_hooks(net):
    module = importlib.import_module("flambeau.nn.modules.module")
    log = []
    handle = module.register_module_forward_hook(lambda m, args, out: log.append(type(m).__name__))
    net(torch.ones(1, 2))
    handle.remove()
    net(torch.ones(1, 2))
    assert log == ["Linear", "ReLU", "Linear", "Sequential", "Net"]


def test_state_dict_hooks(net):
    net._register_state_dict_hook(lambda m, state, prefix, metadata: state.update(more=1))
    net.register_load_state_dict_pre_hook(lambda m, state, *rest: state.pop("more", None))
    net.register_load_state_dict_post_hook(lambda m, keys: keys.missing_keys.clear())
    state = net.state_dict()
    assert "more" in state
    net.load_state_dict(state)
    assert net.load_state_dict({}) == ([], [])


def test_copies(net):
    net.register_forward_hook(echo)
    x = torch.ones(1, 2)
    for twin in (copy.deepcopy(net),):
        assert torch.equal(twin(x), net(x)) and twin.p is not net.p
    assert torch.equal(pickle.loads(pickle.dumps(nn.Linear(2, 2).eval())).bias.isnan(), torch.tensor([False, False]))


def echo(module, args, output):
    return output


def test_printing(net):
    assert repr(net) == (
        "Net(\n  (a): Linear(in_features=2, out_features=2, bias=True)\n  (b): Sequential(\n    (0): ReLU()\n"
        "    (1): Linear(in_features=2, out_features=1, bias=True)\n  )\n)"
    )
    assert repr(nn.Parameter(torch.ones(2))) == "Parameter containing:\ntensor([1., 1.], requires_grad=True)"


def test_sequential():
    s = nn.Sequential(OrderedDict(x=nn.ReLU(), y=nn.Tanh()))
    assert list(s._modules) == ["x", "y"] and isinstance(s[-1], nn.Tanh) and len(s[:1]) == 1
    assert len(s + s) == 4 and len(s * 3) == 6
    s.append(nn.GELU())
    s.insert(0, nn.ELU())
    assert [type(m).__name__ for m in s] == ["ELU", "ReLU", "Tanh", "GELU"]
    assert isinstance(s.pop(0), nn.ELU) and len(s) == 3
    with pytest.raises(IndexError, match="index 7 is out of range"):
        s[7]


def test_lists_and_dicts():
    layers = nn.ModuleList([nn.Linear(1, 1)]) + [nn.ReLU()]
    layers.insert(0, nn.Tanh())
    assert [type(m).__name__ for m in layers] == ["Tanh", "Linear", "ReLU"]
    table = nn.ModuleDict([("a", nn.ReLU())])
    table.update({"b": nn.Tanh()})
    assert list(table.keys()) == ["a", "b"] and "a" in table
    with pytest.raises(KeyError, match="attribute 'keys' already exists"):
        table["keys"] = nn.ReLU()
    params = nn.ParameterList([torch.ones(2)])
    params.append(5)
    assert isinstance(params[0], nn.Parameter) and params[1] == 5 and list(params.state_dict()) == ["0"]
    named = nn.ParameterDict({"z": torch.ones(1)}) | nn.ParameterDict({"b": torch.ones(1)})
    assert list(named) == ["z", "b"] and len(list(named.parameters())) == 2


def test_buffer_type():
    m = nn.Module()
    m.b = nn.Buffer(torch.ones(2), persistent=False)
    assert isinstance(m.b, nn.Buffer) and list(m.buffers())[0] is m.b and not m.state_dict()


def test_skip_init_and_to_empty():
    layer = nn.utils.skip_init(nn.Linear, 2, 3)
    assert layer.weight.device.type == "cpu" and isinstance(layer.weight, nn.Parameter)
