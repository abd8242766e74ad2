"""The MNIST program and `flambeau.run`, as their users start them."""
import os
import struct
import subprocess
import sys

import numpy
import pytest

import flambeau as torch
from flambeau.examples import mnist

ENVIRONMENT = dict(os.environ, PYTHONPATH=os.pathsep.join(p for p in sys.path if p))


def python(*arguments, **options):
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=ENVIRONMENT, timeout=120,
                          **options)


@pytest.fixture
def digits(tmp_path):
    """Easy "digits" in MNIST's format: bright bars whose height is the class."""
    chance = numpy.random.RandomState(0)
    for prefix, n in (("train", 400), ("t10k", 100)):
        labels = chance.randint(0, 10, n).astype(numpy.uint8)
        images = chance.randint(0, 60, (n, 28, 28)).astype(numpy.uint8)
        for image, label in zip(images, labels):
            image[2 * label + 4 : 2 * label + 7, 4:24] = 255
        (tmp_path / f"{prefix}-images-idx3-ubyte").write_bytes(struct.pack(">IIII", 2051, n, 28, 28) + images.tobytes())
        (tmp_path / f"{prefix}-labels-idx1-ubyte").write_bytes(struct.pack(">II", 2049, n) + labels.tobytes())
    return tmp_path


def test_mnist_learns_saves_and_answers(digits, capsys, tmp_path):
    Image = pytest.importorskip("PIL.Image")
    weights = str(tmp_path / "net.pt")
    history = mnist.main(["--data", str(digits), "--epochs", "3", "--save", weights, "--batch-size", "20", "--lr",
                          "0.02", "--log-interval", "5"])
    assert history[-1]["test_accuracy"] >= 0.9 and history[-1]["loss"] < history[0]["loss"]
    text = capsys.readouterr().out
    assert "MNIST: 400 pictures of 28 x 28" in text and "Epoch 3: loss" in text
    picture = numpy.zeros((40, 40), numpy.uint8)
    picture[10:30, 18:22] = 255
    for name, values in (("dark.png", picture), ("paper.png", 255 - picture)):
        Image.fromarray(values).save(tmp_path / name)
    mnist.main(["--load", weights, "--epochs", "0", "--predict", str(tmp_path / "dark.png"), str(tmp_path / "paper.png")])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and lines[0].split(": ")[1] == lines[1].split(": ")[1]


def test_mnist_without_data(tmp_path, monkeypatch):
    with pytest.raises(SystemExit, match="Dataset not found"):
        mnist.main(["--data", str(tmp_path), "--epochs", "1"])
    monkeypatch.delenv("FLAMBEAU_DATA", raising=False)
    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(SystemExit, match="there is no data"):
        mnist.main(["--epochs", "1"])


def test_small_digits():
    pytest.importorskip("sklearn")
    torch.manual_seed(0)
    data = mnist.small_digits(0)
    assert data.images.shape == (1497, 8, 8) and data.test_images.shape == (300, 8, 8)
    assert mnist.build(data)(data.images[:2, None]).shape == (2, 10)


def test_run_gives_programs_flambeau(tmp_path):
    script = tmp_path / "program.py"
    script.write_text("import sys, torch, torch.nn as nn\nimport torch.nn.functional as F\nimport torch.utils.data\n"
                      "from torch.optim import SGD\nimport torchvision.transforms as T\n"
                      "import helper\n"
                      "print(torch.__name__, nn.__name__, SGD.__module__, T.__name__, sys.argv[1:], helper.value,\n"
                      "      torch.nn.functional is F, __name__, torch.ones(2).sum().item())\n")
    (tmp_path / "helper.py").write_text("import torch\nvalue = torch.arange(3).tolist()\n")
    result = python("-m", "flambeau.run", str(script), "a", "--b")
    assert result.returncode == 0, result.stderr
    assert result.stdout.split("\n")[0] == ("torch torch.nn torch.optim.sgd torchvision.transforms "
                                            "['a', '--b'] [0, 1, 2] True __main__ 2.0")


def test_run_gives_spawned_processes_flambeau(tmp_path):
    script = tmp_path / "program.py"
    script.write_text("""
import torch
import torch.multiprocessing as mp

def work(i, total):
    loader = torch.utils.data.DataLoader(torch.arange(4.0), batch_size=2, num_workers=1, multiprocessing_context="spawn")
    total += sum(batch.sum() for batch in loader)

if __name__ == "__main__":
    total = torch.zeros(1)
    mp.spawn(work, (total,), nprocs=1)
    print(total.item())
""")
    result = python("-m", "flambeau.run", str(script))
    assert result.stdout == "6.0\n", result.stderr


def test_run_code_and_errors(tmp_path):
    result = python("-m", "flambeau.run", "-c", "import torch; print(torch.__name__)")
    assert result.stdout == "torch\n", result.stderr
    result = python("-m", "flambeau.run", "-c", "import importlib.metadata as m, torch; print(m.version('torch') == torch.__version__)")
    assert result.stdout == "True\n", result.stderr
    result = python("-m", "flambeau.run", "-c", "import sys, torch.utils.data, torch.nn; print(torch.utils.data.sampler.Sampler is "
                    "torch.utils.data.Sampler, sys.modules['torch.nn'] is sys.modules['flambeau.nn'])")
    assert result.stdout == "True True\n", result.stderr
    result = python("-m", "flambeau.run", "-c", "import torch.no_such_module")
    assert result.returncode == 1 and "No module named 'torch.no_such_module'" in result.stderr
    assert python("-m", "flambeau.run", str(tmp_path / "none.py")).returncode == 2
    assert "usage" in python("-m", "flambeau.run", "--help").stdout
