"""The meta device: tensors with shape, type and strides but no data, on which every operator does all but its arithmetic."""
import copy
import io
import pickle

import pytest

import flambeau as torch

F = torch.nn.functional


def meta(x):
    """A tensor on meta with x's type, shape, strides and requires_grad."""
    return torch.empty_strided(x.shape, x.stride(), dtype=x.dtype, device="meta").requires_grad_(x.requires_grad)


def leaves(value):
    """The tensors in nested tuples and lists."""
    if isinstance(value, torch.Tensor):
        return [value]
    return [leaf for item in value for leaf in leaves(item)] if isinstance(value, (tuple, list)) else []


def facts(tensor):
    strides = tensor.stride() if tensor.numel() > 1 else None
    return tensor.dtype, tensor.shape, strides, tensor.storage_offset(), tensor.requires_grad


# Each line is run on the processor and on meta; x, y, m, v... stand for the tensors below.
OPERATORS = """
x + y; x - 2; x * y.half(); x / 3; x // 2; x % y; x ** 2; -x; x.abs(); x > y; (x > 0) & (y > 0); ~(x > 0); x.neg_()
x.add_(y, alpha=2)
x.t() + y.t(); x.t().exp(); x.expand(2, 3, 4) * y; torch.add(x, j); x.to(torch.int8) + 1; x.int() / 2; torch.where(x > 0, x, 0.)
x.exp(); x.tanh(); x.sigmoid(); x.clamp(0, 1); x.clamp(y); torch.lerp(x, y, 0.5); torch.addcmul(x, x, y); x.isnan()
x.nan_to_num(); x.round(decimals=1)
x.half(); x.double(); x.long(); x.bool(); x.to(torch.complex64); z.real; z.imag; z.conj(); z.abs(); z.angle()
torch.view_as_real(z); torch.complex(x, y)
x.sum(); x.sum(0); x.sum((0, 1), keepdim=True); x.mean(1); x.prod(0); x.amax(1); x.max(1); x.min(); x.argmax(); x.all(); x.any(1)
x.var(0); x.std()
torch.var_mean(x, 1); x.norm(); x.logsumexp(0); x.cumsum(1); x.cummax(0); x.logcumsumexp(1); x.median(1); x.median(); x.mode(0)
x.kthvalue(2); x.nansum()
x.sort(1); x.argsort(0); x.topk(2); torch.searchsorted(v, x); torch.histc(x, 5); x.quantile(0.5); x.count_nonzero(0)
torch.aminmax(x); x.diff()
x.view(12); x.reshape(2, 6); x.t(); x.permute(1, 0); x[0]; x[1:, ::2]; x[None, ..., 0]; x.unbind(); x.split(2, 1); x.chunk(2)
x.diagonal(); x.unfold(1, 2, 1)
x.squeeze(); x.unsqueeze(1); x.flatten(); x.expand(5, 3, 4); x.as_strided((2, 2), (1, 2), 1); x.view(torch.int32); x.movedim(0, 1)
x.narrow(1, 1, 2); x.detach()
torch.cat([x, y]); torch.stack([x, y], 1); x.repeat(2, 2); x.tile(2); x.flip(0); x.roll(1, 1); x.rot90(); x.tril(); x.triu(1)
x.clone(); x.t().contiguous()
x[i, 1]; x[:, i]; x[i] * 2; x.index_select(0, i); x.gather(1, j); x.scatter(1, j, y); x.scatter_add(1, j, y)
x.scatter_reduce(1, j, y, "amax"); x.take(i)
x.index_add(0, i, y[i]); x.index_fill(0, i, 2.); x.index_copy(0, i, y[i]); x.index_put((i,), y[0]); x.masked_fill(x > 0, 1.)
x.put(i, v[i]); x.take_along_dim(j, 1)
x.masked_scatter(x > 0, y); torch.bucketize(x, v); x.index_reduce(0, i, y[i], "mean"); x.diag(); v.diag_embed()
x.repeat_interleave(2, 0); x.fill_diagonal_(1)
x @ y.t(); torch.mm(x, m); x @ v; b @ b.mT; torch.addmm(v, x, m); torch.baddbmm(b, b, m.expand(2, 4, 4)); v.dot(v); v.outer(v)
torch.einsum("ij,kj->ik", x, y)
torch.kron(x, y); torch.tensordot(x, y, 2); torch.cdist(x, y); F.pdist(x); torch.cross(x[:, :3], y[:, :3]); x.cov(); x.corrcoef()
torch.vander(v)
torch.linalg.inv(m); torch.linalg.det(m); torch.linalg.svd(x); torch.linalg.qr(x); torch.linalg.eigh(m); torch.linalg.eig(m)
torch.linalg.cholesky(m)
torch.linalg.solve(m, v); torch.linalg.lstsq(x.t(), v); torch.linalg.lu(m); torch.linalg.norm(x); torch.linalg.matrix_norm(x)
torch.linalg.pinv(x); m.slogdet()
torch.linalg.matrix_power(m, 3); torch.linalg.slogdet(m); torch.linalg.solve_triangular(m, x.t(), upper=True)
torch.linalg.matrix_rank(x); torch.linalg.multi_dot([x, m, m])
torch.fft.fft(x); torch.fft.rfft(x); torch.fft.irfft(z); torch.fft.fft2(x); torch.fft.fftshift(x)
torch.stft(w, 8, return_complex=True, window=w[:8])
F.relu(x); F.gelu(x); F.silu(x); F.softmax(x, 1); F.log_softmax(x, 0); F.leaky_relu(x); F.elu(x); F.glu(x); F.dropout(x)
F.normalize(x); F.prelu(x, v); F.softplus(x)
F.layer_norm(x, (4,), v, v); F.rms_norm(x, (4,)); F.group_norm(p, 2); F.batch_norm(p, c, c, training=True); F.instance_norm(p)
F.local_response_norm(p, 2)
F.conv2d(p, k); F.conv2d(p, k, c, 2, 1); F.conv2d(p, k, padding="same"); F.conv_transpose2d(p, k, c)
F.conv1d(p[:, :, 0], k[:, :, 0]); F.conv2d(q, k); F.unfold(p, 2)
F.max_pool2d(p, 2); F.max_pool2d(p, 2, return_indices=True); F.avg_pool2d(p, 2); F.adaptive_avg_pool2d(p, 3)
F.adaptive_max_pool2d(p, 3); F.lp_pool2d(p, 2, 2)
F.interpolate(p, scale_factor=2); F.interpolate(p, (3, 3), mode="bilinear"); F.grid_sample(p, p[:, :2].permute(0, 2, 3, 1))
F.pad(p, (1, 1)); F.pad(p, (1, 1, 1, 1), mode="reflect")
F.pixel_shuffle(p, 2); F.affine_grid(b[:, :2, :3], (2, 1, 5, 5)); F.embedding(j, x); F.embedding_bag(j, x); F.one_hot(j, 4)
F.linear(x, m, v); F.bilinear(x, x, b, v[:2])
F.cross_entropy(x, i); F.nll_loss(x, i); F.mse_loss(x, y); F.l1_loss(x, y); F.binary_cross_entropy_with_logits(x, y)
F.binary_cross_entropy(x, y); F.kl_div(x, y)
F.smooth_l1_loss(x, y); F.huber_loss(x, y); F.cosine_similarity(x, y); F.triplet_margin_loss(x, y, x)
F.hinge_embedding_loss(x, y); F.poisson_nll_loss(x, y)
F.scaled_dot_product_attention(p, p, p); F.scaled_dot_product_attention(p, p, p, is_causal=True); F.multilabel_margin_loss(x, j)
F.multi_margin_loss(x, i); F.soft_margin_loss(x, y)
torch.zeros_like(x); torch.ones_like(x.t()); torch.full_like(x, 2); x.new_zeros(3); x.new_tensor([1., 2.]); torch.rand_like(x)
torch.randn_like(x); torch.bernoulli(x)
torch.normal(x, 1.); torch.multinomial(v, 2); x.normal_(); x.uniform_(); x.exponential_(); torch.poisson(x)
torch._standard_gamma(x); x.random_(); x.cauchy_()
torch.special.erf(x); torch.special.bessel_j0(x); torch.igamma(x, y); torch.polygamma(1, x); torch.lgamma(x); torch.i0(x)
torch.special.zeta(x, y); torch.logit(x)
torch.combinations(v, 2); torch.cartesian_prod(v, v); torch.meshgrid(v, v, indexing="ij"); torch.block_diag(x, y)
torch.trapezoid(x); torch.gradient(x)
torch.bitwise_and(i, i); i << 1; torch.gcd(i, i); torch.nn.utils.parameters_to_vector([x, y]); torch._foreach_add([x, y], 1)
torch.matrix_exp(m).shape
""".replace("\n", ";").split(";")
VALUES = ("torch.combinations(v, 2)",)  # PyTorch's, too, would have to count first


def tensors(make):
    """The operands by name, made from those on the processor by `make`."""
    torch.manual_seed(0)
    x, image = torch.rand(3, 4), torch.rand(2, 4, 6, 6)
    symmetric = torch.rand(4, 4)
    operands = {"x": x, "y": torch.rand(3, 4), "v": torch.linspace(0, 1, 4), "m": symmetric @ symmetric.T + torch.eye(4), "b": torch.rand(2, 4, 4),
                "i": torch.tensor([0, 2, 1]), "j": torch.tensor([[0, 1, 1, 0], [2, 0, 1, 2], [1, 1, 0, 2]]), "z": torch.complex(x, x), "w": torch.rand(64),
                "p": image, "q": image.contiguous(memory_format=torch.channels_last), "k": torch.rand(4, 4, 3, 3), "c": torch.rand(4)}
    return {name: make(tensor) for name, tensor in operands.items()}


@pytest.mark.parametrize("text", [text.strip() for text in OPERATORS if text.strip() and text.strip() not in VALUES])
def test_operators_say_what_the_processor_says(text):
    names = {"torch": torch, "F": F}
    want = leaves(eval(text, names, tensors(lambda t: t)))
    got = leaves(eval(text, names, tensors(meta)))
    assert [facts(t) for t in got] == [facts(t) for t in want]
    assert all(t.is_meta and t.device.type == "meta" and t.data_ptr() == 0 for t in got)


@pytest.mark.parametrize("text", ["x * y + x", "x.exp().sum(0)", "F.layer_norm(x, (4,), v, v)",
                                  "F.batch_norm(p, None, None, c, c, training=True)", "F.conv2d(p, k, c)",
                                  "F.cross_entropy(x, i)", "F.max_pool2d(p, 2)", "x[i]", "F.embedding(j, x)",
                                  "torch.linalg.inv(m)", "torch.linalg.svd(x)[1]",
                                  "F.scaled_dot_product_attention(p, p, p)", "x.cumprod(1)", "x.prod(0)",
                                  "x.unfold(1, 2, 1)", "torch.cat([x, y])", "x.t()[1]",
                                  "F.grid_sample(p, p[:, :2].permute(0, 2, 3, 1))", "torch.fft.rfft(x)",
                                  "F.group_norm(p, 2, c, c)", "x.sort(1)[0]", "torch.det(m)",
                                  "F.interpolate(p, scale_factor=2, mode='bilinear')", "F.softmax(x, 1)", "x.norm()",
                                  "torch.cdist(x, y)", "x.masked_fill(x > 0, 1.)"])
def test_gradients_have_their_shapes(text):
    def leaf(t):
        return meta(t.requires_grad_() if t.is_floating_point() else t)
    operands = tensors(leaf)
    result = eval(text, {"torch": torch, "F": F}, operands)
    assert result.requires_grad and result.grad_fn is not None and result.is_meta
    result.abs().sum().backward()
    grads = [(t.grad, t) for t in operands.values() if t.grad is not None]
    assert grads and all(grad.shape == t.shape and grad.dtype == t.dtype and grad.is_meta for grad, t in grads)


@pytest.mark.parametrize("make", ["zeros(2, 3)", "ones(2, dtype=torch.int8)", "empty(3)", "full((2,), 1.5)", "arange(5)",
    "arange(1., 3, 0.5)", "linspace(0, 1, 5)", "eye(3)",
                                  "logspace(0, 1, 3)", "rand(2)", "randn(2, 3)", "randint(5, (2,))", "randperm(4)",
                                  "tensor([1, 2])", "tensor(1.)", "as_tensor([1.])",
                                  "empty_strided((2, 2), (1, 2))", "scalar_tensor(2.)", "tril_indices(3, 3)",
                                  "hann_window(8)", "asarray([1, 2])", "normal(0., 1., (2,))"])
def test_factories(make):
    want = eval("torch." + make)
    named = eval("torch." + make[:-1] + ", device='meta')")
    with torch.device("meta"):
        inside = eval("torch." + make)
    torch.set_default_device("meta")
    try:
        by_default = eval("torch." + make)
    finally:
        torch.set_default_device(None)
    for made in (named, inside, by_default):
        assert made.is_meta and facts(made) == facts(want)
    assert torch.get_default_device() == torch.device("cpu") and torch.ones(1).is_cpu


def test_size_without_memory():
    before = torch.memory_stats()
    huge = torch.empty(2**50, device="meta")
    assert huge.untyped_storage().nbytes() == 2**52 and huge.untyped_storage().data_ptr() == 0
    assert (huge + 1).shape == huge.view(2**25, 2**25).sum(0).mul(2).expand(2**25, 2**25).flatten().shape
    after = torch.memory_stats()
    assert all(after[key] < before[key] + 2**24 for key in before if "bytes" in key)


def test_printing():
    x = torch.empty(2, 3, device="meta")
    assert repr(x) == "tensor(..., device='meta', size=(2, 3))" == str(x)
    assert repr(x.long().sum()) == "tensor(..., device='meta', size=(), dtype=torch.int64)"
    assert repr(x.requires_grad_() * 2) == "tensor(..., device='meta', size=(2, 3), grad_fn=<MulBackward0>)"
    assert repr(torch.nn.Parameter(x.detach())) == "Parameter containing:\ntensor(..., device='meta', size=(2, 3), requires_grad=True)"
    assert repr(x.untyped_storage()) == "...\n[torch.storage.UntypedStorage(device=meta) of size 24]" and x.type() == "torch.meta.FloatTensor"


@pytest.mark.parametrize("read, kind, words", [
    ("x.sum().item()", RuntimeError, r"Tensor.item\(\) cannot be called on meta tensors"),
    ("bool(x.sum())", RuntimeError, "item"), ("int(x.sum())", RuntimeError, "item"),
    ("x.tolist()", NotImplementedError, "Cannot copy out of meta tensor; no data!"),
    ("x.cpu()", NotImplementedError, "Cannot copy out of meta tensor; no data!"),
    ("torch.ones(2, 3).copy_(x)", NotImplementedError, "Cannot copy out of meta tensor; no data!"),
    ("x.numpy()", TypeError, "can't convert meta device type tensor to numpy"),
    ("x.nonzero()", NotImplementedError, "nonzero"), ("x[x > 0]", NotImplementedError, "Meta tensors"),
    ("x.unique()", NotImplementedError, "Meta tensors"),
    ("x.masked_select(x > 0)", NotImplementedError, "masked_select"), ("x.__dlpack__()", BufferError, "meta"),
    ("x.untyped_storage()[0]", NotImplementedError, "meta"),
    ("x + torch.ones(2, 3)", RuntimeError, "Expected all tensors to be on the same device, but found at least two devices, meta and cpu!"),
    ("torch.ones(2, 3).add_(x)", RuntimeError, "Expected all tensors to be on the same device"),
    ("torch.cat([x, torch.ones(2, 3)])", RuntimeError, "at least two devices"),
    ("torch.mm(torch.ones(2, 2), x)", RuntimeError, "Expected all tensors to be on the same device"),
    ("torch.add(x, 1, out=torch.ones(2, 3))", RuntimeError, "cross-device copies"),
    ("torch.ones(2).set_(x)", RuntimeError, "devices must match"),
    ("setattr(torch.ones(2, 3), 'data', x)", RuntimeError, "incompatible tensor type"),
    ("setattr(torch.ones(2, 3), 'grad', x)", RuntimeError, "attempting to assign a gradient with device type 'meta'"),
    ("x.share_memory_()", RuntimeError, "only available on CPU"),
    ("torch.Generator('meta')", RuntimeError, "META device type not an accelerator"),
    ("torch.empty(1, device='mps')", NotImplementedError, "mps"),
    ("torch.empty(1, device='cuda')", AssertionError, "Torch not compiled with CUDA enabled"),
    ("torch.empty(1, device='cpu:x')", RuntimeError, "Invalid device string"),
    ("torch.empty(1, device='foo')", RuntimeError, "Expected one of cpu, cuda"),
    ("torch.device(3)", RuntimeError, "Cannot access accelerator device"),
    ("torch.nn.Linear(2, 2, device='meta').to('cpu')", NotImplementedError, r"Please use torch.nn.Module.to_empty\(\)")])
def test_errors(read, kind, words):
    with pytest.raises(kind, match=words):
        eval(read, {"torch": torch, "x": torch.empty(2, 3, device="meta")})


def test_numbers_and_indices_may_come_from_the_processor():
    x = torch.empty(2, 3, device="meta")
    at = torch.tensor([0, 1])
    for made in (x + torch.tensor(1.0), torch.tensor(1.0) * x, x[at], x.index_select(0, at), F.embedding(at, x)):
        assert made.is_meta and made.shape == (2, 3)
    x[torch.tensor([0])] = 2.0
    x.copy_(torch.ones(3))
    assert x.to(x.device) is x and torch.empty(1, device="cpu:0").to("cpu") is not None


def test_moves():
    x = torch.ones(2, 3, requires_grad=True)
    y = x.t().to("meta", torch.float64)
    assert y.is_meta and y.dtype == torch.float64 and y.stride() == (1, 3) and y.requires_grad
    assert torch.ones(2).to(y).is_meta and torch.ones(2, dtype=torch.int8).type_as(y).dtype == torch.float64
    with pytest.raises(NotImplementedError):
        y.sum().backward()  # the gradient would have to come back


def test_modules():
    with torch.device("meta"):
        model = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.BatchNorm2d(8), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(8 * 36, 10))
        loss = F.cross_entropy(model(torch.randn(4, 3, 8, 8)), torch.randint(10, (4,)))
    loss.backward()
    assert all(p.is_meta and p.grad.is_meta and p.grad.shape == p.shape for p in model.parameters())
    real = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.BatchNorm2d(8), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(8 * 36, 10))
    with pytest.warns(UserWarning, match="meta"):
        model.load_state_dict(real.state_dict())
    assert model[0].weight.is_meta
    model.load_state_dict(real.state_dict(), assign=True)
    assert torch.equal(model[0].weight, real[0].weight) and isinstance(model[0].weight, torch.nn.Parameter)
    assert real.to("meta")[4].bias.is_meta and real.to_empty(device="cpu")[4].bias.is_cpu
    with torch.device("meta"):
        lstm, attention = torch.nn.LSTM(4, 8, 2, bidirectional=True), torch.nn.TransformerEncoderLayer(16, 4)
        out, (h, c) = lstm(torch.randn(5, 2, 4))
        assert out.shape == (5, 2, 16) and h.shape == c.shape == (4, 2, 8) and attention(torch.randn(5, 2, 16)).shape == (5, 2, 16)
        out.sum().backward()
    assert lstm.weight_ih_l0.grad.shape == (32, 4)


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta", "NAdam", "RAdam", "Rprop"])
def test_optimisers(name):
    layer = torch.nn.Linear(3, 2, device="meta")
    optimiser = getattr(torch.optim, name)(layer.parameters(), lr=0.1)
    for _ in range(2):
        optimiser.zero_grad()
        layer(torch.ones(4, 3, device="meta")).sum().backward()
        optimiser.step()
    assert layer.weight.is_meta and layer.weight._version > 0


def test_copies_and_files():
    x = torch.empty(4, 3, device="meta")[:, 1:].requires_grad_(True)
    for made in (copy.deepcopy(x.detach().requires_grad_()), pickle.loads(pickle.dumps(x.detach().requires_grad_()))):
        assert made.is_meta and made.shape == (4, 2) and made.stride() == (3, 1) and made.requires_grad
    file = io.BytesIO()
    torch.save({"x": x.detach(), "layer": torch.nn.Linear(2, 2, device="meta").state_dict(), "one": torch.ones(2)}, file)
    back = torch.load(io.BytesIO(file.getvalue()))
    assert back["x"].is_meta and back["x"].stride() == (3, 1) and back["layer"]["bias"].is_meta and back["one"].tolist() == [1, 1]
    assert torch.load(io.BytesIO(file.getvalue()), map_location="meta")["one"].is_meta


def test_randomness_is_left_alone():
    torch.manual_seed(3)
    want = torch.rand(4)
    torch.manual_seed(3)
    x = torch.rand(5, 4, device="meta")
    for draw in (F.dropout, torch.bernoulli, torch.rand_like, torch.poisson, lambda t: torch.multinomial(t, 2), torch.Tensor.normal_, torch.nn.init.trunc_normal_):
        assert draw(x).is_meta
    torch.nn.Linear(3, 3, device="meta")
    torch.randperm(5, device="meta")
    torch.rand(3, device="meta", generator=torch.Generator())
    assert torch.equal(torch.rand(4), want)


def test_in_place_and_versions():
    x = torch.empty(3, device="meta")
    view = x[1:]
    view.add_(1)
    assert x._version == view._version == 1 and x.is_set_to(x.view(3)) and view._base is x
    out = torch.empty(0, device="meta")
    assert torch.add(x, 1, out=out) is out and out.shape == (3,)
    y = torch.ones(2, device="meta", requires_grad=True).exp()
    y.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()
    with pytest.raises(RuntimeError, match="broadcast"):
        x.add_(torch.empty(2, 3, device="meta"))


def test_default_devices_nest():
    with torch.device("meta"):
        a = torch.ones(2)
        with torch.device("cpu"):
            b = torch.ones(2)
            assert (b * 2).sum().item() == 4 and torch.linalg.inv(torch.eye(2)).is_cpu
        assert torch.get_default_device() == torch.device("meta") and torch.Tensor(2).is_cpu
        assert b.exp().is_cpu and torch.empty_like(b).is_cpu and torch.fft.fft(b).is_cpu  # operands decide
    assert a.is_meta and b.is_cpu and torch.ones(1).is_cpu
