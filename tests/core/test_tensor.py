"""The tensor as a Python object: asked, converted, compared, copied, printed into text; and the small types around it."""
from checking import check_errors, check_values


TYPE_CONVERSIONS = [
    ("torch.ones(1).type()", "'torch.FloatTensor'"),
    ("torch.ones(1, dtype=torch.bfloat16).type()", "'torch.BFloat16Tensor'"),
    ("torch.ones(1, dtype=torch.complex64).type()", "'torch.ComplexFloatTensor'"),
    ("torch.ones(1, dtype=torch.uint16).type()", "'torch.UInt16Tensor'"),
    ("torch.ones(2).type(torch.int64)", "tensor([1, 1])"),
    ("torch.ones(2).type('torch.DoubleTensor')", "tensor([1., 1.], dtype=torch.float64)"),
    ("torch.ones(2).type(torch.DoubleTensor)", "tensor([1., 1.], dtype=torch.float64)"),
    ("x = torch.ones(2); x.type(torch.float32) is x", "True"),
    ("x = torch.ones(2); x.type_as(torch.ones(1, dtype=torch.int8))", "tensor([1, 1], dtype=torch.int8)"),
]


def test_type_conversions():
    check_values(TYPE_CONVERSIONS)


TYPE_CONVERSIONS_ERRORS = [
    ("torch.ones(2).type('DoubleTensor')", ValueError, "invalid type: 'DoubleTensor'"),
]


def test_type_conversions_errors():
    check_errors(TYPE_CONVERSIONS_ERRORS)


ITEMS = [
    ("torch.ones(1).item()", "1.0"),
    ("torch.ones(1, dtype=torch.int64).item()", "1"),
    ("torch.ones(1, dtype=torch.bool).item()", "True"),
    ("torch.ones(1, dtype=torch.complex64).item()", "(1+0j)"),
    ("torch.ones(1, 1, 1).item()", "1.0"),
    ("torch.tensor(0.1).item()", "0.10000000149011612"),
    ("torch.tensor(0.1, dtype=torch.float16).item()", "0.0999755859375"),
    ("torch.tensor(0.1, dtype=torch.bfloat16).item()", "0.10009765625"),
    ("torch.tensor(2**63, dtype=torch.uint64).item()", "9223372036854775808"),
    ("torch.ones(2, 2).tolist()", "[[1.0, 1.0], [1.0, 1.0]]"),
    ("torch.ones((), dtype=torch.int8).tolist()", "1"),
    ("torch.ones(0, 3).tolist()", "[]"),
    ("torch.ones(3, 0).tolist()", "[[], [], []]"),
    ("torch.tensor([True, False]).tolist()", "[True, False]"),
    ("torch.tensor([[1j]]).tolist()", "[[1j]]"),
    ("torch.arange(6).reshape(2, 3).t().tolist()", "[[0, 3], [1, 4], [2, 5]]"),
    ("torch.tensor([0.1], dtype=torch.float16).tolist()", "[0.0999755859375]"),
]


def test_items():
    check_values(ITEMS)


ITEMS_ERRORS = [
    ("torch.ones(2).item()", RuntimeError, "a Tensor with 2 elements cannot be converted to Scalar"),
    ("torch.ones(0).item()", RuntimeError, "a Tensor with 0 elements cannot be converted to Scalar"),
]


def test_items_errors():
    check_errors(ITEMS_ERRORS)


PYTHON_NUMBERS = [
    ("bool(torch.tensor(0.0))", "False"),
    ("bool(torch.tensor([2]))", "True"),
    ("bool(torch.tensor([[0j]]))", "False"),
    ("bool(torch.tensor(float('nan')))", "True"),
    ("int(torch.tensor(2.7))", "2"),
    ("int(torch.tensor([3]))", "3"),
    ("int(torch.tensor(True))", "1"),
    ("int(torch.tensor(1e30))", "1000000015047466219876688855040"),
    ("float(torch.tensor(3))", "3.0"),
    ("float(torch.tensor(True))", "1.0"),
    ("complex(torch.tensor(2.))", "(2+0j)"),
    ("complex(torch.tensor(1+2j))", "(1+2j)"),
    ("float(torch.tensor(1., requires_grad=True))", "1.0"),
    ("operator.index(torch.tensor(3))", "3"),
    ("operator.index(torch.tensor([3]))", "3"),
    ("operator.index(torch.tensor(True))", "1"),
    ("[10, 20, 30][torch.tensor(1)]", "20"),
    ("[10, 20, 30][torch.tensor(True)]", "20"),
    ("range(torch.tensor(3))", "range(0, 3)"),
    ("'a' * torch.tensor(3)", "'aaa'"),
    ("[1] * torch.tensor(2)", "[1, 1]"),
]


def test_python_numbers():
    check_values(PYTHON_NUMBERS)


PYTHON_NUMBERS_ERRORS = [
    ("bool(torch.tensor([]))", RuntimeError, "Boolean value of Tensor with no values is ambiguous"),
    ("bool(torch.tensor([1, 2]))", RuntimeError, "Boolean value of Tensor with more than one value is ambiguous"),
    ("int(torch.tensor([1, 2]))", ValueError, "only one element tensors can be converted to Python scalars"),
    ("int(torch.tensor(1j))", RuntimeError, "value cannot be converted to type int64_t without overflow"),
    ("int(torch.tensor(float('nan')))", ValueError, "cannot convert float NaN to integer"),
    ("int(torch.tensor(float('inf')))", OverflowError, "cannot convert float infinity to integer"),
    ("float(torch.tensor([1., 2.]))", ValueError, "only one element tensors can be converted to Python scalars"),
    ("float(torch.tensor(1j))", RuntimeError, "value cannot be converted to type double without overflow"),
    ("complex(torch.tensor([1, 2]))", ValueError, "only one element tensors can be converted to Python scalars"),
    ("operator.index(torch.tensor(3.))",
     TypeError, "only integer tensors of a single element can be converted to an index"),
    ("operator.index(torch.tensor([1, 2]))",
     TypeError, "only integer tensors of a single element can be converted to an index"),
]


def test_python_numbers_errors():
    check_errors(PYTHON_NUMBERS_ERRORS)


ITERATION = [
    ("len(torch.ones(3, 2))", "3"),
    ("len(torch.ones(0, 2))", "0"),
    ("list(torch.ones(2, 2))", "[tensor([1., 1.]), tensor([1., 1.])]"),
    ("list(torch.ones(0, 3))", "[]"),
    ("a, b = torch.tensor([1, 2]); a, b", "(tensor(1), tensor(2))"),
    ("x = torch.ones(2, 2, requires_grad=True); [type(v.grad_fn).__name__ for v in x]",
     "['UnbindBackward0', 'UnbindBackward0']"),
    ("list(reversed(torch.arange(3)))", "[tensor(2), tensor(1), tensor(0)]"),
    ("reversed(torch.arange(3))", "tensor([2, 1, 0])"),
    ("reversed(torch.tensor(2))", "tensor(2)"),
    ("list(enumerate(torch.arange(2)))", "[(0, tensor(0)), (1, tensor(1))]"),
    ("dict(zip('ab', torch.arange(2)))", "{'a': tensor(0), 'b': tensor(1)}"),
]


def test_iteration():
    check_values(ITERATION)


ITERATION_ERRORS = [
    ("len(torch.tensor(1))", TypeError, "len() of a 0-d tensor"),
    ("list(torch.tensor(1))", TypeError, "iteration over a 0-d tensor"),
    ("a, b = torch.tensor([1, 2, 3])", ValueError, "too many values to unpack (expected 2)"),
]


def test_iteration_errors():
    check_errors(ITERATION_ERRORS)


MEMBERSHIP = [
    ("1 in torch.arange(3)", "True"),
    ("5 in torch.arange(3)", "False"),
    ("1.5 in torch.arange(3)", "False"),
    ("torch.tensor(1) in torch.arange(3)", "True"),
]


def test_membership():
    check_values(MEMBERSHIP)


MEMBERSHIP_ERRORS = [
    ("'a' in torch.arange(3)",
     RuntimeError, "Tensor.__contains__ only supports Tensor or scalar, but you passed in a <class"),
    ("None in torch.arange(3)",
     RuntimeError, "Tensor.__contains__ only supports Tensor or scalar, but you passed in a <class"),
    ("[1] in torch.arange(3)",
     RuntimeError, "Tensor.__contains__ only supports Tensor or scalar, but you passed in a <class"),
]


def test_membership_errors():
    check_errors(MEMBERSHIP_ERRORS)


HASH_AND_COMPARISON = [
    ("x = torch.ones(1); hash(x) == id(x)", "True"),
    ("x = torch.ones(1); {x: 1}[x]", "1"),
    ("x = torch.ones(1); y = x.detach(); len({x, y})", "2"),
    ("torch.ones(2) == None", "False"),
    ("torch.ones(2) != None", "True"),
    ("torch.ones(2) == 'a'", "False"),
    ("torch.ones(2) == [1, 1]", "False"),
    ("torch.ones(2) is None", "False"),
    ("not torch.ones(1)", "False"),
]


def test_hash_and_comparison():
    check_values(HASH_AND_COMPARISON)


HASH_AND_COMPARISON_ERRORS = [
    ("torch.ones(2) < None", TypeError, "'<' not supported between instances of 'Tensor' and 'NoneType'"),
    ("torch.ones(2) < 'a'", TypeError, "'<' not supported between instances of 'Tensor' and 'str'"),
    ("torch.ones(2) and 1", RuntimeError, "Boolean value of Tensor with more than one value is ambiguous"),
]


def test_hash_and_comparison_errors():
    check_errors(HASH_AND_COMPARISON_ERRORS)


FORMATTING = [
    ('f"{torch.tensor(1.5)}"', "'1.5'"),
    ('f"{torch.tensor(1.5):.3f}"', "'1.500'"),
    ('f"{torch.tensor(3):05d}"', "'00003'"),
    ('f"{torch.tensor([1.5, 2])}"', "'tensor([1.5000, 2.0000])'"),
    ('f"{torch.tensor(1+2j):.2f}"', "'1.00+2.00j'"),
    ('f"{torch.tensor(True):d}"', "'1'"),
    ('f"{torch.tensor(3., requires_grad=True):.1f}"', "'3.0'"),
    ('f"{torch.tensor(3.)!r:>12}"', "'  tensor(3.)'"),
    ("'%d' % torch.tensor(3)", "'3'"),
    ("'%.2f' % torch.tensor(3.)", "'3.00'"),
    ("'%s' % torch.tensor(3.)", "'tensor(3.)'"),
    ("'%s' % (torch.tensor([1, 2]),)", "'tensor([1, 2])'"),
]


def test_formatting():
    check_values(FORMATTING)


FORMATTING_ERRORS = [
    ('f"{torch.tensor([1.5]):.3f}"', TypeError, "unsupported format string passed to Tensor.__format__"),
    ('f"{torch.tensor([1.5, 2]):.3f}"', TypeError, "unsupported format string passed to Tensor.__format__"),
]


def test_formatting_errors():
    check_errors(FORMATTING_ERRORS)


PYTHON_FUNCTIONS = [
    ("math.floor(torch.tensor(2.5))", "2"),
    ("math.ceil(torch.tensor(2.5))", "3"),
    ("math.sqrt(torch.tensor(4))", "2.0"),
    ("abs(torch.tensor(-1))", "tensor(1)"),
    ("pow(torch.tensor(2), 3)", "tensor(8)"),
    ("pow(2, torch.tensor([1, 2]))", "tensor([2, 4])"),
    ("max(torch.tensor([1, 3, 2]))", "tensor(3)"),
    ("sum(torch.tensor([1, 3, 2]))", "tensor(6)"),
    ("sorted(torch.tensor([3, 1, 2]))", "[tensor(1), tensor(2), tensor(3)]"),
    ("any(torch.tensor([0, 1]))", "True"),
    ("all(torch.tensor([[1]]))", "True"),
    ("+torch.tensor([1])", "tensor([1])"),
    ("-torch.tensor([1, 2], dtype=torch.uint8)", "tensor([255, 254], dtype=torch.uint8)"),
    ("~torch.tensor([True])", "tensor([False])"),
    ("~torch.tensor([1], dtype=torch.uint8)", "tensor([254], dtype=torch.uint8)"),
]


def test_python_functions():
    check_values(PYTHON_FUNCTIONS)


PYTHON_FUNCTIONS_ERRORS = [
    ("round(torch.tensor(2.567), 1)", TypeError, "type Tensor doesn't define __round__ method"),
    ("round(torch.tensor(2.567))", TypeError, "type Tensor doesn't define __round__ method"),
    ("round(torch.tensor(2))", TypeError, "type Tensor doesn't define __round__ method"),
    ("math.trunc(torch.tensor(2.5))", TypeError, "type Tensor doesn't define __trunc__ method"),
    ("divmod(torch.tensor(7), 2)", TypeError, "unsupported operand type(s) for divmod(): 'Tensor' and 'int'"),
    ("divmod(7, torch.tensor(2))", TypeError, "unsupported operand type(s) for divmod(): 'int' and 'Tensor'"),
    ("pow(torch.tensor(2), 3, 5)", TypeError, "unsupported operand type(s) for ** or pow(): 'Tensor', 'int', 'int'"),
    ("-torch.tensor([True])",
     RuntimeError, "Negation, the `-` operator, on a bool tensor is not supported. If you are"),
    ("~torch.tensor([1.])", TypeError, "~ (operator.invert) is only implemented on integer and Boolean-type tensors"),
]


def test_python_functions_errors():
    check_errors(PYTHON_FUNCTIONS_ERRORS)


COPIES = [
    ("copy.copy(torch.ones(2)).data_ptr() == 0", "False"),
    ("x = torch.ones(2); y = copy.copy(x); y.data_ptr() == x.data_ptr(), y is x", "(True, False)"),
    ("x = torch.ones(2, requires_grad=True); y = copy.deepcopy(x); y, y.is_leaf",
     "(tensor([1., 1.], requires_grad=True), True)"),
    ("x = torch.ones(2, 3).t(); copy.deepcopy(x).stride()", "(1, 3)"),
    ("copy.copy(torch.Size([1, 2])), copy.deepcopy(torch.Size([1]))", "(torch.Size([1, 2]), torch.Size([1]))"),
    ("torch.Size()", "torch.Size([])"),
]


def test_copies():
    check_values(COPIES)


COPIES_ERRORS = [
    ("x = torch.ones(2, requires_grad=True) * 2; copy.deepcopy(x)",
     RuntimeError, "Only Tensors created explicitly by the user (graph leaves) support the deepcopy"),
    ("torch.Size([1]).foo", AttributeError, "'torch.Size' object has no attribute 'foo'"),
]


def test_copies_errors():
    check_errors(COPIES_ERRORS)


ATTRIBUTES = [
    ("x = torch.ones(2); x.foo = 1; copy.deepcopy(x).foo", "1"),
    ("x = torch.ones(2); x.foo = [1]; y = copy.copy(x); y.foo is x.foo", "True"),
    ("x = torch.ones(2, requires_grad=True); x.sum().backward(); copy.deepcopy(x).grad", "tensor([1., 1.])"),
    ("x = torch.ones(2); x.foo = 1; del x.foo; hasattr(x, 'foo')", "False"),
    ("x = torch.ones(2); x.foo = 1; x.__dict__", "{'foo': 1}"),
]


def test_attributes():
    check_values(ATTRIBUTES)


ATTRIBUTES_ERRORS = [
    ("x = torch.ones(2); x.foo", AttributeError, "'Tensor' object has no attribute 'foo'"),
    ("x = torch.ones(2); x.shape = (1, 2)", AttributeError, "' objects is not writable"),
    ("x = torch.ones(2); x.dtype = torch.int8", AttributeError, "' objects is not writable"),
]


def test_attributes_errors():
    check_errors(ATTRIBUTES_ERRORS)


DATA_AND_GRAD = [
    ("x = torch.ones(2); x.data = torch.zeros(3); x", "tensor([0., 0., 0.])"),
    ("x = torch.ones(2); x.data = torch.zeros(3, dtype=torch.int64); x", "tensor([0, 0, 0])"),
    ("x = torch.ones(2); x.requires_grad = True; x", "tensor([1., 1.], requires_grad=True)"),
    ("x = torch.ones(2); x.grad = torch.zeros(2); x.grad", "tensor([0., 0.])"),
    ("x = torch.ones(2); x.grad = None; x.grad", "None"),
    ("x = torch.ones(2); x.grad = torch.zeros(2); del x.grad; x.grad", "None"),
]


def test_data_and_grad():
    check_values(DATA_AND_GRAD)


DATA_AND_GRAD_ERRORS = [
    ("x = torch.ones(2); x.data = 3", TypeError, "Variable data has to be a tensor, but got int"),
    ("x = torch.ones(2); del x.data", RuntimeError, "Deleting tensor data is not allowed. Delete tensor instead!"),
    ("x = torch.ones(2, requires_grad=True); x.data = torch.zeros(3, dtype=torch.int64)",
     RuntimeError, "data set to a tensor that requires gradients must be floating point or complex"),
    ("x = torch.ones(2); x.requires_grad = 1", RuntimeError, "requires_grad must be a bool"),
    ("x = torch.ones(2, dtype=torch.int64); x.requires_grad = True", RuntimeError, "only Tensors of floating point"),
    ("x = torch.ones(2, dtype=torch.int64); x.requires_grad_()",
     RuntimeError, "only Tensors of floating point dtype can require gradients"),
    ("x = torch.ones(2, requires_grad=True) * 2; x.requires_grad = False",
     RuntimeError, "you can only change requires_grad flags of leaf variables. If you want to use a"),
    ("x = torch.ones(2, requires_grad=True) * 2; x.requires_grad = True; x.requires_grad",
     RuntimeError, "you can only change requires_grad flags of leaf variables."),
    ("x = torch.ones(2); x.grad = torch.zeros(3)",
     RuntimeError, "attempting to assign a gradient of size '[3]' to a tensor of size '[2]'. Please"),
    ("x = torch.ones(2); x.grad = torch.zeros(2, dtype=torch.float64)",
     RuntimeError, "' to a tensor with grad_dtype 'Float'. The gradient must match the tensor's"),
    ("x = torch.ones(2); x.grad = 3",
     TypeError, "assigned grad expected to be a Tensor or None but got grad of type int"),
    ("x = torch.ones(2); x.grad = x", RuntimeError, "can't assign Variable as its own grad"),
]


def test_data_and_grad_errors():
    check_errors(DATA_AND_GRAD_ERRORS)


PROPERTIES = [
    ("torch.ones(2, 3).T.shape", "torch.Size([3, 2])"),
    ("torch.ones(2, 3, 4).T.shape", "torch.Size([4, 3, 2])"),
    ("torch.ones(2, 3, 4).mT.shape", "torch.Size([2, 4, 3])"),
    ("torch.ones(2, 3).H.shape", "torch.Size([3, 2])"),
    ("torch.ones(2, 3, 4).mH.shape", "torch.Size([2, 4, 3])"),
    ("torch.ones(2, dtype=torch.complex64).real", "tensor([1., 1.])"),
    ("torch.ones(2).real", "tensor([1., 1.])"),
    ("torch.ones(2, dtype=torch.complex64).imag", "tensor([0., 0.])"),
    ("torch.ones(2, 3).ndim, torch.ones(2, 3).dim(), torch.ones(2, 3).ndimension()", "(2, 2, 2)"),
    ("torch.ones(2, 3).size(), torch.ones(2, 3).size(0), torch.ones(2, 3).size(-1), torch.ones(2, 3).size(dim=1)",
     "(torch.Size([2, 3]), 2, 3, 3)"),
    ("torch.ones(2, 3).stride(), torch.ones(2, 3).stride(0), torch.ones(2, 3).stride(dim=-1)", "((3, 1), 3, 1)"),
    ("torch.ones(()).stride(), torch.ones(()).size()", "((), torch.Size([]))"),
    ("torch.ones(2).device, torch.ones(2).layout, torch.ones(2).dtype",
     "(device(type='cpu'), torch.strided, torch.float32)"),
    ("torch.ones(1).is_nonzero()", "True"),
    ("torch.ones(2, 3).is_same_size(torch.ones(2, 3)), torch.ones(2).is_set_to(torch.ones(2))", "(True, False)"),
    ("torch.ones(2).get_device()", "-1"),
    ("torch.is_tensor(1), torch.is_tensor(torch.ones(1)), torch.is_storage(torch.ones(1).storage())",
     "(False, True, True)"),
    ("torch.numel(torch.ones(2, 3))", "6"),
]


def test_properties():
    check_values(PROPERTIES)


PROPERTIES_ERRORS = [
    ("torch.ones(2).mT",
     RuntimeError, "tensor.mT is only supported on matrices or batches of matrices. Got 1-D tensor."),
    ("torch.ones(2, 3, 4).H",
     RuntimeError, "tensor.H is only supported on matrices (2-D tensors). Got 3-D tensor. For"),
    ("torch.ones(2).imag", RuntimeError, "imag is not implemented for tensors with non-complex dtypes."),
    ("torch.ones(2, 3).size(2)", IndexError, "Dimension out of range (expected to be in range of [-2, 1], but got 2)"),
    ("torch.ones(2, 3).stride(2)",
     IndexError, "Dimension out of range (expected to be in range of [-2, 1], but got 2)"),
    ("torch.ones(()).size(0)", IndexError, "Dimension specified as 0 but tensor has no dimensions"),
    ("torch.ones(()).stride(-1)", IndexError, "Dimension specified as -1 but tensor has no dimensions"),
    ("torch.ones(2).is_nonzero()", RuntimeError, "Boolean value of Tensor with more than one value is ambiguous"),
    ("torch.ones(2).has_names()", AttributeError, "'Tensor' object has no attribute 'has_names'"),
]


def test_properties_errors():
    check_errors(PROPERTIES_ERRORS)


DEFAULT_DTYPE = [
    ("torch.get_default_dtype()", "torch.float32"),
    ("torch.set_default_tensor_type(torch.DoubleTensor); torch.ones(1).dtype", "torch.float64"),
]


def test_default_dtype():
    check_values(DEFAULT_DTYPE)


DEFAULT_DTYPE_ERRORS = [
    ("torch.set_default_dtype(torch.int64)", TypeError, "only floating-point types are supported as the default type"),
    ("torch.set_default_dtype('float')",
     TypeError, "invalid dtype object: only floating-point types are supported as the default"),
    ("torch.set_default_tensor_type('torch.LongTensor')",
     TypeError, "only floating-point types are supported as the default type"),
]


def test_default_dtype_errors():
    check_errors(DEFAULT_DTYPE_ERRORS)


DEVICES = [
    ("torch.set_default_device('cpu'); torch.get_default_device()", "device(type='cpu')"),
    ("torch.get_default_device()", "device(type='cpu')"),
    ("torch.device('cpu')", "device(type='cpu')"),
    ("torch.device(torch.device('cpu'))", "device(type='cpu')"),
    ("str(torch.device('cuda:1')), repr(torch.device('cuda:1')), f\"{torch.device('cpu')}\"",
     "('cuda:1', \"device(type='cuda', index=1)\", 'cpu')"),
    ("torch.device('cpu').type, torch.device('cpu').index", "('cpu', None)"),
    ("pickle.loads(pickle.dumps(torch.device('cuda:1')))", "device(type='cuda', index=1)"),
    ("copy.deepcopy(torch.device('cuda:1'))", "device(type='cuda', index=1)"),
]


def test_devices():
    check_values(DEVICES)


DEVICES_ERRORS = [
    ("torch.device('cpu:-1')", RuntimeError, "Invalid device string: 'cpu:-1'"),
    ("torch.device('cuda:01')", RuntimeError, "Invalid device string: 'cuda:01'"),
    ("torch.device('cuda:a')", RuntimeError, "Invalid device string: 'cuda:a'"),
    ("torch.device('')", RuntimeError, "evice string"),
    ("torch.device('foo')",
     RuntimeError, "Expected one of cpu, cuda, ipu, xpu, mkldnn, opengl, opencl, ideep, hip, ve,"),
    ("torch.device('cpu').foo", AttributeError, "'torch.device' object has no attribute 'foo'"),
    ("torch.device('cpu') < torch.device('cuda')", TypeError, ""),
    ("torch.device('cpu', 0, 0)", TypeError, ""),
]


def test_devices_errors():
    check_errors(DEVICES_ERRORS)


SIZES = [
    ("torch.Size([1, 2])", "torch.Size([1, 2])"),
    ("torch.Size([torch.tensor(2)])", "torch.Size([2])"),
    ("torch.Size(np.array([1, 2]))", "torch.Size([1, 2])"),
    ("isinstance(torch.Size([1]), tuple), torch.Size([1, 2]) < (1, 3), [*torch.Size([1, 2])]", "(True, True, [1, 2])"),
    ("pickle.loads(pickle.dumps(torch.Size([1, 2])))", "torch.Size([1, 2])"),
    ("torch.Size([1, 2]) + torch.Size([3])", "torch.Size([1, 2, 3])"),
    ("torch.ones(2, 3).shape[-1], torch.ones(2, 3).shape[::-1], torch.ones(2, 3).shape.numel()",
     "(3, torch.Size([3, 2]), 6)"),
    ("str(torch.Size([])), str(torch.Size([3]))", "('torch.Size([])', 'torch.Size([3])')"),
]


def test_sizes():
    check_values(SIZES)


SIZES_ERRORS = [
    ("torch.Size([1.5])", TypeError, "torch.Size() takes an iterable of 'int' (item 0 is 'float')"),
    ("torch.Size(['a'])", TypeError, "torch.Size() takes an iterable of 'int' (item 0 is 'str')"),
    ("torch.Size(3)", TypeError, "'int' object is not iterable"),
    ("[1] + torch.Size([3])", TypeError, 'can only concatenate list (not "torch.Size") to list'),
    ("torch.Size([1, 2]) + [3]", TypeError, "can only concatenate tuple (not"),
]


def test_sizes_errors():
    check_errors(SIZES_ERRORS)


LIMITS = [
    ("torch.finfo(torch.float32)",
     "finfo(resolution=1e-06, min=-3.40282e+38, max=3.40282e+38, eps=1.19209e-07, smallest_normal=1.1"
     "7549e-38, tiny=1.17549e-38, dtype=float32)"),
    ("torch.finfo(torch.float16)",
     "finfo(resolution=0.001, min=-65504, max=65504, eps=0.000976562, smallest_normal=6.10352e-05, ti"
     "ny=6.10352e-05, dtype=float16)"),
    ("torch.finfo(torch.bfloat16)",
     "finfo(resolution=0.01, min=-3.38953e+38, max=3.38953e+38, eps=0.0078125, smallest_normal=1.1754"
     "9e-38, tiny=1.17549e-38, dtype=bfloat16)"),
    ("torch.finfo(torch.complex64)",
     "finfo(resolution=1e-06, min=-3.40282e+38, max=3.40282e+38, eps=1.19209e-07, smallest_normal=1.1"
     "7549e-38, tiny=1.17549e-38, dtype=float32)"),
    ("torch.iinfo(torch.int8)", "iinfo(min=-128, max=127, dtype=int8)"),
    ("torch.iinfo(torch.uint64).max, torch.iinfo(torch.uint16)",
     "(18446744073709551615, iinfo(min=0, max=65535, dtype=uint16))"),
    ("torch.finfo(torch.float32) == torch.finfo(torch.float32), torch.iinfo(torch.int8) == torch.iinfo(torch.int8)",
     "(True, True)"),
]


def test_limits():
    check_values(LIMITS)


LIMITS_ERRORS = [
    ("torch.finfo(torch.int8)",
     TypeError, "torch.finfo() requires a floating point input type. Use torch.iinfo to handle"),
    ("torch.finfo(3)", TypeError, "must be torch.dtype, not int"),
    ("torch.iinfo(torch.float32)",
     TypeError, "torch.iinfo() requires an integer input type. Use torch.finfo to handle 'torch."),
    ("torch.iinfo(torch.bool)", TypeError, "torch.bool is not supported by torch.iinfo"),
    ("torch.iinfo()", TypeError, "() missing 1 required positional argument"),
]


def test_limits_errors():
    check_errors(LIMITS_ERRORS)


DTYPES = [
    ("repr(torch.float32), str(torch.uint8), torch.float32.__module__, hash(torch.float32) == hash(torch.float)",
     "('torch.float32', 'torch.uint8', 'torch', True)"),
    ("torch.float32 == torch.float64, torch.float32 == 'float32', torch.float32 in {torch.float32}",
     "(False, False, True)"),
    ("type(torch.float32).__name__, isinstance(torch.float32, torch.dtype)", "('dtype', True)"),
    ("pickle.loads(pickle.dumps(torch.float32)) is torch.float32", "True"),
    ("copy.deepcopy(torch.float32) is torch.float32", "True"),
]


def test_dtypes():
    check_values(DTYPES)


DTYPES_ERRORS = [
    ("torch.int8.to_complex()", RuntimeError, "Unknown Complex ScalarType for Char"),
    ("torch.float32()", TypeError, "'torch.dtype' object is not callable"),
    ("torch.dtype()", TypeError, "cannot create 'torch.dtype' instances"),
    ("torch.float32.foo", AttributeError, "'torch.dtype' object has no attribute 'foo'"),
    ("torch.float32.foo = 3", AttributeError, "'torch.dtype' object has no attribute 'foo'"),
    ("torch.float32 < torch.float64",
     TypeError, "'<' not supported between instances of 'torch.dtype' and 'torch.dtype'"),
]


def test_dtypes_errors():
    check_errors(DTYPES_ERRORS)


MEMORY_FORMATS = [
    ("torch.memory_format, torch.contiguous_format, torch.channels_last, torch.channels_last_3d, torc"
     "h.preserve_format",
     "(<class 'torch.memory_format'>, torch.contiguous_format, torch.channels_last, torch.channels_la"
     "st_3d, torch.preserve_format)"),
    ("torch.strided, torch.sparse_coo, torch.layout", "(torch.strided, torch.sparse_coo, <class 'torch.layout'>)"),
    ("torch.ones(2, 3, 4, 5).contiguous(memory_format=torch.channels_last).stride()", "(60, 1, 15, 3)"),
    ("torch.ones(2, 3, 4, 5).is_contiguous(memory_format=torch.channels_last)", "False"),
    ("torch.ones(1, 1, 3, 4).contiguous(memory_format=torch.channels_last).stride()", "(12, 12, 4, 1)"),
    ("torch.empty(2, 3, 4, 5, memory_format=torch.channels_last).stride()", "(60, 1, 15, 3)"),
    ("torch.ones(2, 3, 4, 5, 6).to(memory_format=torch.channels_last_3d).stride()", "(360, 1, 90, 18, 3)"),
    ("torch.ones(2, 3, 4, 5).to(memory_format=torch.channels_last).clone().stride()", "(60, 1, 15, 3)"),
    ("torch.ones(2, 3, 4, 5).to(memory_format=torch.channels_last).double().stride()", "(60, 1, 15, 3)"),
    ("torch.ones(2, 3, 4, 5).to(memory_format=torch.channels_last).contiguous().stride()", "(60, 20, 5, 1)"),
    ("(torch.ones(2, 3, 4, 5).to(memory_format=torch.channels_last) + 1).stride()", "(60, 1, 15, 3)"),
    ("(torch.ones(2, 3, 4, 5).to(memory_format=torch.channels_last) + torch.ones(2, 3, 4, 5)).stride()",
     "(60, 1, 15, 3)"),
    ("(torch.ones(2, 3, 4, 5) + torch.ones(2, 3, 4, 5).to(memory_format=torch.channels_last)).stride()",
     "(60, 20, 5, 1)"),
    ("(torch.ones(5) + torch.ones(2, 3, 4, 5).to(memory_format=torch.channels_last)).stride()", "(60, 1, 15, 3)"),
    ("(torch.ones(3, 2).t() + torch.ones(2, 3)).stride()", "(1, 2)"),
    ("(torch.ones(2, 3) + torch.ones(3, 2).t()).stride()", "(3, 1)"),
    ("(torch.ones(3, 2).t() + torch.ones(3, 2).t()).stride()", "(1, 2)"),
    ("(torch.ones(3, 1).t() + torch.ones(3, 2).t()).stride()", "(1, 2)"),
]


def test_memory_formats():
    check_values(MEMORY_FORMATS)


MEMORY_FORMATS_ERRORS = [
    ("torch.ones(2, 3, 4).contiguous(memory_format=torch.channels_last)",
     RuntimeError, "required rank 4 tensor to use channels_last format"),
    ("torch.empty(2, 3, 4, memory_format=torch.channels_last)",
     RuntimeError, "required rank 4 tensor to use channels_last format"),
    ("torch.empty(2, 3, memory_format=torch.preserve_format)", RuntimeError, "unsupported memory format Preserve"),
]


def test_memory_formats_errors():
    check_errors(MEMORY_FORMATS_ERRORS)


TO = [
    ("x = torch.ones(2); x.to(x.dtype, copy=True) is x", "False"),
    ("x = torch.ones(2); x.to(copy=True) is x", "False"),
    ("x = torch.ones(2); x.to() is x", "True"),
    ("torch.ones(2).to(None)", "tensor([1., 1.])"),
    ("torch.ones(2).to(dtype=float)", "tensor([1., 1.], dtype=torch.float64)"),
    ("torch.ones(2).to(float)", "tensor([1., 1.], dtype=torch.float64)"),
    ("torch.ones(2).cpu().device", "device(type='cpu')"),
]


def test_to():
    check_values(TO)


TO_ERRORS = [
    ("torch.ones(2).to('foo')",
     RuntimeError, "Expected one of cpu, cuda, ipu, xpu, mkldnn, opengl, opencl, ideep, hip, ve,"),
    ("torch.ones(2).to('cuda')", AssertionError, "Torch not compiled with CUDA enabled"),
    ("torch.ones(2).cuda()", AssertionError, "Torch not compiled with CUDA enabled"),
]


def test_to_errors():
    check_errors(TO_ERRORS)


WEAK_REFERENCES = [
    ("weakref.ref(torch.ones(1))()", "None"),
    ("x = torch.ones(1); r = weakref.ref(x); r() is x", "True"),
    ("x = torch.ones(1); r = weakref.ref(x); del x; r()", "None"),
    ("x = torch.ones(1); l = []; weakref.finalize(x, l.append, 1); del x; l", "[1]"),
    ("d = weakref.WeakKeyDictionary(); x = torch.ones(1); d[x] = 3; d[x], len(d)", "(3, 1)"),
    ("d = weakref.WeakValueDictionary(); x = torch.ones(1); d[1] = x; del x; len(d)", "0"),
]


def test_weak_references():
    check_values(WEAK_REFERENCES)


THE_TYPE = [
    ("torch.Tensor.__module__, torch.Tensor.__name__, torch.Tensor.__qualname__", "('torch', 'Tensor', 'Tensor')"),
    ("type(torch.Tensor).__name__", "'_TensorMeta'"),
]


def test_the_type():
    check_values(THE_TYPE)


SMALL_METHODS = [
    ("torch.ones(2).storage_type()", "<class 'torch.FloatStorage'>"),
    ("torch.manual_seed(3).initial_seed(), torch.initial_seed()", "(3, 3)"),
    ("torch.ones(2).apply_(lambda x: x + 2)", "tensor([3., 3.])"),
    ("torch.ones(2).map_(torch.ones(2) * 3, lambda a, b: a + b)", "tensor([4., 4.])"),
    ("torch.ones(2).resize_as_(torch.ones(3, 1)).shape", "torch.Size([3, 1])"),
    ("torch.ones(4).resize_(2, 2)", "tensor([[1., 1.],\n        [1., 1.]])"),
    ("torch.ones(4).resize_(2, 2).stride()", "(2, 1)"),
    ("torch.ones(2).set_().shape", "torch.Size([0])"),
    ("x = torch.ones(2, requires_grad=True); y = x * 2; y.retain_grad(); y.retains_grad, x.retains_grad",
     "(True, False)"),
    ("x = torch.ones(2, requires_grad=True); y = x * 2; y.grad", "None"),
    ("x = torch.ones(2, requires_grad=True); x.tolist(), x[0].item()", "([1.0, 1.0], 1.0)"),
    ("x = torch.ones(2, requires_grad=True); x.detach_(); x", "tensor([1., 1.])"),
    ("x = torch.ones(2, requires_grad=True) * 2; x.detach_(); x", "tensor([2., 2.])"),
    ("x = torch.ones(2, requires_grad=True); x.detach().requires_grad, x.data.requires_grad", "(False, False)"),
    ("x = torch.ones(1, requires_grad=True); x.backward(); x.grad", "tensor([1.])"),
    ("x = torch.ones(2, requires_grad=True); x.backward(torch.ones(2)); x.grad", "tensor([1., 1.])"),
]


def test_small_methods():
    check_values(SMALL_METHODS)


SMALL_METHODS_ERRORS = [
    ("torch.tensor([1, 2]).__bool__()", RuntimeError, "Boolean value of Tensor with more than one value is ambiguous"),
    ("torch.ones(2).__sizeof__() > 0, sys.getsizeof(torch.ones(2)) > 0", NameError, "name 'sys' is not defined"),
    ("torch.ones(2, requires_grad=True).apply_(lambda x: x)",
     RuntimeError, "Can't call apply_() on Variable that requires grad. Use var.detach().apply_()"),
    ("torch.ones(2).unknown_method()", AttributeError, "'Tensor' object has no attribute 'unknown_method'"),
    ("torch.ones(2).retain_grad()", RuntimeError, "can't retain_grad on Tensor that has requires_grad=False"),
    ("x = torch.ones(2, requires_grad=True); x.numpy()",
     RuntimeError, "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy()"),
    ("x = torch.ones(2); x.backward()",
     RuntimeError, "element 0 of tensors does not require grad and does not have a grad_fn"),
    ("x = torch.ones(2, requires_grad=True); x.backward()",
     RuntimeError, "grad can be implicitly created only for scalar outputs"),
    ("x = torch.ones(2, requires_grad=True); x.backward(torch.ones(3))",
     RuntimeError, "Mismatch in shape: grad_output[0] has a shape of torch.Size([3]) and output[0]"),
]


def test_small_methods_errors():
    check_errors(SMALL_METHODS_ERRORS)
