"""Trees, futures, own operators, the profiler, hub, random state, device modules, processes."""
import json
from collections import OrderedDict, namedtuple

import flambeau as torch
import pytest
from flambeau.utils import _pytree as tree

Pair = namedtuple("Pair", "a b")


def test_trees():
    value = {"x": [1, (2, Pair(3, None))], "y": OrderedDict(z=4)}
    leaves, spec = tree.tree_flatten(value)
    assert leaves == [1, 2, 3, None, 4] and tree.tree_unflatten(leaves, spec) == value
    assert tree.tree_map(lambda a, b: (a or 0) + (b or 0), value, value)["x"][1][1] == Pair(6, 0)
    assert tree.tree_map_only(int, lambda x: x * 10, value)["y"]["z"] == 40
    assert [tree.keystr(p) for p, _ in tree.tree_flatten_with_path(value)[0]][2] == "['x'][1][1].a"
    assert tree.treespec_loads(tree.treespec_dumps(tree.tree_structure([1, (2,)]))) == tree.tree_structure([1, (2,)])
    with pytest.raises(ValueError, match="holds 5 items"):
        tree.tree_unflatten([1], spec)


def test_futures():
    future = torch.futures.Future()
    doubled = future.then(lambda f: f.value() * 2)
    future.set_result(21)
    assert doubled.wait() == 42 and torch.futures.wait_all([future, doubled]) == [21, 42]
    with pytest.raises(RuntimeError, match="only be marked completed once"):
        future.set_result(1)


def test_custom_op():
    @torch.library.custom_op("tests::scale", mutates_args=())
    def scale(x: torch.Tensor, k: float = 2.0) -> torch.Tensor:
        return x * k

    scale.register_autograd(lambda ctx, g: (g * ctx.k, None),
                            setup_context=lambda ctx, inputs, output: setattr(ctx, "k", inputs[1]))
    x = torch.ones(2, requires_grad=True)
    scale(x, k=3.0).sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]


def test_profiler(tmp_path):
    with torch.profiler.profile(record_shapes=True) as prof:
        with torch.profiler.record_function("mine"):
            torch.ones(4, 4) @ torch.ones(4, 4)
    names = [e.key for e in prof.key_averages()]
    assert "mine" in names and "Self CPU time total" in prof.key_averages().table(sort_by="self_cpu_time_total")
    prof.export_chrome_trace(str(tmp_path / "t.json"))
    assert json.loads((tmp_path / "t.json").read_text())["traceEvents"]
    plan = torch.profiler.schedule(wait=1, warmup=1, active=2, repeat=1)
    assert [plan(i).value for i in range(6)] == [0, 1, 2, 3, 0, 0]


def test_hub(tmp_path, monkeypatch):
    (tmp_path / "hubconf.py").write_text("def one(n=1):\n    'gives n'\n    return n\n")
    assert torch.hub.load(str(tmp_path), "one", n=5, source="local") == 5
    assert torch.hub.list(str(tmp_path)) == ["one"] and torch.hub.help(str(tmp_path), "one") == "gives n"
    with pytest.raises(NotImplementedError, match="not fetched from GitHub"):
        torch.hub.load("pytorch/vision", "resnet18")
    with pytest.raises(ConnectionError, match="cannot reach"):
        torch.hub.load_state_dict_from_url("http://127.0.0.1:9/x.pt", model_dir=str(tmp_path))


def test_random_state():
    torch.manual_seed(0)
    assert torch.allclose(torch.rand(2), torch.tensor([0.4963, 0.7682]), atol=1e-4)
    with torch.random.fork_rng():
        torch.rand(5)
    after = torch.rand(1)
    torch.manual_seed(0)
    torch.rand(2)
    assert torch.equal(torch.rand(1), after)
    state = torch.get_rng_state()
    a = torch.rand(3)
    torch.set_rng_state(state)
    assert torch.equal(torch.rand(3), a) and torch.initial_seed() == 0


def test_device_modules():
    cuda = torch.cuda
    assert not cuda.is_available() and cuda.device_count() == 0 and cuda.memory_allocated() == 0
    cuda.manual_seed_all(1)
    cuda.empty_cache()
    assert not isinstance(torch.ones(1), cuda.FloatTensor)
    with pytest.raises(AssertionError, match="CUDA"):
        cuda.current_device()
    with pytest.raises(RuntimeError, match="dummy base class Stream"):
        cuda.Stream()
    with pytest.raises(TypeError, match="not available"):
        cuda.FloatTensor(2)
    assert torch.accelerator.current_accelerator() is None and not torch.mps.is_available()
    torch.backends.cudnn.benchmark = True
    with torch.backends.cudnn.flags(benchmark=False):
        assert not torch.backends.cudnn.benchmark
    assert torch.backends.cudnn.benchmark and not torch.backends.mps.is_available()
    torch.backends.cudnn.benchmark = False


def work(index, factor):
    assert index * factor < 2, "too large"


def test_spawn():
    torch.multiprocessing.spawn(work, args=(1,), nprocs=2)
    with pytest.raises(torch.multiprocessing.ProcessRaisedException, match="too large"):
        torch.multiprocessing.spawn(work, args=(2,), nprocs=2)


def test_operators_by_qualified_name():
    aten = torch.ops.aten
    assert repr(aten.add.Tensor) == "aten.add.Tensor" and aten.add.Tensor.name() == "aten::add.Tensor"
    assert aten.add.Tensor is aten.add.Tensor
    assert aten.sum.dim_IntList(torch.ones(2, 3), [0]).tolist() == [2, 2, 2]
    assert aten.linalg_inv(torch.eye(2)).tolist() == [[1, 0], [0, 1]]
    assert aten._safe_softmax.default(torch.tensor([-float("inf")]), 0).tolist() == [0]
    with pytest.raises(AttributeError, match="'aten' object has no attribute 'nothing'"):
        aten.nothing()
    assert torch.torch is torch


def test_checks():
    torch._check(True)
    torch._assert(1 + 1 == 2, "fine")
    for check, error in [(torch._check, RuntimeError), (torch._check_value, ValueError), (torch._check_index, IndexError)]:
        with pytest.raises(error, match="7 is odd"):
            check(False, lambda: "7 is odd")
    with pytest.raises(AssertionError, match="wrong"):
        torch._assert(False, "wrong")
    with pytest.raises(TypeError, match="dtype torch.bool"):
        torch._check_tensor_all(torch.ones(2))


def test_names_that_libraries_reach_for():
    assert torch.torch is torch and torch.functional.einsum is torch.einsum and torch.Future is torch.futures.Future
    assert "threads" in torch.__config__.show() and "get_num_threads" in torch.__config__.parallel_info()
    compiled = torch.compile(torch.nn.Linear(1, 1))
    assert isinstance(compiled, torch._dynamo.OptimizedModule) and torch._dynamo.eval_frame.OptimizedModule is type(compiled)
    before = torch._dynamo.config.cache_size_limit
    with torch._dynamo.config.patch(cache_size_limit=before + 1):
        assert torch._dynamo.config.cache_size_limit == before + 1
    assert torch._dynamo.config.cache_size_limit == before
    choose = torch._jit_internal.boolean_dispatch("flag", 1, False, lambda x, flag=False: "yes", lambda x, flag=False: "no", "m", "f")
    assert [choose(0), choose(0, True), choose(0, flag=True)] == ["no", "yes", "yes"]


def test_control_flow_as_operators():
    from flambeau._higher_order_ops import associative_scan, scan

    x = torch.arange(1.0, 7.0).view(2, 3)
    assert torch.cond(x.sum() > 0, lambda v: v + 1, lambda v: v - 1, (x,))[0, 0] == 2
    assert torch.while_loop(lambda i, v: i < 3, lambda i, v: (i + 1, v * 2), (0, x))[1][0, 0] == 8
    carry, sums = scan(lambda c, v: (c + v, c + v), torch.zeros(3), x)
    assert carry.tolist() == [5, 7, 9] and sums.tolist() == [[1, 2, 3], [5, 7, 9]]
    for mode in ("pointwise", "generic"):
        found = associative_scan(lambda a, b: (a[0] * b[0], b[0] * a[1] + b[1]), (x, x), 1, combine_mode=mode)[1]
        assert found.tolist() == [[1, 4, 15], [4, 25, 156]]
        assert associative_scan(torch.add, x, 1, reverse=True, combine_mode=mode).tolist() == [[6, 5, 3], [15, 11, 6]]


def test_flops_are_counted_forward_and_backward():
    from flambeau.utils.flop_counter import FlopCounterMode

    model = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(8 * 6 * 6, 10))
    with FlopCounterMode(display=False) as counter:
        model(torch.randn(2, 3, 8, 8)).sum().backward()
    assert counter.get_total_flops() == 96768
    assert counter.get_flop_counts()["Sequential.3"] == {"addmm": 34560} and "Sequential.0" in counter.get_table()


def test_script_types_and_internal_operators():
    assert torch.TensorType.get() == torch.TensorType() and str(torch.ListType(torch.IntType.get())) == "List[int]"
    x = torch.arange(6).view(2, 3)
    aten = torch.ops.aten
    assert aten.slice.Tensor(x, 1, 1).tolist() == [[1, 2], [4, 5]] and aten.index.Tensor(x, [None, torch.tensor([0])]).tolist() == [[0], [3]]
    assert aten._to_copy.default(x, dtype=torch.float32).dtype == torch.float32
    assert not torch._subclasses.fake_tensor.is_fake(x)


def test_questions_to_the_core():
    assert torch._C._get_tracing_state() is None and not torch._C._is_torch_function_mode_enabled()
    seen = []
    torch.jit.trace(lambda x: (seen.append(torch._C._get_tracing_state()), x + 1)[1], torch.ones(1))
    assert seen[0] and torch._C._log_api_usage_once("name") is None and torch._C._get_default_device() == "cpu"
    import inspect

    assert torch._C._nn._parse_to(torch.float64)[1] is torch.float64 and not torch.onnx.is_in_onnx_export()
    assert str(inspect.signature(torch.nn.Linear(1, 1))) == "(*args, **kwargs)"
    assert list(inspect.signature(torch.nn.Linear).parameters)[:3] == ["in_features", "out_features", "bias"]
