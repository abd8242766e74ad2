"""tensor[...] read and assigned, and writes between windows that share memory."""
from checking import check_errors, check_values


WRITES_TO_OVERLAPPING_WINDOWS = [
    ("torch.zeros(3, 1).expand(3, 2).fill_(1)", "tensor([[1., 1.],\n        [1., 1.],\n        [1., 1.]])"),
    ("torch.zeros(3, 1).expand(3, 2).zero_()", "tensor([[0., 0.],\n        [0., 0.],\n        [0., 0.]])"),
    ("x = torch.zeros(3, 1).expand(3, 2); x[:, 0] = 1; x", "tensor([[1., 1.],\n        [1., 1.],\n        [1., 1.]])"),
    ("x = torch.zeros(1).expand(3); x.index_put_((torch.tensor([0]),), torch.tensor(1.))", "tensor([1., 1., 1.])"),
]


def test_writes_to_overlapping_windows():
    check_values(WRITES_TO_OVERLAPPING_WINDOWS)


WRITES_TO_OVERLAPPING_WINDOWS_ERRORS = [
    ("torch.zeros(1).expand(3).add_(1)",
     RuntimeError, "unsupported operation: more than one element of the written-to tensor refers to"),
    ("torch.zeros(3, 1).expand(3, 2).copy_(torch.ones(3, 2))",
     RuntimeError, "unsupported operation: more than one element of the written-to tensor refers to"),
    ("x = torch.zeros(3, 1).expand(3, 2); x[0] = 1",
     RuntimeError, "unsupported operation: more than one element of the written-to tensor refers to"),
    ("x = torch.zeros(1).expand(3); x.scatter_(0, torch.tensor([0]), 1.)",
     RuntimeError, "unsupported operation: more than one element of the written-to tensor refers to"),
    ("x = torch.zeros(1).expand(3); x.normal_()",
     RuntimeError, "unsupported operation: more than one element of the written-to tensor refers to"),
    ("x = torch.zeros(1).expand(3); x.sqrt_()",
     RuntimeError, "unsupported operation: more than one element of the written-to tensor refers to"),
    ("x = torch.zeros(1).expand(3); x.clamp_(0)",
     RuntimeError, "unsupported operation: more than one element of the written-to tensor refers to"),
    ("x = torch.zeros(1).expand(3); x.relu_()",
     RuntimeError, "unsupported operation: more than one element of the written-to tensor refers to"),
    ("x = torch.zeros(1).expand(3); torch.add(torch.ones(3), 1, out=x)",
     RuntimeError, "unsupported operation: more than one element of the written-to tensor refers to"),
]


def test_writes_to_overlapping_windows_errors():
    check_errors(WRITES_TO_OVERLAPPING_WINDOWS_ERRORS)


WRITES_FROM_OVERLAPPING_WINDOWS = [
    ("x = torch.zeros(4); x[:].add_(x)", "tensor([0., 0., 0., 0.])"),
    ("x = torch.zeros(4); torch.add(x, 1, out=x)", "tensor([1., 1., 1., 1.])"),
]


def test_writes_from_overlapping_windows():
    check_values(WRITES_FROM_OVERLAPPING_WINDOWS)


WRITES_FROM_OVERLAPPING_WINDOWS_ERRORS = [
    ("x = torch.zeros(4); x[1:].add_(x[:-1])",
     RuntimeError, "unsupported operation: some elements of the input tensor and the written-to"),
    ("x = torch.zeros(4); x[1:].copy_(x[:-1])",
     RuntimeError, "unsupported operation: some elements of the input tensor and the written-to"),
    ("x = torch.zeros(4); torch.add(x[:-1], 1, out=x[1:])",
     RuntimeError, "unsupported operation: some elements of the input tensor and the written-to"),
    ("x = torch.zeros(4); x[1:] += x[:-1]",
     RuntimeError, "unsupported operation: some elements of the input tensor and the written-to"),
    ("x = torch.zeros(4, 4); x.t().add_(x)",
     RuntimeError, "unsupported operation: some elements of the input tensor and the written-to"),
    ("x = torch.arange(4.).view(2, 2); x.copy_(x.t())",
     RuntimeError, "unsupported operation: some elements of the input tensor and the written-to"),
]


def test_writes_from_overlapping_windows_errors():
    check_errors(WRITES_FROM_OVERLAPPING_WINDOWS_ERRORS)


INDEXING = [
    ("x = torch.zeros(()); x[...].shape, x[None].shape, x[True].shape, x[False].shape, x[()].shape",
     "(torch.Size([]), torch.Size([1]), torch.Size([1]), torch.Size([0]), torch.Size([]))"),
    ("x = torch.zeros(3); x[:].data_ptr() == x.data_ptr(), x[:] is x, x[...] is x, x[()] is x, x[...]._base is x",
     "(True, False, False, False, True)"),
    ("x = torch.zeros(3); x[[0, 1]]._base, x[torch.tensor([0, 1])]._base, x[torch.tensor(1)]._base is x",
     "(None, None, True)"),
]


def test_indexing():
    check_values(INDEXING)


INDEXING_ERRORS = [
    ("x = torch.zeros(3, 4); x[::-1]", ValueError, "step must be greater than zero"),
    ("x = torch.zeros(3, 4); x[::0]", ValueError, "slice step cannot be zero"),
    ("x = torch.zeros(3, 4); x[3]", IndexError, "index 3 is out of bounds for dimension 0 with size 3"),
    ("x = torch.zeros(3, 4); x[0, 0, 0]", IndexError, "too many indices for tensor of dimension 2"),
    ("x = torch.zeros(3, 4); x[-4]", IndexError, "index -4 is out of bounds for dimension 0 with size 3"),
    ("x = torch.zeros(3, 4); x[1.5]",
     IndexError, "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables"),
    ("x = torch.zeros(3, 4); x['a']", TypeError, ""),
    ("x = torch.zeros(3, 4); x[1.0:2]",
     TypeError, "slice indices must be integers or None or have an __index__ method"),
    ("x = torch.zeros(()); x[0]", IndexError, "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or"),
    ("x = torch.zeros(3); x[torch.tensor([5])]", IndexError, "index 5 is out of bounds for dimension 0 with size 3"),
    ("x = torch.zeros(3); x[torch.tensor([True, False])]",
     IndexError, "The shape of the mask [2] at index 0 does not match the shape of the indexed"),
    ("x = torch.zeros(3); x[torch.tensor([1.])]",
     IndexError, "tensors used as indices must be long, int, byte or bool tensors"),
    ("x = torch.zeros(3); x[torch.tensor([1], dtype=torch.uint8)]",
     IndexError, "The shape of the mask [1] at index 0 does not match the shape of the indexed"),
    ("x = torch.zeros(3); x[torch.tensor([1], dtype=torch.int8)]",
     IndexError, "tensors used as indices must be long, int, byte or bool tensors"),
    ("x = torch.zeros(3, 4); x[[0, 1], [0, 1, 2]]",
     IndexError, "shape mismatch: indexing tensors could not be broadcast together with shapes"),
]


def test_indexing_errors():
    check_errors(INDEXING_ERRORS)


ASSIGNMENT = [
    ("x = torch.zeros(3, 4); x[0] = torch.ones(1, 1, 4); x[0]", "tensor([1., 1., 1., 1.])"),
    ("x = torch.zeros(3, 4); x[0, 0] = torch.ones(1)", "None"),
    ("x = torch.zeros(3, dtype=torch.int64); x[0] = 2.7; x", "tensor([2, 0, 0])"),
    ("x = torch.zeros(3, dtype=torch.int64); x[0] = torch.tensor(2.7); x", "tensor([2, 0, 0])"),
    ("x = torch.zeros(3, dtype=torch.uint8); x[0] = -1; x", "tensor([255,   0,   0], dtype=torch.uint8)"),
    ("x = torch.zeros(3); x[[0, 1]] = 3; x", "tensor([3., 3., 0.])"),
    ("x = torch.zeros(3); x[torch.tensor([True, False, True])] = torch.tensor([1., 2.]); x", "tensor([1., 0., 2.])"),
    ("x = torch.zeros(3); x[False] = 5; x", "tensor([0., 0., 0.])"),
    ("x = torch.zeros(3); x[True] = 5; x", "tensor([5., 5., 5.])"),
]


def test_assignment():
    check_values(ASSIGNMENT)


ASSIGNMENT_ERRORS = [
    ("x = torch.zeros(3, 4); x[0] = torch.ones(3)",
     RuntimeError, "The expanded size of the tensor (4) must match the existing size (3) at"),
    ("x = torch.zeros(3, 4); x[0] = torch.ones(2, 4)",
     RuntimeError, "FloatTensor{[2, 4]}, size=[4]): the number of sizes provided (1) must be"),
    ("x = torch.zeros(3, 4); x[0, 0] = torch.ones(2)",
     RuntimeError, "FloatTensor{[2]}, size=[]): the number of sizes provided (0) must be greater or"),
    ("x = torch.zeros(3, dtype=torch.int64); x[0] = 1j", RuntimeError, "value cannot be converted to type int64"),
    ("x = torch.zeros(3, dtype=torch.uint8); x[0] = 300",
     RuntimeError, "value cannot be converted to type uint8_t without overflow"),
    ("x = torch.zeros(3); x[[0, 1]] = torch.ones(2, dtype=torch.float64)",
     RuntimeError, "Index put requires the source and destination dtypes match, got Float for the"),
    ("x = torch.zeros(3); x[torch.tensor([True, False, True])] = torch.tensor([1., 2., 3.])",
     RuntimeError, "shape mismatch: value tensor of shape [3] cannot be broadcast to indexing"),
    ("x = torch.zeros(3); x[0] = 'a'", TypeError, "can't assign a str to a torch.FloatTensor"),
    ("x = torch.zeros(3); x[0] = None", TypeError, "can't assign a NoneType to a torch.FloatTensor"),
    ("x = torch.zeros(3); x[0] = [1]", TypeError, "can't assign a list to a torch.FloatTensor"),
    ("x = torch.zeros(3); x[0:2] = [1, 2]; x", TypeError, "can't assign a list to a torch.FloatTensor"),
    ("x = torch.zeros(3); x[0:2] = np.array([1, 2]); x",
     TypeError, "can't assign a numpy.ndarray to a torch.FloatTensor"),
    ("x = torch.zeros(3); del x[0]", TypeError, "Tensor does not support deleting items"),
]


def test_assignment_errors():
    check_errors(ASSIGNMENT_ERRORS)


WRITES_BESIDE_EACH_OTHER = [
    ("x = torch.arange(16.).view(4, 4); x[:, 0].add_(x[:, 1]); x",
     "tensor([[ 1.,  1.,  2.,  3.],\n        [ 9.,  5.,  6.,  7.],\n        [17.,  9., 10., 11.],\n     "
     "   [25., 13., 14., 15.]])"),
    ("x = torch.arange(16.).view(4, 4); x[:, 2] += x[:, 0]; x",
     "tensor([[ 0.,  1.,  2.,  3.],\n        [ 4.,  5., 10.,  7.],\n        [ 8.,  9., 18., 11.],\n     "
     "   [12., 13., 26., 15.]])"),
    ("x = torch.arange(16.).view(4, 4); torch.add(x[:, 0], 1, out=x[:, 1]); x",
     "tensor([[ 0.,  1.,  2.,  3.],\n        [ 4.,  5.,  6.,  7.],\n        [ 8.,  9., 10., 11.],\n     "
     "   [12., 13., 14., 15.]])"),
    ("x = torch.arange(16.).view(4, 4); x[::2].add_(x[1::2])",
     "tensor([[ 4.,  6.,  8., 10.],\n        [20., 22., 24., 26.]])"),
    ("x = torch.arange(16.).view(4, 4); x[0].add_(x[:, 0])", "tensor([ 0.,  5., 10., 15.])"),
    ("x = torch.arange(16.).view(4, 4); x.div_(x.sum()); x",
     "tensor([[0.0000, 0.0083, 0.0167, 0.0250],\n        [0.0333, 0.0417, 0.0500, 0.0583],\n        [0."
     "0667, 0.0750, 0.0833, 0.0917],\n        [0.1000, 0.1083, 0.1167, 0.1250]])"),
    ("x = torch.arange(16.).view(4, 4); x[1].add_(x[0]); x",
     "tensor([[ 0.,  1.,  2.,  3.],\n        [ 4.,  6.,  8., 10.],\n        [ 8.,  9., 10., 11.],\n     "
     "   [12., 13., 14., 15.]])"),
    ("x = torch.arange(16.).view(4, 4); x[0], x[1] = x[1], x[0].clone(); x",
     "tensor([[ 4.,  5.,  6.,  7.],\n        [ 0.,  1.,  2.,  3.],\n        [ 8.,  9., 10., 11.],\n     "
     "   [12., 13., 14., 15.]])"),
    ("x = torch.arange(16.).view(4, 4); x[[0, 1]] = x[[1, 0]]; x",
     "tensor([[ 4.,  5.,  6.,  7.],\n        [ 0.,  1.,  2.,  3.],\n        [ 8.,  9., 10., 11.],\n     "
     "   [12., 13., 14., 15.]])"),
    ("x = torch.arange(16.).view(4, 4); x[0, :].copy_(x[:, 0]); x",
     "tensor([[ 0.,  4.,  8., 12.],\n        [ 4.,  5.,  6.,  7.],\n        [ 8.,  9., 10., 11.],\n     "
     "   [12., 13., 14., 15.]])"),
    ("x = torch.arange(16.).view(4, 4); torch.cumsum(x, 0, out=x); x",
     "tensor([[ 0.,  1.,  2.,  3.],\n        [ 4.,  6.,  8., 10.],\n        [12., 15., 18., 21.],\n     "
     "   [24., 28., 32., 36.]])"),
    ("x = torch.arange(16.).view(4, 4); x.masked_fill_(x > 3, x[0, 1]); x",
     "tensor([[0., 1., 2., 3.],\n        [1., 1., 1., 1.],\n        [1., 1., 1., 1.],\n        [1., 1., 1., 1.]])"),
    ("x = torch.arange(16.).view(4, 4); x.addcmul_(x, x); x",
     "tensor([[  0.,   2.,   6.,  12.],\n        [ 20.,  30.,  42.,  56.],\n        [ 72.,  90., 110., "
     "132.],\n        [156., 182., 210., 240.]])"),
    ("x = torch.arange(4.); x.expand(1, 4).add_(1)", "tensor([[1., 2., 3., 4.]])"),
    ("x = torch.arange(4.); x.add_(x.flip(0))", "tensor([3., 3., 3., 3.])"),
    ("x = torch.zeros(3, 4); x[torch.tensor([0, 0])] += 1; x",
     "tensor([[1., 1., 1., 1.],\n        [0., 0., 0., 0.],\n        [0., 0., 0., 0.]])"),
    ("x = torch.arange(16.).view(4, 4); x[x > 3] = x[0, 1]; x",
     "tensor([[0., 1., 2., 3.],\n        [1., 1., 1., 1.],\n        [1., 1., 1., 1.],\n        [1., 1., 1., 1.]])"),
    ("x = torch.arange(16.).view(4, 4); x[:, [0]] = x[:, 1:2]; x",
     "tensor([[ 1.,  1.,  2.,  3.],\n        [ 5.,  5.,  6.,  7.],\n        [ 9.,  9., 10., 11.],\n     "
     "   [13., 13., 14., 15.]])"),
    ("x = torch.arange(4); x.index_select(0, x), x.gather(0, x), x[x], x.take(x)",
     "(tensor([0, 1, 2, 3]), tensor([0, 1, 2, 3]), tensor([0, 1, 2, 3]), tensor([0, 1, 2, 3]))"),
    ("x = torch.arange(16.).view(4, 4); x[:1].scatter_(0, torch.zeros(1, 4, dtype=torch.long), x[1:2]); x",
     "tensor([[ 4.,  5.,  6.,  7.],\n        [ 4.,  5.,  6.,  7.],\n        [ 8.,  9., 10., 11.],\n     "
     "   [12., 13., 14., 15.]])"),
    ("x = torch.arange(16.).view(4, 4); x[:, :2].scatter_(0, torch.zeros(1, 2, dtype=torch.long), x[:, 2:]); x",
     "tensor([[ 2.,  3.,  2.,  3.],\n        [ 4.,  5.,  6.,  7.],\n        [ 8.,  9., 10., 11.],\n     "
     "   [12., 13., 14., 15.]])"),
    ("x = torch.tensor([True, False]); y = x.float(); x.masked_fill_(x, False)", "tensor([False, False])"),
    ("x = torch.arange(4.); x.masked_scatter_(x > 1, x); x", "tensor([0., 1., 0., 1.])"),
]


def test_writes_beside_each_other():
    check_values(WRITES_BESIDE_EACH_OTHER)


WRITES_BESIDE_EACH_OTHER_ERRORS = [
    ("x = torch.arange(16.).view(4, 4); x[1:] = x[:-1]; x",
     RuntimeError, "unsupported operation: some elements of the input tensor and the written-to"),
    ("x = torch.arange(16.).view(4, 4); x.add_(x[0])",
     RuntimeError, "unsupported operation: some elements of the input tensor and the written-to"),
    ("x = torch.arange(16.).view(4, 4); x.sub_(x.mean(0)).div_(x[0, 0]); x",
     RuntimeError, "unsupported operation: some elements of the input tensor and the written-to"),
    ("x = torch.arange(16.).view(4, 4); x /= x[1, 1]; x",
     RuntimeError, "unsupported operation: some elements of the input tensor and the written-to"),
    ("x = torch.arange(16.).view(4, 4); torch.max(x, 0, out=(x[0], torch.empty(4, dtype=torch.long)))",
     RuntimeError, "unsupported operation: some elements of the input tensor and the written-to"),
    ("x = torch.arange(16.).view(4, 4); torch.mul(x[:2], x[2:], out=x[1:3])",
     RuntimeError, "unsupported operation: some elements of the input tensor and the written-to"),
    ("x = torch.arange(16.).view(4, 4); torch.where(x > 3, x, x.t(), out=x)",
     RuntimeError, "unsupported operation: some elements of the input tensor and the written-to"),
    ("x = torch.arange(16.).view(4, 4); torch.index_select(x, 0, torch.tensor([1, 0]), out=x)",
     RuntimeError, "unsupported operation: some elements of the input tensor and the written-to"),
    ("x = torch.arange(16.).view(4, 4); torch.gather(x, 0, torch.zeros(4, 4, dtype=torch.long), out=x)",
     RuntimeError, "unsupported operation: some elements of the input tensor and the written-to"),
    ("x = torch.arange(16.).view(4, 4); x.scatter_(0, torch.zeros(4, 4, dtype=torch.long), x)",
     RuntimeError, "unsupported operation: some elements of the input tensor and the written-to"),
    ("x = torch.arange(16.).view(4, 4); x.index_add_(0, torch.tensor([0]), x[1:2])",
     RuntimeError, "unsupported operation: some elements of the input tensor and the written-to"),
    ("x = torch.arange(16.).view(4, 4); x.index_copy_(0, torch.tensor([0, 1, 2, 3]), x)",
     RuntimeError, "unsupported operation: some elements of the input tensor and the written-to"),
    ("x = torch.arange(16.).view(4, 4); x.as_strided((3,), (1,)).add_(x.as_strided((3,), (1,), 1))",
     RuntimeError, "unsupported operation: some elements of the input tensor and the written-to"),
    ("x = torch.arange(16.).view(4, 4); x.lerp_(x.t(), 0.5)",
     RuntimeError, "unsupported operation: some elements of the input tensor and the written-to"),
    ("x = torch.arange(16.).view(4, 4); x.addcmul_(x.t(), x)",
     RuntimeError, "unsupported operation: some elements of the input tensor and the written-to"),
    ("x = torch.arange(16.).view(4, 4); x.expand(2, 4, 4).add_(1)",
     RuntimeError, "unsupported operation: more than one element of the written-to tensor refers to"),
    ("x = torch.arange(4.); x.as_strided((2, 2), (2, 1)).add_(x.as_strided((2, 2), (1, 2)))",
     RuntimeError, "unsupported operation: some elements of the input tensor and the written-to"),
    ("x = torch.arange(16.).view(4, 4); x[[0]] = x[1]; x",
     RuntimeError, "unsupported operation: some elements of the input tensor and the written-to"),
    ("x = torch.arange(16.).view(4, 4); x[[0, 1]] = x[2:]; x",
     RuntimeError, "unsupported operation: some elements of the input tensor and the written-to"),
    ("x = torch.arange(4); x[x] = 1; x",
     RuntimeError, "unsupported operation: some elements of the input tensor and the written-to"),
    ("x = torch.arange(4); x.index_put_((x,), torch.tensor(1))",
     RuntimeError, "unsupported operation: some elements of the input tensor and the written-to"),
    ("x = torch.arange(4); x.scatter_(0, x, 1)",
     RuntimeError, "unsupported operation: some elements of the input tensor and the written-to"),
    ("x = torch.arange(4); x.index_fill_(0, x, 1)",
     RuntimeError, "unsupported operation: some elements of the input tensor and the written-to"),
    ("x = torch.arange(16.).view(4, 4); torch.clamp(x, x[0], None, out=x)",
     RuntimeError, "unsupported operation: some elements of the input tensor and the written-to"),
    ("x = torch.arange(4.); x.index_add_(0, torch.tensor([0, 1, 2, 3]), x)",
     RuntimeError, "unsupported operation: some elements of the input tensor and the written-to"),
]


def test_writes_beside_each_other_errors():
    check_errors(WRITES_BESIDE_EACH_OTHER_ERRORS)
