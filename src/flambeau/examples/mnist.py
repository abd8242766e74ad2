"""Learn to read handwritten digits: `python -m flambeau.examples.mnist`.

A convolutional network learns from the MNIST files in `--data` (or $FLAMBEAU_DATA), or from the small digits that
come with scikit-learn. It can be saved, and asked about pictures (`--predict FILE ...`, `--interactive`).
"""
from __future__ import annotations

import argparse
import os
import sys
import time
from typing import Any, NamedTuple

import flambeau as torch
import flambeau.nn as nn
import flambeau.nn.functional as F
from flambeau.utils.data import DataLoader, TensorDataset

# -- data


class Digits(NamedTuple):
    """Pictures as uint8 tensors (N, height, width), and their digits."""

    name: str
    images: Any
    labels: Any
    test_images: Any
    test_labels: Any


def mnist(folder: str, download: bool = False) -> Digits:
    """The MNIST files in a folder, or in its sub-folder `mnist`."""
    from flambeau.vision.datasets import MNIST

    error: RuntimeError | None = None
    for root in (folder, os.path.join(folder, "mnist")):
        try:
            train, test = MNIST(root, train=True), MNIST(root, train=False)
            return Digits("MNIST", train.data, train.targets, test.data, test.targets)
        except RuntimeError as missing:
            error = error or missing
    if download:
        train, test = MNIST(folder, train=True, download=True), MNIST(folder, train=False, download=True)
        return Digits("MNIST", train.data, train.targets, test.data, test.targets)
    raise SystemExit(f"mnist: {error}. With a network, --download fetches the files.")


def small_digits(seed: int) -> Digits:
    """scikit-learn's 1,797 handwritten digits of 8 x 8 pixels; 300 of them are kept for testing."""
    try:
        from sklearn.datasets import load_digits
    except ModuleNotFoundError:
        raise SystemExit("mnist: there is no data: name a folder with the MNIST files (--data FOLDER or "
                         "$FLAMBEAU_DATA; --download fetches them), or install scikit-learn for its small "
                         "digits") from None
    digits = load_digits()
    images = torch.from_numpy(digits.images * (255 / 16)).round().to(torch.uint8)
    labels = torch.from_numpy(digits.target).long()
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
    images, labels = images[order], labels[order]
    return Digits("scikit-learn's digits", images[300:], labels[300:], images[:300], labels[:300])


def load_data(options: argparse.Namespace) -> Digits:
    """The data that the options ask for."""
    folder = options.data or os.environ.get("FLAMBEAU_DATA")
    return mnist(folder, options.download) if folder else small_digits(options.seed)


# -- the network


class Net(nn.Module):
    """Two convolutions, pooling, two linear layers: (N, 1, size, size) to the logarithms of ten probabilities."""

    def __init__(self, size: int = 28, mean: float = 0.1307, std: float = 0.3081) -> None:
        super().__init__()
        padding = 0 if size >= 20 else 1  # small pictures have no border to lose
        self.conv1 = nn.Conv2d(1, 32, 3, padding=padding)
        self.conv2 = nn.Conv2d(32, 64, 3, padding=padding)
        side = (size - 4 + 4 * padding) // 2
        self.dropout1 = nn.Dropout2d(0.1)
        self.fc1 = nn.Linear(64 * side * side, 128)
        self.dropout2 = nn.Dropout(0.25)
        self.fc2 = nn.Linear(128, 10)
        self.size = size
        self.register_buffer("mean", torch.tensor(mean))
        self.register_buffer("std", torch.tensor(std))

    def forward(self, x: Any) -> Any:
        x = (x.float() / 255 - self.mean) / self.std
        x = F.relu(self.conv1(x))
        x = F.relu(self.conv2(x))
        x = self.dropout1(F.max_pool2d(x, 2))
        x = F.relu(self.fc1(torch.flatten(x, 1)))
        return F.log_softmax(self.fc2(self.dropout2(x)), dim=1)


def build(digits: Digits) -> Net:
    """A network for pictures of this size, which brings them to mean 0 and deviation 1."""
    values = digits.images.float() / 255
    return Net(digits.images.shape[-1], values.mean().item(), values.std().item())


# -- learning


class Bar:
    """tqdm's progress bar; where it is missing or the output is no terminal, plain lines at every interval."""

    def __init__(self, loader: Any, title: str, interval: int, total: int) -> None:
        self.loader, self.title, self.interval, self.total = loader, title, interval, total
        self.bar: Any = None
        if sys.stderr.isatty():
            try:
                from tqdm import tqdm

                self.bar = tqdm(total=len(loader), desc=title, unit="batch")
            except ModuleNotFoundError:
                pass

    def step(self, batch: int, seen: int, loss: Any) -> None:
        """Note a batch. The loss is looked at only where it is shown."""
        show = batch % self.interval == 0
        if self.bar is not None:
            self.bar.update()
            if show:
                self.bar.set_postfix(loss=f"{loss.item():.4f}")
        elif show:
            print(f"{self.title} [{seen}/{self.total} ({100 * seen // self.total}%)]\tLoss: {loss.item():.6f}",
                  flush=True)

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()


def train_epoch(model: Net, loader: Any, optimizer: Any, epoch: int, interval: int) -> tuple[float, float]:
    """One pass over the data. Returns the mean loss and the accuracy on the way."""
    model.train()
    total = len(loader.dataset)
    bar = Bar(loader, f"Train Epoch: {epoch}", interval, total)
    loss_sum, correct, seen = torch.zeros(()), torch.zeros((), dtype=torch.int64), 0
    for batch, (images, labels) in enumerate(loader):
        optimizer.zero_grad()
        output = model(images)
        loss = F.nll_loss(output, labels)
        loss.backward()
        optimizer.step()
        bar.step(batch, seen, loss)
        loss_sum += loss.detach() * len(images)
        correct += (output.detach().argmax(1) == labels).sum()
        seen += len(images)
    bar.close()
    return loss_sum.item() / total, correct.item() / total


@torch.no_grad()
def evaluate(model: Net, images: Any, labels: Any, batch_size: int = 1000) -> tuple[float, float, Any]:
    """Mean loss, accuracy, and the answers."""
    model.eval()
    loss, answers = 0.0, []
    for start in range(0, len(images), batch_size):
        output = model(images[start : start + batch_size, None])
        loss += F.nll_loss(output, labels[start : start + batch_size], reduction="sum").item()
        answers.append(output.argmax(1))
    found = torch.cat(answers)
    return loss / len(images), (found == labels).float().mean().item(), found


def fit(model: Net, digits: Digits, options: argparse.Namespace) -> list[dict[str, float]]:
    """Learn for some epochs. Returns a line of numbers for each."""
    data = TensorDataset(digits.images[:, None], digits.labels)
    loader = DataLoader(data, batch_size=options.batch_size, shuffle=True)
    optimizer = torch.optim.SGD(model.parameters(), lr=options.lr, momentum=options.momentum)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=options.gamma)
    history = []
    for epoch in range(1, options.epochs + 1):
        start = time.perf_counter()
        loss, accuracy = train_epoch(model, loader, optimizer, epoch, options.log_interval)
        test_loss, test_accuracy, _ = evaluate(model, digits.test_images, digits.test_labels)
        schedule.step()
        history.append({"epoch": epoch, "loss": loss, "accuracy": accuracy, "test_loss": test_loss,
                        "test_accuracy": test_accuracy})
        print(f"Epoch {epoch}: loss {loss:.4f}, accuracy {accuracy:.2%}; test: loss {test_loss:.4f}, accuracy "
              f"{test_accuracy:.2%} ({time.perf_counter() - start:.1f} s)", flush=True)
        if options.save:
            save(model, options.save)
    return history


# -- files


def save(model: Net, path: str) -> None:
    """Write the network: its size and its weights."""
    torch.save({"size": model.size, "state_dict": model.state_dict()}, path)


def load(path: str) -> Net:
    """Read a network that `save` wrote."""
    entry = torch.load(path)
    model = Net(entry["size"])
    model.load_state_dict(entry["state_dict"])
    return model.eval()


# -- pictures of the user's


def prepared(path: str, size: int) -> Any:
    """A picture file as the data has them: light on dark, the digit in the middle, in the data's size."""
    import numpy

    from flambeau.vision._pillow import pillow

    with pillow().open(path) as file:
        picture = numpy.asarray(file.convert("L"), dtype=numpy.float32)
    border = numpy.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
    if border.mean() > 127:  # dark on light: paper
        picture = 255 - picture
    picture = picture - picture.min()
    picture *= 255 / max(picture.max(), 1)
    ink = picture > 64
    if not ink.any():
        return torch.zeros(1, 1, size, size, dtype=torch.uint8)
    rows, columns = numpy.flatnonzero(ink.any(1)), numpy.flatnonzero(ink.any(0))
    digit = picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    inner = round(size * 20 / 28) if size >= 20 else size  # MNIST's digits fill 20 of 28 pixels
    scale = inner / max(digit.shape)
    shape = (max(1, round(digit.shape[1] * scale)), max(1, round(digit.shape[0] * scale)))
    digit = numpy.asarray(pillow().fromarray(digit.astype(numpy.uint8)).resize(shape, 2), dtype=numpy.float32)
    canvas = numpy.zeros((size, size), numpy.float32)
    # the centre of mass goes to the middle, as far as the digit stays inside
    mass = digit.sum()
    y = (digit.sum(1) * numpy.arange(digit.shape[0])).sum() / mass
    x = (digit.sum(0) * numpy.arange(digit.shape[1])).sum() / mass
    top = min(max(round((size - 1) / 2 - y), 0), size - digit.shape[0])
    left = min(max(round((size - 1) / 2 - x), 0), size - digit.shape[1])
    canvas[top : top + digit.shape[0], left : left + digit.shape[1]] = digit
    return torch.from_numpy(canvas).round().to(torch.uint8)[None, None]


@torch.no_grad()
def classify(model: Net, path: str) -> str:
    """What the network takes a picture file for, as a line of text."""
    model.eval()
    probabilities = model(prepared(path, model.size)).exp()[0]
    values, digits = probabilities.topk(3)
    others = ", ".join(f"{d} {p:.1%}" for p, d in zip(values.tolist()[1:], digits.tolist()[1:]))
    return f"{path}: {digits[0].item()} ({values[0].item():.1%}; then {others})"


def ask(model: Net) -> None:
    """Classify the picture files that the user names, until an empty line."""
    print("Name picture files with a digit each; an empty line ends.")
    while True:
        try:
            path = input("file> ").strip().strip("'\"")
        except (EOFError, KeyboardInterrupt):
            print()
            return
        if path in ("", "q", "quit", "exit"):
            return
        try:
            print(classify(model, os.path.expanduser(path)))
        except (OSError, ModuleNotFoundError) as error:
            print(f"cannot read {path}: {error}")


# -- figures


def plot(history: list[dict[str, float]], digits: Digits, answers: Any, folder: str) -> None:
    """Write `training.png`, the curves, and `misclassified.png`, what the network got wrong."""
    try:
        import matplotlib
    except ModuleNotFoundError:
        raise SystemExit("mnist: --plots needs matplotlib: pip install matplotlib") from None
    matplotlib.use("Agg")
    from matplotlib import pyplot

    os.makedirs(folder, exist_ok=True)
    if history:
        figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4))
        epochs = [line["epoch"] for line in history]
        for axes, key, title in ((left, "loss", "Loss"), (right, "accuracy", "Accuracy")):
            axes.plot(epochs, [line[key] for line in history], "o-", label="training")
            axes.plot(epochs, [line["test_" + key] for line in history], "s-", label="test")
            axes.set(title=title, xlabel="epoch")
            axes.grid(alpha=0.3)
            axes.legend()
        figure.tight_layout()
        figure.savefig(os.path.join(folder, "training.png"), dpi=120)
        pyplot.close(figure)
    wrong = (answers != digits.test_labels).nonzero().flatten().tolist()[:25]
    figure, grid = pyplot.subplots(5, 5, figsize=(8, 9))
    for axes in grid.flat:
        axes.axis("off")
    for axes, i in zip(grid.flat, wrong):
        axes.imshow(digits.test_images[i].numpy(), cmap="gray_r")
        axes.set_title(f"{digits.test_labels[i].item()} read as {answers[i].item()}", fontsize=9)
    figure.tight_layout()
    figure.savefig(os.path.join(folder, "misclassified.png"), dpi=120)
    pyplot.close(figure)
    print(f"figures are in {folder}")


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m flambeau.examples.mnist",
                                     description="Learn to read handwritten digits.",
                                     formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    add = parser.add_argument
    add("--data", metavar="FOLDER", help="a folder with the MNIST files; $FLAMBEAU_DATA, or scikit-learn's digits, "
                                         "without")
    add("--download", action="store_true", help="fetch the MNIST files into --data if they are missing")
    add("--epochs", type=int, default=10, help="passes over the data")
    add("--batch-size", type=int, default=64, help="pictures a step")
    add("--lr", type=float, default=0.03, help="learning rate")
    add("--momentum", type=float, default=0.9, help="momentum of SGD")
    add("--gamma", type=float, default=0.7, help="factor of the learning rate after each epoch")
    add("--seed", type=int, default=1, help="seed of the random numbers")
    add("--log-interval", type=int, default=100, help="batches between two looks at the loss")
    add("--threads", type=int, help="processor threads to use; all without")
    add("--save", metavar="FILE", help="write the network to this file after every epoch")
    add("--load", metavar="FILE", help="start from a saved network; with --epochs 0 only use it")
    add("--plots", metavar="FOLDER", help="write figures of the training and of misread digits there")
    add("--predict", metavar="FILE", nargs="+", default=[], help="picture files to classify afterwards")
    add("--interactive", action="store_true", help="afterwards, classify picture files that you name")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> list[dict[str, float]]:
    """Run the program. Returns the numbers of each epoch."""
    options = parse(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    history: list[dict[str, float]] = []
    if options.epochs > 0 or options.plots or not options.load:
        digits = load_data(options)
        print(f"{digits.name}: {len(digits.images)} pictures of {digits.images.shape[1]} x {digits.images.shape[2]} to "
              f"learn from, {len(digits.test_images)} to test with")
        model = load(options.load) if options.load else build(digits)
        if model.size != digits.images.shape[-1]:
            raise SystemExit(f"mnist: {options.load} is for pictures of {model.size} pixels, the data has "
                             f"{digits.images.shape[-1]}")
        history = fit(model, digits, options)
        if options.plots:
            plot(history, digits, evaluate(model, digits.test_images, digits.test_labels)[2], options.plots)
    else:
        model = load(options.load)
    for path in options.predict:
        print(classify(model, path))
    if options.interactive:
        ask(model)
    return history


if __name__ == "__main__":
    main()
