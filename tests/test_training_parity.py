"""A training run step by step, in float64, against the losses that PyTorch 2.13 gives for the same program: weights, shuffles, dropout
and all take the same random numbers."""
import flambeau as torch
from flambeau import nn
from flambeau.nn import functional as F


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 6, 3), nn.Conv2d(6, 8, 3)
        self.norm = nn.BatchNorm2d(8)
        self.drop = nn.Dropout(0.25)
        self.fc1, self.fc2 = nn.Linear(8 * 25, 16), nn.Linear(16, 10)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        x = self.norm(F.relu(self.conv2(x)))
        x = self.drop(F.max_pool2d(x, 2))
        x = F.relu(self.fc1(torch.flatten(x, 1)))
        return F.log_softmax(self.fc2(F.dropout(x, 0.5, self.training)), dim=1)


def losses(make_optimizer, steps=10):
    """The losses of the first steps of a seeded run on random images."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        torch.manual_seed(7)
        images, labels = torch.rand(96, 1, 14, 14), torch.randint(0, 10, (96,))
        net = Net()
        optimizer = make_optimizer(net.parameters())
        loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(images, labels), batch_size=16, shuffle=True)
        found = []
        while len(found) < steps:
            for x, y in loader:
                optimizer.zero_grad()
                loss = F.nll_loss(net(x), y)
                loss.backward()
                optimizer.step()
                found.append(loss.item())
        return found[:steps]
    finally:
        torch.set_default_dtype(before)


def check(found, expected):
    assert len(found) == len(expected)
    for a, b in zip(found, expected):
        assert abs(a - b) < 1e-10, (found, expected)


def test_sgd():
    check(losses(lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, weight_decay=1e-4)), SGD)


def test_adam():
    check(losses(lambda p: torch.optim.Adam(p, lr=1e-2)), ADAM)


def test_adamw_amsgrad():
    check(losses(lambda p: torch.optim.AdamW(p, lr=1e-2, amsgrad=True)), ADAMW)


SGD = [2.3664165263081585, 2.5306011968771, 2.410774259722781, 2.334197753063399, 2.372546705407033,
       2.3113699195986883, 2.317730188490306, 2.2676130453345347, 2.3242248245470716, 2.228161504222297]
ADAM = [2.3664165263081585, 2.5975353817835125, 2.504195788986257, 2.335635696459538, 2.393736524268311,
        2.350316451708476, 2.2835023478617993, 2.28612896351838, 2.3462757569774677, 2.3039814230292945]
ADAMW = [2.3664165263081585, 2.5974304015844227, 2.504072966077506, 2.3356712250126064, 2.393803497657898,
         2.350369595538892, 2.283480154200221, 2.2867451976264923, 2.344760825835288, 2.307649609517103]
