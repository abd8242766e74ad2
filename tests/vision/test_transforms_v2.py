"""Transforms of samples: the picture changes, the rest passes."""
import numpy
import pytest

import flambeau as torch
from flambeau.vision.transforms import v2

PICTURE = (torch.arange(3 * 8 * 10) % 256).reshape(3, 8, 10).to(torch.uint8)


def test_the_picture_of_a_sample():
    make = v2.Compose([v2.ToImage(), v2.CenterCrop(4), v2.ToDtype(torch.float32, scale=True)])
    picture, label = make(numpy.ascontiguousarray(PICTURE.permute(1, 2, 0).numpy()), 7)
    assert label == 7 and torch.equal(picture, PICTURE[:, 2:6, 3:7] / 255)
    sample = make({"image": PICTURE, "name": "a"})
    assert sample["name"] == "a" and torch.equal(sample["image"], picture)
    flipped, target = v2.RandomHorizontalFlip(1.0)(PICTURE, torch.tensor([1, 2]))
    assert torch.equal(flipped, PICTURE.flip(-1)) and target.tolist() == [1, 2]


def test_two_pictures_are_refused():
    from PIL import Image
    picture = Image.new("RGB", (4, 4))
    with pytest.raises(NotImplementedError, match="one picture"):
        v2.RandomHorizontalFlip()(picture, picture)


def test_containers_draw_as_pytorch():
    torch.manual_seed(0)
    draws = [v2.RandomApply([v2.Pad(1)], 0.5)(PICTURE).shape[-1] for _ in range(6)]
    torch.manual_seed(0)
    assert draws == [12 if torch.rand(1) < 0.5 else 10 for _ in range(6)]
    assert v2.RandomChoice([v2.Pad(1), v2.Pad(2)], p=[0.0, 1.0])(PICTURE).shape == (3, 12, 14)
    assert v2.RandomOrder([v2.Pad(1), v2.Pad(2)])(PICTURE).shape == (3, 14, 16)
    with pytest.raises(ValueError, match="at least one transform"):
        v2.Compose([])


def test_own_transforms():
    class Add(v2.Transform):
        def make_params(self, flat_inputs):
            return {"amount": len(flat_inputs)}

        def transform(self, inpt, params):
            return inpt + params["amount"]

    assert torch.equal(Add()(PICTURE, 5)[0], PICTURE + 2)


@pytest.mark.parametrize("kind", [v2.MixUp, v2.CutMix])
def test_mixed_batches(kind):
    torch.manual_seed(3)
    batch, labels = torch.arange(4.0).reshape(4, 1, 1, 1).expand(4, 1, 6, 6), torch.tensor([0, 1, 2, 1])
    mixed, shares = kind(num_classes=3)(batch, labels)
    assert shares.shape == (4, 3) and torch.allclose(shares.sum(1), torch.ones(4))
    torch.testing.assert_close(mixed[1].mean(), shares[1, 1])  # between 0 (its neighbour) and 1
    with pytest.raises(ValueError, match="num_classes must be passed"):
        kind()(batch, labels)
