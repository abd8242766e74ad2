"""Saving and loading: all kinds of objects, sharing, PyTorch's own bytes, safety, damaged files."""
import base64
import collections
import io
import os
import pickle
import random
import zipfile
import zlib

import numpy
import pytest

import flambeau as torch
from flambeau import nn

# {"a": torch.arange(4.)[1:], "n": torch.nn.Linear(1, 1).state_dict() with weight 2 and bias 3, "s": "x"}, written by
# PyTorch 2.13
PYTORCH_FILE = (
    "eNqllUtv00AQx9d5x0Calkfpg/IsBAlSO0mblFcrg8zBB9LwirgYJzGJhZt07E1bkCoqoSBV8AE49conQNw5cQVx5ABCHDghbhzZtdvUdpVEbV"
    "axV7H3N/Pf2ZlxXvIHEIpE0K4RR0NIMco1bVmdqihYSS491UUhhh65xrpvDVCiyBBAAaaMG4RIyk2s6SYrG2qpqekVGat1s2HIyykWfIlEMUwW"
    "m2SlUlXBbyOsqDcUfNd+yELAMshBsOgnc3mpCSEpgCG8IDGSvwURiWlBdKNcbui6WsZao26yd4yKaqiVW1oZs8BeLMABDAcLcMiyVIdYjT4bSB"
    "RD5O+KqlVrGOI1oqbmr9neeBishSQGw9CChIgf5hUctqcjGxZ8FMOxAgwXSbxQSVNMOO7iUzBi86MW34Ixehu32RMYJgpwsrkGp4pRslheVLFC"
    "owqnrfdnijTkcHYNzlnhWVYNk2wLJiXGNM2S5cCE89a8CheaybwUjnz8K71YJU/ole94jsPoZvsck08axqKC5S3zojDnOc49D54K+fDn20uqjF"
    "6dhYyi7I6QrfOXFV2r1hfVOhaF9H60zGSogLkV+O0jLnxdBQyiubaA0jOsNmjKiMLVfmKgaxjrKtXQuv5zhCZXqKuGGLrhqqopThSu9CHAtro+"
    "R27z5DdPlbweezwZtyq4u5KMWwkvChzah3/L55vNtw9pYQR6+Jx3+0yJwrW+UnB7zxuff7zr7X/AkQHtGujr/NMs9f55s3q/d/5NoNROAVjbN1"
    "VDIxXwXKE9TNYqopDcoxgul5nN5HK5THZ2ZprL5LLpaY7nU+npdI7ns6l0JsdlOW42R1W+/xUZTxAdCUslQ8W2dTp7SXyXcu93wEs7G8Cwi/zE"
    "oE7dx2vEWcSjLiMLPtSlc3jtOAtx0GXni8NOuwF4cWf1xFz4Az/y1K6XdVaBm/3uZXkv68xgN3sv4GFTXtaZfwMu9quD7RB3Z1pMuOBCEPVI2L"
    "wUCl3aTm//5TYZ9cy3ffb8L2jPhAtbZ76lwf5yBEM2E7XW22v/A79u5aQ="
)
PYTORCH_LEGACY_FILE = (
    "eNp1Uctu01AQ9SsJNbQUyqs8y6PgbiLVUMVZkQXqxuLRsLmbynLsq/gi187xHZeHFCmbIMo38AH8Gp+AxIJ7nVaAFGZxH2dmzpyZmVlf3fzXt/"
    "2fW+++v9nszqyXP2x1TmF4bN0wjElVUpmUeXTMKynKAqYKYKvKkwuinEe8SEVcwPrCXAXSxwmPpPjEJewpHI+1FCizsiK0QovZ6icKQjt0mKM5"
    "ymKMTujU9VlNU6ExzITKKsm6UU0il25U8VEt8jQiXsiyio59F5bnsY4mV5HxmMNepLj7eRnT2wXowmFrKqb/NAj6/u5e0Ovt7vloNTqSSa11vC"
    "J0DkIztOc4F5pzrJwkqt2cJ6S6le7rKuUVT1+IhFy4O0OcJ1wYYrURWmAt09hFj7XV9z0X44ywniltmZ39W7vX93vBM1zK2qGpal4+CA1V1fyM"
    "jcV15aShukq4NsT1ZjojEUvc+B9b3w+wecp2s2Gb45Y+bi+Y7hDuDnGvnmKLrajU6IhTnMYU437jf8AUaODhFI+aQZ4teDs0pZSjpkGJx839AU"
    "/0hg71hpY0ZS7TZi0bvc27mu/UBn/eg4Fj/G2z5xrU+G+j9KX2"
)


class Custom:
    def __init__(self, value):
        self.value = value


class Runs:
    def __reduce__(self):
        return os.mkdir, ("never",)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 2)


def saved(value, **options):
    file = io.BytesIO()
    torch.save(value, file, **options)
    return file.getvalue()


def loaded(data, **options):
    return torch.load(io.BytesIO(data), **options)


def round_trip(value, legacy=False, **options):
    return loaded(saved(value, _use_new_zipfile_serialization=not legacy), **options)


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("weights_only", [True, False])
def test_containers_and_scalars(legacy, weights_only):
    value = {"numbers": [0, 255, 256, 65535, 65536, -1, 1 << 40, -(1 << 100), 1.5, float("inf"), 2 + 3j, True, None],
             "text": ["", "é\ud800", "x" * 300, b"", b"\x00\xff"], "tuples": [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)],
             "sets": [{1, 2}, frozenset([3])], "range": range(3), "ordered": collections.OrderedDict(b=1, a=2),
             "counter": collections.Counter("aab"), "default": collections.defaultdict(list, x=[1]),
             "dtype": torch.float16, "size": torch.Size([2, 3]), "device": torch.device("cuda", 1),
             7: {"nested": [{}]}, "many": list(range(2500))}
    value["again"] = value["many"]
    back = round_trip(value, legacy, weights_only=weights_only)
    assert back == value and list(back) == list(value) and back["again"] is back["many"]
    assert [type(x) for x in back["numbers"]] == [type(x) for x in value["numbers"]]
    assert type(back["size"]) is torch.Size and type(back["ordered"]) is collections.OrderedDict


@pytest.mark.parametrize("legacy", [False, True])
def test_tensors_keep_dtype_geometry_and_sharing(legacy):
    base = torch.arange(12.0).reshape(3, 4)
    value = [base, base[:, 1], base.t(), base[1:, ::2], torch.ones(1).expand(2, 3), torch.empty(0, 3),
             torch.tensor(3, dtype=torch.bfloat16), torch.tensor([True, False]), torch.ones(2, dtype=torch.complex64),
             torch.arange(3, dtype=torch.int8), torch.ones(2, requires_grad=True)]
    for weights_only in (True, False):
        back = round_trip(value, legacy, weights_only=weights_only)
        for x, y in zip(value, back):
            assert (x.dtype, x.shape, x.stride(), x.storage_offset(), x.requires_grad) == \
                (y.dtype, y.shape, y.stride(), y.storage_offset(), y.requires_grad)
            assert torch.equal(x, y)
        back[0][1, 1] = 100
        assert back[1][1].item() == 100 and back[2][1, 1].item() == 100


def test_unsigned_integers():
    back = round_trip([torch.ones(3, dtype=torch.uint16)])
    assert back[0].dtype == torch.uint16 and back[0].tolist() == [1, 1, 1]


def test_parameters():
    p = nn.Parameter(torch.ones(2), requires_grad=False)
    q = nn.Parameter(torch.ones(2))
    q.note = "kept"
    back = round_trip([p, q, p])
    assert type(back[0]) is nn.Parameter and not back[0].requires_grad and back[2] is back[0]
    assert back[1].requires_grad and back[1].note == "kept"


def test_pytorchs_files_open():
    for text in (PYTORCH_FILE, PYTORCH_LEGACY_FILE):
        data = zlib.decompress(base64.b64decode(text))
        for weights_only in (True, False):
            back = loaded(data, weights_only=weights_only)
            assert back["a"].tolist() == [1.0, 2.0, 3.0] and back["a"].storage_offset() == 1
            assert back["n"]["weight"].item() == 2.0 and back["n"]["bias"].item() == 3.0 and back["s"] == "x"
            assert back["n"]._metadata[""] == {"version": 1}


def test_our_files_are_named_as_pytorchs(tmp_path):
    path = tmp_path / "model.v1.pt"
    torch.save({"w": torch.arange(3.0), "size": torch.Size([1])}, path)
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        description = archive.read("model.v1/data.pkl")
        assert archive.testzip() is None
        for entry in archive.infolist():
            header = path.read_bytes()[entry.header_offset : entry.header_offset + 30]
            start = entry.header_offset + 30 + int.from_bytes(header[26:28], "little") + int.from_bytes(
                header[28:30], "little")
            assert start % 64 == 0
    assert names == ["model.v1/data.pkl", "model.v1/.format_version", "model.v1/.storage_alignment",
                     "model.v1/byteorder", "model.v1/data/0", "model.v1/version"]
    assert b"ctorch._utils\n_rebuild_tensor_v2\n" in description and b"ctorch\nFloatStorage\n" in description
    assert b"flambeau" not in description


def test_layers_open_without_trust():
    model = nn.Sequential(collections.OrderedDict(conv=nn.Conv2d(1, 2, 3), norm=nn.BatchNorm2d(2), relu=nn.ReLU()))
    model.eval()
    back = round_trip(model)
    assert repr(back) == repr(model) and not back.training and isinstance(back.conv.weight, nn.Parameter)
    x = torch.randn(1, 1, 5, 5)
    assert torch.equal(back(x), model(x))
    back(x).sum().backward()
    assert back.conv.weight.grad is not None


def test_own_classes_need_trust():
    data = saved(Custom(3))
    with pytest.raises(pickle.UnpicklingError, match="Unsupported global: GLOBAL .*Custom was not an allowed global"):
        loaded(data)
    assert loaded(data, weights_only=False).value == 3
    with torch.serialization.safe_globals([Custom]):
        assert loaded(data).value == 3
        assert Custom in torch.serialization.get_safe_globals()
    assert torch.serialization.get_safe_globals() == []
    net = Net()
    assert torch.equal(loaded(saved(net), weights_only=False).layer.weight, net.layer.weight)
    assert torch.serialization.get_unsafe_globals_in_checkpoint(io.BytesIO(data)) == [f"{Custom.__module__}.Custom"]


def test_code_in_files_does_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(pickle.UnpicklingError, match="mkdir"):
        loaded(saved(Runs()))
    payloads = [b"cposix\nsystem\n(X\x04\x00\x00\x00exittR.", b"c__builtin__\neval\n(X\x01\x00\x00\x001tR.",
                b"ctorch\nload\n(X\x01\x00\x00\x00xtR.", b"ctorch.nn.functional\nrelu\n(K\x01tR.",
                b"c__builtin__\ngetattr\n.", b"c__builtin__\nbytes\n(J\xff\xff\xff\x7ftR.",
                b"ctorch.nn.modules.linear\nLinear\n(K\x01K\x01tR.", b"}}b."]
    for payload in payloads:
        with pytest.raises(pickle.UnpicklingError):
            loaded(rewritten(saved({}), {"data.pkl": b"\x80\x02" + payload}))
    assert os.listdir(tmp_path) == []


def rewritten(data, records):
    """The archive with some records replaced, or left out where the new value is None."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(out, "w") as target:
        for name in source.namelist():
            value = records.get(name.split("/", 1)[1], source.read(name))
            if value is not None:
                target.writestr(name, value)
    return out.getvalue()


def test_numpy_values():
    value = {"scalar": numpy.float64(2.5), "array": numpy.arange(6, dtype=">i2").reshape(2, 3),
             "columns": numpy.asfortranarray(numpy.eye(2, dtype="f4")), "dtype": numpy.dtype("int8")}
    back = round_trip(value)
    assert back["scalar"] == 2.5 and back["dtype"] == numpy.dtype("int8")
    assert (back["array"] == value["array"]).all() and (back["columns"] == numpy.eye(2)).all()
    with pytest.raises(pickle.UnpicklingError):
        round_trip(numpy.array([object()]))


def test_map_location():
    data = saved(torch.ones(3))
    shape_only = loaded(data, map_location="meta")
    assert shape_only.is_meta and shape_only.shape == (3,)
    assert loaded(data, map_location=torch.device("cpu")).tolist() == [1, 1, 1]
    seen = []
    assert loaded(data, map_location=lambda storage, where: seen.append((storage.nbytes(), where))).sum() == 3
    assert seen == [(12, "cpu")]
    if not torch.cuda.is_available():
        with pytest.raises(RuntimeError, match="Attempting to deserialize object on a CUDA device"):
            loaded(data, map_location="cuda")


def test_mapped_files(tmp_path):
    path = tmp_path / "x.pt"
    torch.save({"a": torch.arange(100)}, path)
    back = torch.load(path, mmap=True)
    back["a"].add_(1)  # private: the file stays as it is
    assert back["a"][0].item() == 1 and torch.load(path)["a"][0].item() == 0
    with pytest.raises(ValueError, match="f must be a file path in order to use the mmap argument"):
        torch.load(io.BytesIO(path.read_bytes()), mmap=True)


def test_a_failed_save_leaves_the_old_file(tmp_path):
    path = tmp_path / "x.pt"
    torch.save(1, path)
    with pytest.raises(AttributeError, match="Can't pickle"):
        torch.save(lambda: 1, path)
    assert torch.load(path) == 1 and os.listdir(tmp_path) == ["x.pt"]
    with pytest.raises(RuntimeError, match="Parent directory .* does not exist"):
        torch.save(1, tmp_path / "none" / "x.pt")
    a = torch.arange(4)
    with pytest.raises(RuntimeError, match="view the same data as different types"):
        torch.save([a, a.view(torch.int32)], path)


def test_damaged_files():
    data = saved({"a": torch.arange(1000)})
    with pytest.raises(EOFError):
        loaded(b"")
    for cut in (data[: len(data) // 2], data[:-10]):
        with pytest.raises(RuntimeError, match="central directory"):
            loaded(cut)
    spot = data.find(torch.arange(1000).numpy().tobytes()[:100]) + 9
    with pytest.raises(RuntimeError, match="damaged"):
        loaded(data[:spot] + b"\x07" + data[spot + 1 :])
    for records, text in (({"data/0": b"123"}, "does not match expected size"), ({"data/0": None}, "file not found"),
                          ({"data.pkl": None}, "data.pkl"), ({"version": b"99"}, "version")):
        with pytest.raises(RuntimeError, match=text):
            loaded(rewritten(data, records))
    with pytest.raises(RuntimeError, match="Invalid magic number"):
        loaded(pickle.dumps({1: 2}))
    with pytest.raises(pickle.UnpicklingError):
        loaded(b"garbage" * 10)
    with pytest.raises(AttributeError, match="You can only torch.load from a file that is seekable"):
        torch.load(3)


def test_random_damage_never_crashes():
    data = saved({"a": torch.arange(10), "m": nn.Linear(2, 2), "x": [1, "a", (2.0,)]})
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        description = archive.read("archive/data.pkl")
    chance = random.Random(0)
    for _ in range(400):
        changed = bytearray(description)
        for _ in range(chance.randint(1, 4)):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        try:
            loaded(rewritten(data, {"data.pkl": bytes(changed)}))
        except (pickle.UnpicklingError, RuntimeError, EOFError):
            pass
    for _ in range(200):
        try:
            loaded(data[: chance.randrange(len(data))])
        except (pickle.UnpicklingError, RuntimeError, EOFError):
            pass


def test_other_byte_order():
    data = saved(torch.arange(3, dtype=torch.int32))
    swapped = rewritten(data, {"byteorder": b"big", "data/0": torch.arange(3, dtype=torch.int32).numpy()
                               .byteswap().tobytes()})
    assert loaded(swapped).tolist() == [0, 1, 2]
