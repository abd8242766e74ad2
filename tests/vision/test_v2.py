"""transforms.v2: pictures and tensors through the newer names."""
import numpy

import flambeau as torch
from flambeau.vision.transforms import v2


def test_a_usual_pipeline():
    picture = v2.ToPILImage()(torch.arange(48, dtype=torch.uint8).view(3, 4, 4))
    pipeline = v2.Compose([v2.ToImage(), v2.Resize((2, 2)), v2.ToDtype(torch.float32, scale=True), v2.Normalize([0.5] * 3, [0.5] * 3)])
    found = pipeline(picture)
    assert found.shape == (3, 2, 2) and found.dtype == torch.float32 and -1 <= found.min() <= found.max() <= 1
    assert v2.functional.to_image(numpy.zeros((2, 5, 3), numpy.uint8)).shape == (3, 2, 5)
    assert v2.functional.get_size(found) == [2, 2] and v2.ToDtype(torch.float64)(found).dtype == torch.float64
    assert v2.RGB()(torch.ones(1, 2, 2)).shape == (3, 2, 2) and v2.Identity()(found) is found
