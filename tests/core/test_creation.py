"""How tensors are made: from data, by factories, in the form of others, by the early constructors."""
from checking import check_errors, check_values


TENSOR_OF_DATA = [
    ("torch.tensor(3)", "tensor(3)"),
    ("torch.tensor(3.5)", "tensor(3.5000)"),
    ("torch.tensor(True)", "tensor(True)"),
    ("torch.tensor(1+2j)", "tensor(1.+2.j)"),
    ("torch.tensor([1, 2.5])", "tensor([1.0000, 2.5000])"),
    ("torch.tensor([1, True])", "tensor([1, 1])"),
    ("torch.tensor([True, 2j])", "tensor([1.+0.j, 0.+2.j])"),
    ("torch.tensor([[1, 2], [3, 4]], dtype=torch.int8)", "tensor([[1, 2],\n        [3, 4]], dtype=torch.int8)"),
    ("torch.tensor([])", "tensor([])"),
    ("torch.tensor([[], []])", "tensor([], size=(2, 0))"),
    ("torch.tensor(())", "tensor([])"),
    ("torch.tensor(range(4))", "tensor([0, 1, 2, 3])"),
    ("torch.tensor(np.arange(3))", "tensor([0, 1, 2])"),
    ("torch.tensor([np.float32(1), np.float32(2)])", "tensor([1., 2.])"),
    ("torch.tensor(np.float64(2))", "tensor(2., dtype=torch.float64)"),
    ("torch.tensor(np.float16(2))", "tensor(2., dtype=torch.float16)"),
    ("torch.tensor([torch.tensor(1), torch.tensor(2)])", "tensor([1, 2])"),
    ("torch.tensor([torch.tensor([1]), torch.tensor([2])])", "tensor([1, 2])"),
    ("torch.tensor([np.array([1, 2]), np.array([2, 3])])", "tensor([[1, 2],\n        [2, 3]])"),
    ("torch.tensor([torch.tensor(1.5), 2])", "tensor([1.5000, 2.0000])"),
    ("torch.tensor(torch.ones(2))", "tensor([1., 1.])"),
    ("torch.tensor(torch.ones(2, requires_grad=True))", "tensor([1., 1.])"),
    ("torch.tensor(2**63, dtype=torch.uint64)", "tensor(9223372036854775808, dtype=torch.uint64)"),
    ("torch.tensor(-1, dtype=torch.uint8)", "tensor(255, dtype=torch.uint8)"),
    ("torch.tensor(-2**63)", "tensor(-9223372036854775808)"),
    ("torch.tensor(1e400)", "tensor(inf)"),
    ("torch.tensor([1.7, -1.7], dtype=torch.int32)", "tensor([ 1, -1], dtype=torch.int32)"),
    ("torch.tensor(1e5, dtype=torch.float16)", "tensor(inf, dtype=torch.float16)"),
    ("torch.tensor([0, 2, 0.5], dtype=torch.bool)", "tensor([False,  True,  True])"),
    ("torch.tensor(1, dtype=torch.bfloat16)", "tensor(1., dtype=torch.bfloat16)"),
    ("torch.tensor([1.], requires_grad=True)", "tensor([1.], requires_grad=True)"),
    ("torch.tensor([1.], device='cpu')", "tensor([1.])"),
    ("torch.tensor([1.], device='cpu:0').device", "device(type='cpu')"),
    ("torch.tensor(data=[1])", "tensor([1])"),
]


def test_tensor_of_data():
    check_values(TENSOR_OF_DATA)


TENSOR_OF_DATA_ERRORS = [
    ("torch.tensor([[1, 2], [3]])", ValueError, "expected sequence of length 2 at dim 1 (got 1)"),
    ("torch.tensor([[1, 2], 3])", TypeError, "not a sequence"),
    ("torch.tensor([1, [2]])", TypeError, "'list' object cannot be interpreted as an integer"),
    ('torch.tensor("abc")', TypeError, "new(): invalid data type 'str'"),
    ('torch.tensor(["a"])', ValueError, "too many dimensions 'str'"),
    ("torch.tensor(None)", RuntimeError, "Could not infer dtype of NoneType"),
    ("torch.tensor([None])", RuntimeError, "Could not infer dtype of NoneType"),
    ("torch.tensor({})", RuntimeError, "Could not infer dtype of dict"),
    ("torch.tensor([torch.tensor([1, 2]), torch.tensor([2, 3])])",
     TypeError, "only integer tensors of a single element can be converted to an index"),
    ("torch.tensor(2**63)", ValueError, "Overflow when unpacking long long"),
    ("torch.tensor(256, dtype=torch.uint8)", RuntimeError, "value cannot be converted to type uint8 without overflow"),
    ("torch.tensor(2**64)", ValueError, "Overflow when unpacking long long"),
    ("torch.tensor(300, dtype=torch.int8)", RuntimeError, "value cannot be converted to type int8 without overflow"),
    ("torch.tensor(1e10, dtype=torch.int32)", RuntimeError, "value cannot be converted to type int32 without overflow"),
    ("torch.tensor(float('nan'), dtype=torch.int64)",
     RuntimeError, "value cannot be converted to type int64 without overflow"),
    ("torch.tensor(1j, dtype=torch.float32)", TypeError, "must be real number, not complex"),
    ("torch.tensor([1], requires_grad=True)",
     RuntimeError, "Only Tensors of floating point and complex dtype can require gradients"),
    ("torch.tensor([1.], device='foo')",
     RuntimeError, "Expected one of cpu, cuda, ipu, xpu, mkldnn, opengl, opencl, ideep, hip, ve,"),
    ("torch.tensor([1.], device='cuda')", AssertionError, "Torch not compiled with CUDA enabled"),
    ("torch.tensor(1, 2)", TypeError, "tensor() takes 1 positional argument but 2 were given"),
    ("torch.tensor()", TypeError, 'tensor() missing 1 required positional arguments: "data"'),
    ("torch.tensor([1.], foo=1)", TypeError, "tensor() got an unexpected keyword argument 'foo'"),
]


def test_tensor_of_data_errors():
    check_errors(TENSOR_OF_DATA_ERRORS)


SHARED_DATA = [
    ("torch.as_tensor([1])", "tensor([1])"),
    ("torch.as_tensor(np.ones(2))", "tensor([1., 1.], dtype=torch.float64)"),
    ("torch.as_tensor(3, dtype=torch.float32)", "tensor(3.)"),
    ("x = torch.ones(2); torch.as_tensor(x) is x", "True"),
    ("x = torch.ones(2); torch.as_tensor(x, dtype=torch.float64)", "tensor([1., 1.], dtype=torch.float64)"),
    ("torch.asarray([1, 2])", "tensor([1, 2])"),
    ("torch.asarray(np.ones(2))", "tensor([1., 1.], dtype=torch.float64)"),
    ("torch.asarray(3.0, requires_grad=True)", "tensor(3., requires_grad=True)"),
    ("x = torch.ones(2, requires_grad=True); torch.asarray(x, requires_grad=True) is x", "True"),
    ("x = torch.ones(2); torch.asarray(x, copy=True).data_ptr() == x.data_ptr()", "False"),
    ("torch.asarray(b'abcd', dtype=torch.uint8)", "tensor([ 97,  98,  99, 100], dtype=torch.uint8)"),
    ("torch.asarray(bytearray(b'abcd'), dtype=torch.int16)", "tensor([25185, 25699], dtype=torch.int16)"),
    ("torch.asarray(bytearray(b'abcd'))", "tensor([1.6778e+22])"),
]


def test_shared_data():
    check_values(SHARED_DATA)


SHARED_DATA_ERRORS = [
    ("torch.asarray(torch.ones(2), dtype=torch.float64, copy=False)", ValueError, "can't alias tensor with dtype '"),
    ("torch.asarray([1, 2], copy=False)", ValueError, "can't alias arbitrary sequence into a tensor."),
]


def test_shared_data_errors():
    check_errors(SHARED_DATA_ERRORS)


FROMBUFFER = [
    ("torch.frombuffer(bytearray(b'abcdefgh'), dtype=torch.int32)",
     "tensor([1684234849, 1751606885], dtype=torch.int32)"),
    ("torch.frombuffer(bytearray(b'abcdefgh'), dtype=torch.uint8, count=3, offset=2)",
     "tensor([ 99, 100, 101], dtype=torch.uint8)"),
    ("torch.frombuffer(b'abcd', dtype=torch.uint8)", "tensor([ 97,  98,  99, 100], dtype=torch.uint8)"),
    ("torch.frombuffer(bytearray(b'abcdefgh'), dtype=torch.float32, requires_grad=True).requires_grad", "True"),
]


def test_frombuffer():
    check_values(FROMBUFFER)


FROMBUFFER_ERRORS = [
    ("torch.frombuffer(bytearray(b'abc'), dtype=torch.int32)",
     ValueError, "buffer length (3 bytes) after offset (0 bytes) must be a multiple of element"),
    ("torch.frombuffer(bytearray(b''), dtype=torch.int32)",
     ValueError, "both buffer length (0) and count (-1) must not be 0"),
    ("torch.frombuffer(bytearray(b'abcdefgh'), dtype=torch.int32, offset=20)",
     ValueError, "offset (20 bytes) must be non-negative and no greater than buffer length (8"),
    ("torch.frombuffer(bytearray(b'abcdefgh'), dtype=torch.int32, count=3)",
     ValueError, "requested buffer length (3 * 4 bytes) after offset (0 bytes) must not be"),
    ("torch.frombuffer(bytearray(b'abcdefgh'), dtype=torch.int32, count=0)",
     ValueError, "both buffer length (8) and count (0) must not be 0"),
    ("torch.frombuffer(3, dtype=torch.uint8)", ValueError, "object does not implement Python buffer protocol."),
]


def test_frombuffer_errors():
    check_errors(FROMBUFFER_ERRORS)


FACTORIES = [
    ("torch.scalar_tensor(2)", "tensor(2.)"),
    ("torch.scalar_tensor(2, dtype=torch.int64)", "tensor(2)"),
    ("torch.empty(0)", "tensor([])"),
    ("torch.empty(2, 3).shape", "torch.Size([2, 3])"),
    ("torch.empty((2, 3)).shape", "torch.Size([2, 3])"),
    ("torch.empty([2, 3], dtype=torch.int8).dtype", "torch.int8"),
    ("torch.empty(torch.tensor(3)).shape", "torch.Size([3])"),
    ("torch.empty(np.int64(3)).shape", "torch.Size([3])"),
    ("torch.empty((np.int64(3), torch.tensor(2))).shape", "torch.Size([3, 2])"),
    ("torch.empty(size=(2,)).shape", "torch.Size([2])"),
    ("torch.empty(()).shape", "torch.Size([])"),
    ("torch.zeros(2, dtype=torch.complex64)", "tensor([0.+0.j, 0.+0.j])"),
    ("torch.zeros(2, dtype=float)", "tensor([0., 0.], dtype=torch.float64)"),
    ("torch.zeros(2, dtype=int)", "tensor([0, 0])"),
    ("torch.zeros(2, dtype=bool)", "tensor([False, False])"),
    ("torch.zeros(2, dtype=complex)", "tensor([0.+0.j, 0.+0.j], dtype=torch.complex128)"),
    ("torch.ones(2, 2, dtype=torch.int64)", "tensor([[1, 1],\n        [1, 1]])"),
    ("torch.full((2,), 3)", "tensor([3, 3])"),
    ("torch.full((2,), 3.)", "tensor([3., 3.])"),
    ("torch.full((2,), True)", "tensor([True, True])"),
    ("torch.full((2,), 1j)", "tensor([0.+1.j, 0.+1.j])"),
    ("torch.full((2,), 3, dtype=torch.float64)", "tensor([3., 3.], dtype=torch.float64)"),
    ("torch.full((), 3)", "tensor(3)"),
    ("torch.full((2,), torch.tensor(3.5))", "tensor([3.5000, 3.5000])"),
]


def test_factories():
    check_values(FACTORIES)


FACTORIES_ERRORS = [
    ("torch.empty(-1)", RuntimeError, "Trying to create tensor with negative dimension -1: [-1]"),
    ("torch.empty(2, -3)", RuntimeError, "Trying to create tensor with negative dimension -3: [2, -3]"),
    ("torch.empty(2.5)", TypeError, "empty(): argument 'size' (position 1) must be tuple of ints, not float"),
    ("torch.empty((2, 'a'))", TypeError, "empty(): argument 'size'"),
    ("torch.empty(True).shape", TypeError, "empty(): argument 'size' (position 1) must be tuple of ints, not bool"),
    ("torch.empty().shape", TypeError, 'empty() missing 1 required positional arguments: "size"'),
    ("torch.zeros(2, dtype=str)", TypeError, "zeros(): argument 'dtype' must be torch.dtype, not type"),
    ("torch.zeros(2, dtype=np.float32)", TypeError, "zeros(): argument 'dtype' must be torch.dtype, not type"),
    ("torch.zeros(2, dtype='float32')", TypeError, "zeros(): argument 'dtype' must be torch.dtype, not str"),
    ("torch.full(2, 3)", TypeError, "full(): argument 'size' (position 1) must be tuple of ints, not int"),
    ("torch.full((2,), 300, dtype=torch.uint8)",
     RuntimeError, "value cannot be converted to type uint8_t without overflow"),
    ("torch.full((2,), float('nan'), dtype=torch.int32)",
     RuntimeError, "value cannot be converted to type int without overflow"),
    ("torch.full([2], 'a')", TypeError, "full(): argument 'fill_value' (position 2) must be Number, not str"),
]


def test_factories_errors():
    check_errors(FACTORIES_ERRORS)


LIKE_FORMS = [
    ("torch.full_like(torch.ones(2, dtype=torch.int8), 3.7)", "tensor([3, 3], dtype=torch.int8)"),
    ("torch.zeros_like(torch.ones(2, 3).t()).stride()", "(1, 3)"),
    ("torch.empty_like(torch.ones(2, 3, 4).permute(2, 0, 1)).stride()", "(1, 12, 4)"),
    ("torch.empty_like(torch.ones(2, 3).expand(4, 2, 3)).stride()", "(6, 3, 1)"),
    ("torch.empty_like(torch.ones(4, 6)[:, ::2]).stride()", "(3, 1)"),
    ("torch.empty_like(torch.ones(2, 3, 4, 5).contiguous(memory_format=torch.channels_last)).stride()",
     "(60, 1, 15, 3)"),
    ("torch.empty_like(torch.ones(2, 3).t(), memory_format=torch.contiguous_format).stride()", "(2, 1)"),
    ("torch.ones_like(torch.ones(2, dtype=torch.int8), dtype=torch.float64)", "tensor([1., 1.], dtype=torch.float64)"),
    ("torch.ones_like(torch.ones(1, requires_grad=True)).requires_grad", "False"),
    ("torch.ones_like(torch.ones(1), requires_grad=True)", "tensor([1.], requires_grad=True)"),
]


def test_like_forms():
    check_values(LIKE_FORMS)


LIKE_FORMS_ERRORS = [
    ("torch.ones_like([1])", TypeError, "ones_like(): argument 'input' (position 1) must be Tensor, not list"),
]


def test_like_forms_errors():
    check_errors(LIKE_FORMS_ERRORS)


RANGES = [
    ("torch.arange(5)", "tensor([0, 1, 2, 3, 4])"),
    ("torch.arange(1, 5)", "tensor([1, 2, 3, 4])"),
    ("torch.arange(1, 2, 0.3)", "tensor([1.0000, 1.3000, 1.6000, 1.9000])"),
    ("torch.arange(5, 1, -1)", "tensor([5, 4, 3, 2])"),
    ("torch.arange(5.)", "tensor([0., 1., 2., 3., 4.])"),
    ("torch.arange(1, 5, dtype=torch.float16)", "tensor([1., 2., 3., 4.], dtype=torch.float16)"),
    ("torch.arange(True)", "tensor([0])"),
    ("torch.arange(0, 5, 2, out=torch.empty(0, dtype=torch.int64))", "tensor([0, 2, 4])"),
    ("torch.arange(2**62, 2**62+3)", "tensor([4611686018427387904, 4611686018427387905, 4611686018427387906])"),
    ("torch.arange(end=3)", "tensor([0, 1, 2])"),
    ("torch.arange(start=1, end=3)", "tensor([1, 2])"),
    ("torch.arange(0, 1, 0.1).shape", "torch.Size([10])"),
    ("torch.range(1, 3)", "tensor([1., 2., 3.])"),
    ("torch.range(0, 1, 0.25)", "tensor([0.0000, 0.2500, 0.5000, 0.7500, 1.0000])"),
    ("torch.linspace(0, 1, 5)", "tensor([0.0000, 0.2500, 0.5000, 0.7500, 1.0000])"),
    ("torch.linspace(0, 1, 1)", "tensor([0.])"),
    ("torch.linspace(0, 1, 0)", "tensor([])"),
    ("torch.linspace(0, 10, 5, dtype=torch.int64)", "tensor([ 0,  2,  5,  7, 10])"),
    ("torch.linspace(1, 0, 3, dtype=torch.complex64)", "tensor([1.0000+0.j, 0.5000+0.j, 0.0000+0.j])"),
    ("torch.linspace(torch.tensor(0.), torch.tensor(2.), 3)", "tensor([0., 1., 2.])"),
    ("torch.logspace(0, 2, 3)", "tensor([  1.,  10., 100.])"),
    ("torch.logspace(0, 3, 4, base=2)", "tensor([1., 2., 4., 8.])"),
    ("torch.logspace(0, 2, 3, dtype=torch.int64)", "tensor([  1,  10, 100])"),
    ("torch.eye(2)", "tensor([[1., 0.],\n        [0., 1.]])"),
    ("torch.eye(2, 3)", "tensor([[1., 0., 0.],\n        [0., 1., 0.]])"),
    ("torch.eye(3, 2, dtype=torch.int64)", "tensor([[1, 0],\n        [0, 1],\n        [0, 0]])"),
    ("torch.eye(0)", "tensor([], size=(0, 0))"),
    ("torch.eye(2, dtype=torch.bool)", "tensor([[ True, False],\n        [False,  True]])"),
]


def test_ranges():
    check_values(RANGES)


RANGES_ERRORS = [
    ("torch.arange(0, 1, 0)", RuntimeError, "step must be nonzero"),
    ("torch.arange(5, 1)", RuntimeError, "upper bound and lower bound inconsistent with step sign"),
    ("torch.arange(0, float('inf'))", RuntimeError, "unsupported range: 0 -> inf"),
    ("torch.arange(0, float('nan'))", RuntimeError, "unsupported range: 0 -> nan"),
    ("torch.arange(3, requires_grad=True)",
     RuntimeError, "Only Tensors of floating point and complex dtype can require gradients"),
    ("torch.linspace(0, 1, -1)", RuntimeError, "number of steps must be non-negative"),
    ("torch.linspace(0, 1)",
     TypeError, "linspace() received an invalid combination of arguments - got (int, int), but"),
    ("torch.eye(-1)", RuntimeError, "n must be greater or equal to 0, got -1"),
]


def test_ranges_errors():
    check_errors(RANGES_ERRORS)


MORE_FACTORIES = [
    ("torch.tril_indices(3, 3)", "tensor([[0, 1, 1, 2, 2, 2],\n        [0, 0, 1, 0, 1, 2]])"),
    ("torch.triu_indices(2, 3, 1)", "tensor([[0, 0, 1],\n        [1, 2, 2]])"),
    ("torch.complex(torch.ones(2), torch.zeros(2))", "tensor([1.+0.j, 1.+0.j])"),
    ("torch.polar(torch.ones(2), torch.zeros(2))", "tensor([1.+0.j, 1.+0.j])"),
    ("torch.vander(torch.tensor([1, 2, 3]))", "tensor([[1, 1, 1],\n        [4, 2, 1],\n        [9, 3, 1]])"),
]


def test_more_factories():
    check_values(MORE_FACTORIES)


MORE_FACTORIES_ERRORS = [
    ("torch.complex(torch.ones(2), torch.zeros(2, dtype=torch.float64))",
     RuntimeError, "Expected object of scalar type Float but got scalar type Double for second"),
]


def test_more_factories_errors():
    check_errors(MORE_FACTORIES_ERRORS)


STRIDED_FACTORIES = [
    ("torch.empty_strided((2, 3), (1, 2)).stride()", "(1, 2)"),
    ("torch.empty_permuted((2, 3, 4), (2, 0, 1)).stride()", "(3, 1, 6)"),
]


def test_strided_factories():
    check_values(STRIDED_FACTORIES)


STRIDED_FACTORIES_ERRORS = [
    ("torch.empty_strided((2, 3), (1, -2))", RuntimeError, ""),
    ("torch.empty_strided((2, 3), (1,))", RuntimeError, ""),
    ("torch.empty_permuted((2, 3), (0, 0))", RuntimeError, "Duplicate dim not allowed"),
]


def test_strided_factories_errors():
    check_errors(STRIDED_FACTORIES_ERRORS)


NEW_FORMS = [
    ("torch.ones(2).new_tensor([1, 2])", "tensor([1., 2.])"),
    ("torch.ones(2, dtype=torch.int64).new_tensor([1.5])", "tensor([1])"),
    ("torch.ones(2).new_zeros(2, 3)", "tensor([[0., 0., 0.],\n        [0., 0., 0.]])"),
    ("torch.ones(2, dtype=torch.int8).new_full((2,), 3)", "tensor([3, 3], dtype=torch.int8)"),
    ("torch.ones(2).new_full((2,), True)", "tensor([1., 1.])"),
    ("torch.ones(2).new_empty((2, 3)).shape", "torch.Size([2, 3])"),
    ("torch.ones(2).new_empty(2, dtype=torch.int64).dtype", "torch.int64"),
    ("torch.ones(2).new_ones((2,), requires_grad=True)", "tensor([1., 1.], requires_grad=True)"),
    ("torch.ones(2).new_empty_strided((2, 3), (1, 2)).stride()", "(1, 2)"),
    ("torch.ones(2).new([1, 2])", "tensor([1., 2.])"),
    ("torch.ones(2).new(2, 3).shape", "torch.Size([2, 3])"),
    ("torch.ones(2, dtype=torch.int64).new(torch.Size([2])).shape", "torch.Size([2])"),
    ("torch.ones(2).new().shape", "torch.Size([0])"),
]


def test_new_forms():
    check_values(NEW_FORMS)


EARLY_CONSTRUCTORS = [
    ("torch.Tensor().shape", "torch.Size([0])"),
    ("torch.Tensor(2, 3).shape", "torch.Size([2, 3])"),
    ("torch.Tensor([2, 3])", "tensor([2., 3.])"),
    ("torch.Tensor((2, 3))", "tensor([2., 3.])"),
    ("torch.Tensor(3).shape", "torch.Size([3])"),
    ("torch.Tensor(torch.Size([2])).shape", "torch.Size([2])"),
    ("torch.Tensor(torch.ones(2)).data_ptr() != 0", "True"),
    ("torch.Tensor(torch.ones(2, dtype=torch.int64))", "tensor([1, 1])"),
    ("torch.Tensor(np.ones(2))", "tensor([1., 1.])"),
    ("torch.Tensor([1, 2], device='cpu')", "tensor([1., 2.])"),
    ("torch.Tensor(2, device='cpu').shape", "torch.Size([2])"),
    ("torch.LongTensor([1, 2])", "tensor([1, 2])"),
    ("torch.LongTensor(2).shape", "torch.Size([2])"),
    ("torch.LongTensor([1.5])", "tensor([1])"),
    ("torch.FloatTensor([1, 2])", "tensor([1., 2.])"),
    ("torch.BoolTensor([1, 0])", "tensor([ True, False])"),
    ("torch.HalfTensor([1, 2])", "tensor([1., 2.], dtype=torch.float16)"),
    ("torch.BFloat16Tensor([1])", "tensor([1.], dtype=torch.bfloat16)"),
    ("torch.FloatTensor([[1, 2], [3, 4]])", "tensor([[1., 2.],\n        [3., 4.]])"),
    ("torch.FloatTensor(2, 3).shape", "torch.Size([2, 3])"),
    ("torch.FloatTensor(np.arange(3.))", "tensor([0., 1., 2.])"),
    ("torch.CharTensor([1, -1]).type()", "'torch.CharTensor'"),
    ("isinstance(torch.ones(1), torch.FloatTensor)", "True"),
    ("isinstance(torch.ones(1, requires_grad=True), torch.FloatTensor)", "True"),
    ("isinstance(nn.Parameter(torch.ones(1)), torch.FloatTensor)", "True"),
]


def test_early_constructors():
    check_values(EARLY_CONSTRUCTORS)


EARLY_CONSTRUCTORS_ERRORS = [
    ("torch.Tensor(3.5)", TypeError, "new(): data must be a sequence (got float)"),
    ("torch.Tensor('a')", TypeError, ""),
    ("torch.Tensor([1, 2], dtype=torch.int64)",
     TypeError, "new() received an invalid combination of arguments - got ("),
    ("torch.LongTensor(torch.ones(2))", TypeError, ""),
    ("torch.ByteTensor([255, 256])", RuntimeError, "value cannot be converted to type uint8 without overflow"),
]


def test_early_constructors_errors():
    check_errors(EARLY_CONSTRUCTORS_ERRORS)
