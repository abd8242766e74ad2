"""torch.fx: recording, changing and running graphs."""
import copy
import pickle

import pytest

import flambeau as torch
from flambeau import fx, nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(3, 4)
        self.scale = nn.Parameter(torch.full((4,), 2.0))
        self.register_buffer("shift", torch.ones(4))
        self.tail = nn.Sequential(nn.ReLU(), nn.Linear(4, 2))

    def forward(self, x, power=2, *, plus=0.5):
        y = self.lin(x) * self.scale + self.shift
        y = self.tail(y).view(x.size(0), -1) ** power
        return {"y": torch.cat([y, y], dim=1)[:, 1:], "n": y.shape[0], "z": nn.functional.relu(y) - plus}


@fx.wrap
def looks_at_values(x):
    return x + 1 if x.sum() > 0 else x


def test_a_traced_module_computes_the_same():
    net, x = Net(), torch.randn(5, 3)
    traced = fx.symbolic_trace(net)
    expected, found = net(x), traced(x)
    assert expected["n"] == found["n"]
    torch.testing.assert_close(found["y"], expected["y"])
    torch.testing.assert_close(found["z"], expected["z"])
    assert dict(traced.state_dict()).keys() == dict(net.state_dict()).keys()
    assert [n.op for n in traced.graph.nodes][:3] == ["placeholder"] * 3
    traced.graph.lint()


def test_source_is_as_pytorch_writes_it():
    traced = fx.symbolic_trace(lambda x, y: (torch.relu(x) @ y.T, -x))
    assert traced.code == """


def forward(self, x, y):
    relu = torch.relu(x)
    getattr_1 = y.T;  y = None
    matmul = relu @ getattr_1;  relu = getattr_1 = None
    neg = -x;  x = None
    return (matmul, neg)
    """


@pytest.mark.parametrize("again", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_are_whole(again):
    traced = fx.symbolic_trace(Net())
    new = again(traced)
    assert new.code == traced.code and new.graph is not traced.graph
    x = torch.randn(2, 3)
    torch.testing.assert_close(new(x)["y"], traced(x)["y"])


def test_what_needs_values_is_refused():
    with pytest.raises(fx.proxy.TraceError, match="control flow"):
        fx.symbolic_trace(lambda x: x if x.sum() > 0 else -x)
    with pytest.raises(fx.proxy.TraceError, match="cannot be iterated"):
        fx.symbolic_trace(lambda x: list(x))
    with pytest.raises(RuntimeError, match="'len' is not supported"):
        fx.symbolic_trace(lambda x: len(x))
    with pytest.raises(NameError, match="not installed as a submodule"):
        fx.symbolic_trace(lambda x: Net()(x))


def test_unpacking_into_names_is_recorded():
    def f(x):
        a, b = x.chunk(2)
        return a + b

    assert fx.symbolic_trace(f)(torch.arange(4)).tolist() == [2, 4]


def test_wrapped_functions_are_one_step():
    traced = fx.symbolic_trace(lambda x: looks_at_values(x) * 2)
    assert [n.target for n in traced.graph.nodes if n.op == "call_function"][0] is looks_at_values
    assert traced(torch.tensor([-1.0])).tolist() == [-2] and traced(torch.tensor([1.0])).tolist() == [4]


def test_concrete_arguments_choose_the_branch():
    def f(x, up):
        return x + 1 if up else x - 1

    traced = fx.symbolic_trace(f, concrete_args={"up": True})
    assert traced(torch.zeros(1), True).tolist() == [1]
    with pytest.raises(AssertionError, match="specialized to have value True"):
        traced(torch.zeros(1), False)


def test_collected_arguments():
    def f(a, *args, **kwargs):
        return a + args[0] * kwargs["k"]

    traced = fx.symbolic_trace(f)
    assert traced(torch.ones(1), torch.ones(1), k=3).tolist() == [4]


def test_editing_a_graph():
    traced = fx.symbolic_trace(lambda x: torch.relu(x) + 1)
    relu = traced.graph.find_nodes(op="call_function", target=torch.relu)[0]
    with traced.graph.inserting_after(relu):
        new = traced.graph.call_function(torch.tanh, relu.args)
    relu.replace_all_uses_with(new)
    with pytest.raises(RuntimeError, match="still had"):
        traced.graph.erase_node(new)
    traced.graph.erase_node(relu)
    traced.recompile()
    traced.graph.lint()
    torch.testing.assert_close(traced(torch.tensor([-1.0])), torch.tanh(torch.tensor([-1.0])) + 1)
    with pytest.raises(TypeError, match="does not support mutation"):
        fx.immutable_collections.immutable_list([1]).append(2)


def test_dead_code_goes_and_changes_stay():
    def f(x):
        torch.exp(x)
        x.add_(1)
        return x * 2

    traced = fx.symbolic_trace(f)
    assert traced.graph.eliminate_dead_code()
    assert [n.name for n in traced.graph.nodes] == ["x", "add_", "mul", "output"]


def test_replace_pattern():
    traced = fx.symbolic_trace(lambda x, w: torch.cat([torch.sum(x + w), torch.sum(x)]))
    found = fx.replace_pattern(traced, lambda a, b: torch.sum(a + b), lambda a, b: torch.max(a * b))
    assert len(found) == 1 and "max_1 = torch.max(mul)" in traced.code and "add" not in traced.code


def test_interpreter_transformer_and_shapes():
    traced = fx.symbolic_trace(nn.Sequential(nn.Linear(2, 3), nn.ReLU()))
    x = torch.randn(4, 2)
    torch.testing.assert_close(fx.Interpreter(traced).run(x), traced(x))

    class ReluToTanh(fx.Transformer):
        def call_module(self, target, args, kwargs):
            if isinstance(self.submodules[target], nn.ReLU):
                return torch.tanh(*args)
            return super().call_module(target, args, kwargs)

    torch.testing.assert_close(ReluToTanh(traced).transform()(x), torch.tanh(traced.get_submodule("0")(x)))
    fx.passes.shape_prop.ShapeProp(traced).propagate(x)
    assert [n.meta["tensor_meta"].shape for n in traced.graph.nodes] == [(4, 2), (4, 3), (4, 3), (4, 3)]


def test_a_tracer_may_look_into_or_over_modules():
    class Whole(fx.Tracer):
        def is_leaf_module(self, m, name):
            return True

    net = Net()
    assert "tail" in [n.name for n in Whole().trace(net).nodes]
    before = nn.Module.__call__
    fx.symbolic_trace(net)
    assert nn.Module.__call__ is before
