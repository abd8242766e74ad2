"""Windows on memory: what shares, how strides and versions go, what is refused, and gradients through writes to windows."""
from checking import check_errors, check_values


BASES_AND_VERSIONS = [
    ("x = torch.arange(12.).view(3, 4); x._base.shape, x._is_view()", "(torch.Size([12]), True)"),
    ("x = torch.zeros(3, 4); y = x[1][2:]; y._base is x, y.storage_offset(), y.stride()", "(True, 6, (1,))"),
    ("x = torch.zeros(3, 4); y = x.t(); y.add_(1); x._version, y._version", "(1, 1)"),
    ("x = torch.zeros(3, 4); y = x.detach(); y.add_(1); x._version, y._version, y._is_view(), y._base",
     "(1, 1, False, None)"),
    ("x = torch.zeros(3, 4); y = x.data; y.add_(1); x._version, y._version, y._is_view()", "(0, 1, False)"),
    ("x = torch.zeros(3, 4); y = x.view(-1); z = y[2:]; z.zero_(); x._version, y._version, z._version", "(1, 1, 1)"),
]


def test_bases_and_versions():
    check_values(BASES_AND_VERSIONS)


VIEW = [
    ("x = torch.zeros(3, 4); x.t().view(4, 3, 1).stride(), x.t().view(2, 2, 3).stride()", "((1, 4, 4), (2, 1, 4))"),
    ("x = torch.zeros(0, 4); x.view(-1)", "tensor([])"),
    ("x = torch.zeros(0, 4); x.view(4, -1)", "tensor([], size=(4, 0))"),
    ("x = torch.zeros(2, 3); x.view_as(torch.zeros(3, 2)).shape", "torch.Size([3, 2])"),
    ("x = torch.zeros(2, 3); x.view(dtype=torch.int32).dtype", "torch.int32"),
]


def test_view():
    check_values(VIEW)


VIEW_ERRORS = [
    ("x = torch.zeros(3, 4); x.view(5)", RuntimeError, "shape '[5]' is invalid for input of size 12"),
    ("x = torch.zeros(3, 4); x.view(-1, 5)", RuntimeError, "shape '[-1, 5]' is invalid for input of size 12"),
    ("x = torch.zeros(3, 4); x.view(-1, -1)", RuntimeError, "only one dimension can be inferred"),
    ("x = torch.zeros(3, 4); x.view(-2)", RuntimeError, "invalid shape dimension -2 at index 0 of shape [-2]"),
    ("x = torch.zeros(3, 4); x.t().view(-1)",
     RuntimeError, "view size is not compatible with input tensor's size and stride (at least one"),
    ("x = torch.zeros(0, 4); x.view(-1, 0)",
     RuntimeError, "cannot reshape tensor of 0 elements into shape [-1, 0] because the unspecified"),
    ("x = torch.zeros(2, 3); x.view(torch.int32).dtype, x.view(torch.int64)",
     RuntimeError, "self.size(-1) must be divisible by 2 to view Float as Long (different element"),
    ("x = torch.zeros(2, 3); x.view()",
     TypeError, "view() received an invalid combination of arguments - got (), but expected one"),
    ("x = torch.zeros(2, 3); x.view(2.0, 3)",
     TypeError, "view() received an invalid combination of arguments - got (float, int), but"),
    ("x = torch.zeros(2, 3); x.view('a')",
     TypeError, "view() received an invalid combination of arguments - got (str), but expected"),
]


def test_view_errors():
    check_errors(VIEW_ERRORS)


VIEW_AS_DTYPE = [
    ("x = torch.zeros(()); x.view(torch.int32)", "tensor(0, dtype=torch.int32)"),
    ("x = torch.zeros(5)[1:]; x.view(torch.int16)", "tensor([0, 0, 0, 0, 0, 0, 0, 0], dtype=torch.int16)"),
    ("x = torch.zeros(2, 3); x.view(torch.bool)",
     "tensor([[False, False, False, False, False, False, False, False, False, False,\n         False, "
     "False],\n        [False, False, False, False, False, False, False, False, False, False,\n        "
     " False, False]])"),
]


def test_view_as_dtype():
    check_values(VIEW_AS_DTYPE)


VIEW_AS_DTYPE_ERRORS = [
    ("x = torch.zeros(2, 4); x.t().view(torch.int64)",
     RuntimeError, "self.stride(-1) must be 1 to view Float as Long (different element sizes), but"),
    ("x = torch.zeros(2, 4); x.t().view(torch.int16)",
     RuntimeError, "self.stride(-1) must be 1 to view Float as Short (different element sizes), but"),
    ("x = torch.zeros(()); x.view(torch.int16)",
     RuntimeError, "self.dim() cannot be 0 to view Float as Short (different element sizes)"),
    ("x = torch.zeros(5)[1:]; x.view(torch.int64)",
     RuntimeError, "self.storage_offset() must be divisible by 2 to view Float as Long (different"),
]


def test_view_as_dtype_errors():
    check_errors(VIEW_AS_DTYPE_ERRORS)


RESHAPE = [
    ("x = torch.zeros(2, 3); x.reshape(-1)._base is x, x.t().reshape(-1)._base, x.reshape(2, 3) is x",
     "(True, None, False)"),
    ("torch.reshape(torch.zeros(2, 3), (-1,)).shape", "torch.Size([6])"),
    ("torch.zeros(2, 3).reshape_as(torch.zeros(6)).shape", "torch.Size([6])"),
    ("torch.zeros(4).reshape(2, -1, 2)", "tensor([[[0., 0.]],\n\n        [[0., 0.]]])"),
]


def test_reshape():
    check_values(RESHAPE)


RESHAPE_ERRORS = [
    ("x = torch.zeros(2, 3); x.reshape(7)", RuntimeError, "shape '[7]' is invalid for input of size 6"),
    ("x = torch.zeros(2, 3); x.reshape(-1, 0)", RuntimeError, "shape '[-1, 0]' is invalid for input of size 6"),
]


def test_reshape_errors():
    check_errors(RESHAPE_ERRORS)


TRANSPOSE_AND_PERMUTE = [
    ("torch.zeros(()).transpose(0, 0).shape", "torch.Size([])"),
    ("torch.zeros(2).t().shape, torch.zeros(()).t().shape", "(torch.Size([2]), torch.Size([]))"),
    ("torch.zeros(2, 3).adjoint().stride()", "(1, 3)"),
]


def test_transpose_and_permute():
    check_values(TRANSPOSE_AND_PERMUTE)


TRANSPOSE_AND_PERMUTE_ERRORS = [
    ("torch.zeros(2, 3).transpose(0, 2)",
     IndexError, "Dimension out of range (expected to be in range of [-2, 1], but got 2)"),
    ("torch.zeros(2, 3).transpose(-3, 0)",
     IndexError, "Dimension out of range (expected to be in range of [-2, 1], but got -3)"),
    ("torch.zeros(()).transpose(0, 1)",
     IndexError, "Dimension out of range (expected to be in range of [-1, 0], but got 1)"),
    ("torch.zeros(2, 3, 4).t()", RuntimeError, "t() expects a tensor with <= 2 dimensions, but self is 3D"),
    ("torch.zeros(2, 3, 4).permute(0, 1)",
     RuntimeError, "permute(sparse_coo): number of dimensions in the tensor input does not match"),
    ("torch.zeros(2, 3, 4).permute(0, 1, 1)", RuntimeError, "permute(): duplicate dims are not allowed."),
    ("torch.zeros(2, 3, 4).permute(0, 1, 3)",
     IndexError, "Dimension out of range (expected to be in range of [-3, 2], but got 3)"),
    ("torch.zeros(()).permute()", TypeError, 'permute() missing 1 required positional arguments: "dims"'),
    ("torch.zeros(2, 3).movedim((0, 0), (0, 1))", RuntimeError, ""),
    ("torch.zeros(2, 3).movedim((0, 1), (0,))",
     RuntimeError, "dims) should contain the same number of dims as destination ("),
]


def test_transpose_and_permute_errors():
    check_errors(TRANSPOSE_AND_PERMUTE_ERRORS)


EXPAND = [
    ("torch.zeros(3).expand_as(torch.zeros(2, 3)).shape", "torch.Size([2, 3])"),
    ("torch.zeros(3).broadcast_to((2, 3)).stride()", "(0, 1)"),
    ("torch.broadcast_tensors(torch.zeros(3), torch.zeros(2, 1))",
     "(tensor([[0., 0., 0.],\n        [0., 0., 0.]]), tensor([[0., 0., 0.],\n        [0., 0., 0.]]))"),
    ("torch.broadcast_shapes((3,), (2, 1), (1, 1, 1))", "torch.Size([1, 2, 3])"),
]


def test_expand():
    check_values(EXPAND)


EXPAND_ERRORS = [
    ("torch.zeros(3).expand(3, 2)",
     RuntimeError, "The expanded size of the tensor (2) must match the existing size (3) at"),
    ("torch.zeros(3).expand(-1, 3)",
     RuntimeError, "The expanded size of the tensor (-1) isn't allowed in a leading, non-existing"),
    ("torch.zeros(2, 3).expand(3)",
     RuntimeError, "FloatTensor{[2, 3]}, size=[3]): the number of sizes provided (1) must be"),
    ("torch.zeros(2, 3).expand(2, 4)",
     RuntimeError, "The expanded size of the tensor (4) must match the existing size (3) at"),
    ("torch.zeros(3).expand(-2)",
     RuntimeError, "The expanded size of the tensor (-2) must match the existing size (3) at"),
    ("torch.zeros(1).expand(-1, 3)",
     RuntimeError, "The expanded size of the tensor (-1) isn't allowed in a leading, non-existing"),
    ("torch.broadcast_tensors(torch.zeros(3), torch.zeros(2))",
     RuntimeError, "The size of tensor a (3) must match the size of tensor b (2) at non-singleton"),
    ("torch.broadcast_shapes((3,), (2,))", RuntimeError, ""),
]


def test_expand_errors():
    check_errors(EXPAND_ERRORS)


AS_STRIDED = [
    ("torch.zeros(4).as_strided((2, 2), (1, 1)).add_(1)", "tensor([[1., 2.],\n        [2., 1.]])"),
    ("torch.zeros(4).as_strided((2, 2), (1, 1)).fill_(1)", "tensor([[1., 1.],\n        [1., 1.]])"),
    ("torch.arange(4.).as_strided((2, 2), (1, 2))", "tensor([[0., 2.],\n        [1., 3.]])"),
    ("torch.arange(4.).as_strided((0,), (1,), 100)", "tensor([])"),
    ("torch.arange(4.).as_strided((), ())", "tensor(0.)"),
    ("torch.arange(4.)[2:].as_strided((2,), (1,))", "tensor([2., 3.])"),
    ("torch.arange(4.)[2:].as_strided((2,), (1,), 0)", "tensor([0., 1.])"),
    ("torch.as_strided(torch.arange(6), (2, 2), (3, 1), 1)", "tensor([[1, 2],\n        [4, 5]])"),
    ("x = torch.arange(4.); x.as_strided_((2, 2), (2, 1)); x", "tensor([[0., 1.],\n        [2., 3.]])"),
]


def test_as_strided():
    check_values(AS_STRIDED)


AS_STRIDED_ERRORS = [
    ("torch.arange(4.).as_strided((2, 2), (1, 2), 1)",
     RuntimeError, "setStorage: sizes [2, 2], strides [1, 2], storage offset 1, and itemsize 4"),
    ("torch.arange(4.).as_strided((2, 3), (1, 2))",
     RuntimeError, "setStorage: sizes [2, 3], strides [1, 2], storage offset 0, and itemsize 4"),
    ("torch.arange(4.).as_strided((2,), (-1,))",
     RuntimeError, "as_strided: Negative strides are not supported at the moment, got strides: [-1]"),
    ("torch.arange(4.).as_strided((-2,), (1,))", RuntimeError, ""),
    ("torch.arange(4.).as_strided((2, 2), (1,))", RuntimeError, "mismatch in length of strides and shape"),
    ("torch.arange(4.).as_strided((2,), (1,), -1)", RuntimeError, "Tensor: invalid storage offset -1"),
]


def test_as_strided_errors():
    check_errors(AS_STRIDED_ERRORS)


VIEWS_IN_PLACE = [
    ("x = torch.zeros(2, 3); x.t_(); x.shape, x._version", "(torch.Size([3, 2]), 1)"),
    ("x = torch.zeros(2, 3); x.transpose_(0, 1); x.stride()", "(1, 3)"),
    ("x = torch.zeros(2, 3); x.squeeze_().unsqueeze_(0).shape", "torch.Size([1, 2, 3])"),
]


def test_views_in_place():
    check_values(VIEWS_IN_PLACE)


SQUEEZE_AND_UNSQUEEZE_ERRORS = [
    ("torch.zeros(2, 1).squeeze(2)",
     IndexError, "Dimension out of range (expected to be in range of [-2, 1], but got 2)"),
    ("torch.zeros(2, 1).squeeze((1, 1))", RuntimeError, "dim 1 appears multiple times in the list of dims"),
    ("torch.zeros(2, 3).unsqueeze(3)",
     IndexError, "Dimension out of range (expected to be in range of [-3, 2], but got 3)"),
    ("torch.zeros(2, 3).unsqueeze(-4)",
     IndexError, "Dimension out of range (expected to be in range of [-3, 2], but got -4)"),
]


def test_squeeze_and_unsqueeze_errors():
    check_errors(SQUEEZE_AND_UNSQUEEZE_ERRORS)


FLATTEN = [
    ("x = torch.zeros(2, 3); x.flatten()._base is x, torch.zeros(3).flatten()._base", "(True, None)"),
    ("torch.zeros(2, 6).unflatten(1, (2, 3)).shape, torch.zeros(2, 6).unflatten(-1, (-1, 2)).stride()",
     "(torch.Size([2, 2, 3]), (6, 2, 1))"),
    ("torch.zeros(2, 3).ravel()._base is None, torch.zeros(3, 2).t().ravel().stride()", "(False, (1,))"),
]


def test_flatten():
    check_values(FLATTEN)


FLATTEN_ERRORS = [
    ("torch.zeros(2, 3).flatten(1, 0)",
     RuntimeError, "flatten() has invalid args: start_dim cannot come after end_dim"),
    ("torch.zeros(2, 3).flatten(0, 2)",
     IndexError, "Dimension out of range (expected to be in range of [-2, 1], but got 2)"),
    ("torch.zeros(2, 6).unflatten(1, (4, 2))",
     RuntimeError, "unflatten: Provided sizes [4, 2] don't multiply up to the size of dim 1 (6) in"),
    ("torch.zeros(2, 6).unflatten(2, (4, 2))",
     IndexError, "Dimension out of range (expected to be in range of [-2, 1], but got 2)"),
    ("torch.zeros(2, 6).unflatten(1, (-1, 4))",
     RuntimeError, "1, 4] don't multiply up to the size of dim 1 (6) in the input tensor"),
    ("torch.zeros(2, 6).unflatten(1, ())", RuntimeError, "unflatten: sizes must be non-empty"),
]


def test_flatten_errors():
    check_errors(FLATTEN_ERRORS)


NARROW_AND_SELECT = [
    ("torch.zeros(5).narrow(0, torch.tensor(1), 2).storage_offset()", "1"),
    ("torch.zeros(5, 4).select(0, 2).storage_offset(), torch.zeros(5, 4).select(1, -1).storage_offset()", "(8, 3)"),
]


def test_narrow_and_select():
    check_values(NARROW_AND_SELECT)


NARROW_AND_SELECT_ERRORS = [
    ("torch.zeros(5).narrow(0, 4, 2)", RuntimeError, "start (4) + length (2) exceeds dimension size (5)."),
    ("torch.zeros(5).narrow(0, 6, 0)",
     IndexError, "start out of range (expected to be in range of [-5, 5], but got 6)"),
    ("torch.zeros(5).narrow(0, 0, -1)", RuntimeError, "narrow(): length must be non-negative."),
    ("torch.zeros(5).narrow(1, 0, 1)",
     IndexError, "Dimension out of range (expected to be in range of [-1, 0], but got 1)"),
    ("torch.zeros(()).narrow(0, 0, 1)", RuntimeError, "narrow() cannot be applied to a 0-dim tensor."),
    ("torch.zeros(5).select(0, 5)", IndexError, "select(): index 5 out of range for tensor of size [5] at dimension 0"),
    ("torch.zeros(5).select(1, 0)",
     IndexError, "Dimension out of range (expected to be in range of [-1, 0], but got 1)"),
    ("torch.zeros(()).select(0, 0)", IndexError, "select() cannot be applied to a 0-dim tensor."),
]


def test_narrow_and_select_errors():
    check_errors(NARROW_AND_SELECT_ERRORS)


DIAGONAL_ERRORS = [
    ("torch.zeros(5).diagonal()", IndexError, "Dimension out of range (expected to be in range of [-1, 0], but got 1)"),
    ("torch.zeros(3, 4).diagonal(0, 0, 0)", RuntimeError, "diagonal dimensions cannot be identical 0, 0"),
]


def test_diagonal_errors():
    check_errors(DIAGONAL_ERRORS)


UNFOLD = [
    ("torch.zeros(()).unfold(0, 1, 1)", "tensor([0.])"),
    ("torch.zeros(6).unfold(0, 3, 1).add_(1)",
     "tensor([[1., 2., 3.],\n        [2., 3., 3.],\n        [3., 3., 2.],\n        [3., 2., 1.]])"),
]


def test_unfold():
    check_values(UNFOLD)


UNFOLD_ERRORS = [
    ("torch.zeros(6).unfold(0, 7, 1)", RuntimeError, "maximum size for tensor at dimension 0 is 6 but size is 7"),
    ("torch.zeros(6).unfold(0, 2, 0)", RuntimeError, "step is 0 but must be > 0"),
    ("torch.zeros(6).unfold(0, -1, 1)", RuntimeError, "size is -1 but must be >= 0"),
    ("torch.zeros(6).unfold(1, 2, 1)",
     IndexError, "Dimension out of range (expected to be in range of [-1, 0], but got 1)"),
]


def test_unfold_errors():
    check_errors(UNFOLD_ERRORS)


SPLITS = [
    ("[t.shape for t in torch.zeros(5).split(2)]", "[torch.Size([2]), torch.Size([2]), torch.Size([1])]"),
    ("[t.storage_offset() for t in torch.zeros(5, 2).split([1, 4])]", "[0, 2]"),
    ("torch.zeros(0).split(0)", "(tensor([]),)"),
    ("torch.zeros(0).split(2)", "(tensor([]),)"),
    ("[t.shape for t in torch.zeros(5).chunk(3)]", "[torch.Size([2]), torch.Size([2]), torch.Size([1])]"),
    ("[t.shape for t in torch.zeros(5).chunk(7)]",
     "[torch.Size([1]), torch.Size([1]), torch.Size([1]), torch.Size([1]), torch.Size([1])]"),
    ("[t.shape for t in torch.zeros(0).chunk(3)]", "[torch.Size([0]), torch.Size([0]), torch.Size([0])]"),
    ("[t.shape for t in torch.zeros(5).tensor_split(3)]", "[torch.Size([2]), torch.Size([2]), torch.Size([1])]"),
    ("[t.shape for t in torch.zeros(5).tensor_split((1, 3))]", "[torch.Size([1]), torch.Size([2]), torch.Size([2])]"),
    ("[t.shape for t in torch.zeros(5).tensor_split((3, 1))]", "[torch.Size([3]), torch.Size([0]), torch.Size([4])]"),
    ("[t.shape for t in torch.zeros(4, 2).hsplit(2)], [t.shape for t in torch.zeros(4, 2).vsplit(2)]",
     "([torch.Size([4, 1]), torch.Size([4, 1])], [torch.Size([2, 2]), torch.Size([2, 2])])"),
    ("[t.shape for t in torch.zeros(2, 3).unbind()], [t.stride() for t in torch.zeros(2, 3).unbind(1)]",
     "([torch.Size([3]), torch.Size([3])], [(3,), (3,), (3,)])"),
    ("torch.zeros(0, 2).unbind()", "()"),
]


def test_splits():
    check_values(SPLITS)


SPLITS_ERRORS = [
    ("torch.zeros(5).split([1, 2])",
     RuntimeError, "split_with_sizes expects split_sizes to sum exactly to 5 (input tensor's size"),
    ("torch.zeros(5).split(0)",
     RuntimeError, "split_size can only be 0 if dimension size is 0, but got dimension size of 5"),
    ("torch.zeros(5).split(-1)", RuntimeError, "split expects split_size be non-negative, but got split_size=-1"),
    ("torch.zeros(5).split([6, -1])",
     RuntimeError, "split_with_sizes expects split_sizes have only non-negative entries, but got"),
    ("torch.zeros(()).split(1)", RuntimeError, "split expects at least a 1-dimensional tensor"),
    ("torch.zeros(5).chunk(0)", RuntimeError, "chunk expects `chunks` to be greater than 0, got: 0"),
    ("torch.zeros(()).chunk(1)", RuntimeError, "chunk expects at least a 1-dimensional tensor"),
    ("torch.zeros(5).tensor_split(0)", RuntimeError, "number of sections must be larger than 0, got 0"),
    ("torch.zeros(()).tensor_split(1)",
     RuntimeError, "tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0"),
    ("torch.zeros(5).hsplit(2)",
     RuntimeError, "torch.hsplit attempted to split along dimension 0, but the size of the"),
    ("torch.zeros(5).vsplit(5)", RuntimeError, "torch.vsplit requires a tensor with at least 2 dimension"),
    ("torch.zeros(2, 2).dsplit(2)", RuntimeError, "torch.dsplit requires a tensor with at least 3 dimension"),
    ("torch.zeros(()).unbind()", IndexError, "Dimension specified as 0 but tensor has no dimensions"),
    ("torch.zeros(2).unbind(1)", IndexError, "Dimension out of range (expected to be in range of [-1, 0], but got 1)"),
]


def test_splits_errors():
    check_errors(SPLITS_ERRORS)


MULTIPLE_VIEWS_IN_PLACE = [
    ("x = torch.zeros(4); a, b = x.split(2); a.add_(1); x, a._version, b._version", "(tensor([1., 1., 0., 0.]), 1, 1)"),
    ("x = torch.zeros(4, requires_grad=True) * 1; a, b = x.tensor_split(2); a.add_(1)",
     "tensor([1., 1.], grad_fn=<AsStridedBackward0>)"),
]


def test_multiple_views_in_place():
    check_values(MULTIPLE_VIEWS_IN_PLACE)


MULTIPLE_VIEWS_IN_PLACE_ERRORS = [
    ("x = torch.zeros(4, requires_grad=True) * 1; a, b = x.split(2); a.add_(1)",
     RuntimeError, "Output 0 of Split is a view and is being modified inplace. This view is the"),
    ("x = torch.zeros(4, requires_grad=True) * 1; a, b = x.chunk(2); a.add_(1)",
     RuntimeError, "Output 0 of Split is a view and is being modified inplace. This view is the"),
    ("x = torch.zeros(4, requires_grad=True) * 1; a = x.unbind()[0]; a.add_(1)",
     RuntimeError, "Output 0 of Unbind is a view and is being modified inplace. This view is the"),
    ("x = torch.zeros(4, requires_grad=True) * 1; a, b = x.split(2); x.add_(1); a.grad_fn",
     RuntimeError, "Output 0 of Split is a view and its base or another view of its base has been"),
    ("x = torch.zeros(4, requires_grad=True) * 1; a, b = x.split(2); x.add_(1); b + 1",
     RuntimeError, "Output 1 of Split is a view and its base or another view of its base has been"),
]


def test_multiple_views_in_place_errors():
    check_errors(MULTIPLE_VIEWS_IN_PLACE_ERRORS)


HISTORY_THROUGH_WINDOWS = [
    ("x = torch.zeros(4, requires_grad=True); y = x * 1; a = y[:2]; a.mul_(3); y.sum().backward(); x.grad",
     "tensor([3., 3., 1., 1.])"),
    ("x = torch.zeros(4); v = x.detach()[:2]; w = torch.ones(4, requires_grad=True); x.mul_(w); v.requires_grad",
     "False"),
]


def test_history_through_windows():
    check_values(HISTORY_THROUGH_WINDOWS)


LEAVES_AND_DETACHED = [
    ("x = torch.zeros(4, requires_grad=True); x.detach().add_(1); x", "tensor([1., 1., 1., 1.], requires_grad=True)"),
    ("x = torch.zeros(4, requires_grad=True); y = x.detach(); y.resize_(2)", "tensor([0., 0.])"),
    ("x = torch.zeros(4, requires_grad=True); y = x.detach(); y.unsqueeze_(0)", "tensor([[0., 0., 0., 0.]])"),
    ("x = torch.zeros(4, requires_grad=True); y = x.detach(); y.set_()", "tensor([])"),
    ("x = torch.zeros(4, requires_grad=True); y = x.data; y.unsqueeze_(0).shape", "torch.Size([1, 4])"),
]


def test_leaves_and_detached():
    check_values(LEAVES_AND_DETACHED)


LEAVES_AND_DETACHED_ERRORS = [
    ("x = torch.zeros(4, requires_grad=True); x[:2].add_(1)",
     RuntimeError, "a view of a leaf Variable that requires grad is being used in an in-place"),
    ("x = torch.zeros(4, requires_grad=True); x[0] = 1",
     RuntimeError, "a view of a leaf Variable that requires grad is being used in an in-place"),
    ("x = torch.zeros(4, requires_grad=True); x.add_(1)",
     RuntimeError, "a leaf Variable that requires grad is being used in an in-place operation."),
]


def test_leaves_and_detached_errors():
    check_errors(LEAVES_AND_DETACHED_ERRORS)


WINDOWS_MADE_WITHOUT_GRADIENTS = [
    ("x = torch.zeros(4); x.requires_grad_(); v = x[:2]; torch.set_grad_enabled(False); v.add_(1)",
     "tensor([1., 1.], grad_fn=<AsStridedBackward0>)"),
    ("x = torch.zeros(4); v = x[:2]; v.requires_grad_(); x.add_(1); v", "tensor([1., 1.], requires_grad=True)"),
    ("x = torch.zeros(4); x.requires_grad_(); x.detach_(); x._version", "0"),
    ("x = torch.zeros(4); torch.nn.init.ones_(x); x._version", "1"),
]


def test_windows_made_without_gradients():
    check_values(WINDOWS_MADE_WITHOUT_GRADIENTS)


WINDOWS_MADE_WITHOUT_GRADIENTS_ERRORS = [
    ("x = torch.zeros(4); v = x[:2]; v.requires_grad_(); v.add_(1)",
     RuntimeError, "a view of a leaf Variable that requires grad is being used in an in-place"),
]


def test_windows_made_without_gradients_errors():
    check_errors(WINDOWS_MADE_WITHOUT_GRADIENTS_ERRORS)


SAVED_VALUES_CHANGED = [
    ("x = torch.ones(3, requires_grad=True); y = x.exp(); y.data.add_(1); y.sum().backward(); x.grad",
     "tensor([3.7183, 3.7183, 3.7183])"),
]


def test_saved_values_changed():
    check_values(SAVED_VALUES_CHANGED)


SAVED_VALUES_CHANGED_ERRORS = [
    ("x = torch.ones(3, requires_grad=True); y = x * 2; z = y * y; y.add_(1); z.sum().backward()",
     RuntimeError, "one of the variables needed for gradient computation has been modified by an"),
    ("x = torch.ones(3, requires_grad=True); y = x * 2; z = y * y; y[:1].add_(1); z.sum().backward()",
     RuntimeError, "one of the variables needed for gradient computation has been modified by an"),
    ("x = torch.ones(3, requires_grad=True); y = x * 2; v = y[:2]; z = v * v; y.add_(1); z.sum().backward()",
     RuntimeError, ", is at version 1; expected version 0 instead. Hint: enable anomaly detection"),
    ("x = torch.ones(3, requires_grad=True); y = x.exp(); y.add_(1); y.sum().backward()",
     RuntimeError, "one of the variables needed for gradient computation has been modified by an"),
    ("x = torch.ones(3, requires_grad=True); y = x.exp(); y.detach().add_(1); y.sum().backward()",
     RuntimeError, "one of the variables needed for gradient computation has been modified by an"),
]


def test_saved_values_changed_errors():
    check_errors(SAVED_VALUES_CHANGED_ERRORS)


COMPLEX_WINDOWS = [
    ("x = torch.zeros(2, 2, dtype=torch.complex64); x.real.stride(), x.imag.storage_offset(), x.real._base is x",
     "((4, 2), 1, True)"),
    ("x = torch.zeros(2, dtype=torch.complex64); x.real.fill_(2); x.imag = torch.ones(2); x",
     "tensor([2.+1.j, 2.+1.j])"),
    ("x = torch.zeros(2, dtype=torch.complex64); x.real = 3.; x", "tensor([3.+0.j, 3.+0.j])"),
    ("torch.view_as_complex(torch.zeros(3, 2)).shape", "torch.Size([3])"),
]


def test_complex_windows():
    check_values(COMPLEX_WINDOWS)


COMPLEX_WINDOWS_ERRORS = [
    ("torch.view_as_complex(torch.zeros(3, 3))", RuntimeError, "Tensor must have a last dimension of size 2"),
    ("torch.view_as_complex(torch.zeros(2, 3).t())", RuntimeError, "Tensor must have a last dimension with stride 1"),
    ("torch.view_as_complex(torch.zeros(3, 2, dtype=torch.int64))",
     RuntimeError, "view_as_complex is only supported for half, float and double tensors, but got a"),
    ("torch.view_as_complex(torch.zeros(5)[1:].view(2, 2))",
     RuntimeError, "Tensor must have a storage_offset divisible by 2"),
    ("torch.view_as_real(torch.zeros(2))", RuntimeError, "view_as_real is only supported for complex tensors"),
]


def test_complex_windows_errors():
    check_errors(COMPLEX_WINDOWS_ERRORS)


WHICH_ARE_VIEWS = [
    ("x = torch.zeros(2, 3); y = x.contiguous(); y is x, x.t().contiguous()._base", "(True, None)"),
    ("x = torch.zeros(2, 3); x.clone()._base, x.to(torch.float32) is x", "(None, True)"),
    ("x = torch.zeros(4); y = torch.atleast_2d(x); y._base is x, torch.atleast_1d(x) is x", "(True, True)"),
    ("x = torch.zeros(4); x.alias() if hasattr(x, 'alias') else 0", "0"),
]


def test_which_are_views():
    check_values(WHICH_ARE_VIEWS)


LEAVES_IN_PLACE_VIEWS_ERRORS = [
    ("x = torch.zeros(4, requires_grad=True); x.unsqueeze_(0)",
     RuntimeError, "a leaf Variable that requires grad is being used in an in-place operation."),
]


def test_leaves_in_place_views_errors():
    check_errors(LEAVES_IN_PLACE_VIEWS_ERRORS)


VERSIONS = [
    ("x = torch.zeros(4); v = x[1:3]; v.unsqueeze_(0); v.shape, v._base is x, x._version",
     "(torch.Size([1, 2]), True, 1)"),
    ("x = torch.zeros(2, 3); x.swapaxes_(0, 1).shape, x.swapdims_(0, 1).shape",
     "(torch.Size([3, 2]), torch.Size([2, 3]))"),
    ("x = torch.zeros(4); x.resize_(2, 3)._version", "1"),
    ("x = torch.zeros(4); x.resize_(2).untyped_storage().nbytes()", "16"),
    ("x = torch.zeros(2, 3); list(x.unbind(1)[1].storage_offset() for _ in [0]), x.unbind()[0]._base is x",
     "([1], True)"),
    ("x = torch.zeros(4); y = x.view(2, 2); with_v = y._version; x.add_(1); y._version", "1"),
    ("x = torch.zeros(4); x.copy_(torch.ones(4)); x.fill_(1); x.zero_(); x[0] = 1; x += 1; x._version", "5"),
    ("x = torch.zeros(4); x.set_(torch.zeros(1)); x.resize_(3); x.t_(); x._version", "3"),
    ("x = torch.zeros(4); x.data = torch.ones(4); x._version", "0"),
    ("x = torch.zeros(4); torch.add(x, 1, out=x); x._version", "1"),
    ("x = torch.zeros(4); x.numpy()[0] = 1; x._version", "0"),
]


def test_versions():
    check_values(VERSIONS)


VERSIONS_ERRORS = [
    ("torch.zeros(4).resize_(-1)", RuntimeError, "numel: integer multiplication overflow"),
    ("torch.zeros(4, requires_grad=True).resize_(2)", RuntimeError, "cannot resize variables that require grad"),
    ("x = torch.zeros(2, 3, names=None); x.shape", TypeError, "zeros() got an unexpected keyword argument 'names'"),
]


def test_versions_errors():
    check_errors(VERSIONS_ERRORS)


WINDOWS_WHOSE_BASE_CHANGED = [
    ("x = torch.ones(3, requires_grad=True); a, b, c = x.unbind(); torch.set_grad_enabled(False); a.add_(1); b",
     "tensor(1., grad_fn=<Invalid>)"),
    ("x = torch.ones(3, requires_grad=True); a, b, c = x.unbind(); torch.set_grad_enabled(False); a.add_(1); a",
     "tensor(2., grad_fn=<Invalid>)"),
    ("x = torch.ones(3); a, b, c = x.unbind(); a.add_(1); b.add_(1), x", "(tensor(2.), tensor([2., 2., 1.]))"),
    ("x = torch.ones(3); a, b, c = x.unbind(); w = torch.ones(3, requires_grad=True); x.mul_(w); a",
     "tensor(1., grad_fn=<Invalid>)"),
    ("x = torch.ones(3); torch.set_grad_enabled(False); v = x[:2]; torch.set_grad_enabled(True); v.add_(1), x",
     "(tensor([2., 2.]), tensor([2., 2., 1.]))"),
]


def test_windows_whose_base_changed():
    check_values(WINDOWS_WHOSE_BASE_CHANGED)


WINDOWS_WHOSE_BASE_CHANGED_ERRORS = [
    ("x = torch.ones(3); a, b, c = x.unbind(); w = torch.ones((), requires_grad=True); a.mul_(w)",
     RuntimeError, ". This view is the output of a function that returns multiple views. Such"),
]


def test_windows_whose_base_changed_errors():
    check_errors(WINDOWS_WHOSE_BASE_CHANGED_ERRORS)
