"""Transforms: values, texts, random streams, errors."""
import numpy
import pytest

import flambeau as torch
from flambeau.vision import transforms as T
from flambeau.vision.transforms import functional as F

Image = pytest.importorskip("PIL.Image")


def picture(height=20, width=30, seed=0, channels=3):
    values = numpy.random.RandomState(seed).randint(0, 256, (height, width, channels)).astype(numpy.uint8)
    return values if channels > 1 else values[:, :, 0]


def test_between_pictures_and_tensors():
    a = picture()
    for source in (Image.fromarray(a), a):
        t = T.ToTensor()(source)
        assert t.shape == (3, 20, 30) and t.dtype == torch.float32 and t.is_contiguous()
        assert numpy.allclose(t.numpy(), a.transpose(2, 0, 1) / 255)
    assert T.PILToTensor()(Image.fromarray(a)).dtype == torch.uint8
    assert (numpy.array(T.ToPILImage()(T.ToTensor()(a))) == a).all()
    grey = picture(channels=1)
    assert T.ToTensor()(Image.fromarray(grey)).shape == (1, 20, 30)
    assert T.ToPILImage()(torch.from_numpy(grey)).mode == "L"
    assert F.to_tensor(numpy.full((2, 2, 1), 7.0, numpy.float32)).max().item() == 7.0
    assert F.convert_image_dtype(torch.tensor([[0, 255]], dtype=torch.uint8), torch.float32).tolist() == [[0.0, 1.0]]
    assert F.convert_image_dtype(torch.tensor([[0.0, 1.0]]), torch.uint8).tolist() == [[0, 255]]
    with pytest.raises(TypeError, match="pic should be PIL Image or ndarray"):
        T.ToTensor()([1])


def test_texts():
    chain = T.Compose([T.RandomCrop((64, 64), padding=4), T.RandomHorizontalFlip(), T.ToTensor()])
    assert repr(chain) == ("Compose(\n    RandomCrop(size=(64, 64), padding=4)\n    RandomHorizontalFlip(p=0.5)\n"
                           "    ToTensor()\n)")
    for transform, text in (
            (T.Resize(8), "Resize(size=8, interpolation=bilinear, max_size=None, antialias=True)"),
            (T.CenterCrop(8), "CenterCrop(size=(8, 8))"),
            (T.Normalize([0.5], [0.2]), "Normalize(mean=[0.5], std=[0.2])"),
            (T.Pad(2), "Pad(padding=2, fill=0, padding_mode=constant)"),
            (T.RandomRotation(10),
             "RandomRotation(degrees=[-10.0, 10.0], interpolation=nearest, expand=False, fill=0)"),
            (T.ColorJitter(0.4), "ColorJitter(brightness=(0.6, 1.4), contrast=None, saturation=None, hue=None)"),
            (T.RandomResizedCrop(8), "RandomResizedCrop(size=(8, 8), scale=(0.08, 1.0), ratio=(0.75, 1.3333), "
                                     "interpolation=bilinear, antialias=True)"),
            (T.RandomApply([T.Grayscale()], 0.3), "RandomApply(\n    p=0.3\n    Grayscale(num_output_channels=1)\n)")):
        assert repr(transform) == text


def test_geometry_of_pictures_and_tensors_agrees():
    a = picture()
    img, tensor = Image.fromarray(a), torch.from_numpy(a.transpose(2, 0, 1).copy())

    def same(function, *args, **kwargs):
        one, two = function(img, *args, **kwargs), function(tensor, *args, **kwargs)
        return (numpy.array(one).transpose(2, 0, 1) == two.numpy()).all()

    assert same(F.hflip) and same(F.vflip) and same(F.crop, 3, 4, 5, 6) and same(F.crop, -2, -3, 30, 40)
    assert same(F.center_crop, 10) and same(F.center_crop, [25, 40])
    for mode in ("constant", "edge", "reflect", "symmetric"):
        assert same(F.pad, [1, 2, 3, 4], padding_mode=mode)
    assert same(F.rotate, 90, expand=False) and same(F.invert) and same(F.posterize, 3) and same(F.solarize, 100)
    assert F.resize(img, 10).size == (15, 10) and F.resize(tensor, 10).shape == (3, 10, 15)
    assert F.resize(tensor, [10], max_size=12).shape == (3, 8, 12)
    assert F.rotate(tensor, 45, expand=True).shape == (3, 36, 36) and F.rotate(img, 45, expand=True).size == (36, 36)


def test_normalize():
    t = torch.ones(2, 2, 2)
    assert F.normalize(t, [0.5, 1.0], [0.5, 2.0])[:, 0, 0].tolist() == [1.0, 0.0]
    with pytest.raises(ValueError, match="std evaluated to zero"):
        F.normalize(t, [0.0], [0.0])
    with pytest.raises(TypeError, match="should be a float tensor"):
        F.normalize(t.to(torch.uint8), [0.0], [1.0])


def test_random_streams_are_torchvisions():
    position = torch.arange(400).reshape(1, 20, 20)
    torch.manual_seed(0)
    assert T.RandomCrop(4)(position)[0, 0, 0].item() == 143
    torch.manual_seed(0)
    assert [T.RandomHorizontalFlip()(position)[0, 0, 0].item() for _ in range(6)] == [19, 0, 19, 19, 19, 0]
    torch.manual_seed(0)
    assert T.RandomResizedCrop.get_params(position, (0.1, 0.5), (0.75, 1.33)) == (1, 6, 10, 12)
    torch.manual_seed(0)
    assert T.RandomRotation.get_params([-10.0, 10.0]) == pytest.approx(-0.07486820220947266, rel=1e-6)
    torch.manual_seed(0)
    order, *factors = T.ColorJitter.get_params((0.5, 1.5), (0.5, 1.5), None, (-0.1, 0.1))
    assert order.tolist() == [0, 1, 3, 2]
    assert factors[2] is None
    assert [factors[i] for i in (0, 1, 3)] == pytest.approx(
        [0.6320304870605469, 0.8074228167533875, 0.026815736666321754], rel=1e-6)
    torch.manual_seed(0)
    assert T.RandomErasing.get_params(torch.zeros(1, 20, 20), (0.1, 0.2), (0.5, 2.0), [0.0])[:4] == (5, 0, 9, 6)


def test_random_crop_errors_and_padding():
    img = Image.fromarray(picture())
    with pytest.raises(ValueError, match=r"Required crop size \(64, 64\) is larger than input image size \(20, 30\)"):
        T.RandomCrop(64)(img)
    assert T.RandomCrop(64, pad_if_needed=True)(img).size == (64, 64)


def test_colours():
    grey = torch.full((3, 2, 2), 0.5)
    assert F.adjust_brightness(grey, 2.0).max().item() == 1.0 and F.adjust_brightness(grey, 0.0).max().item() == 0.0
    assert torch.allclose(F.adjust_hue(grey, 0.3), grey)
    assert torch.allclose(F.adjust_saturation(grey, 3.0), grey, atol=1e-4)
    red = torch.zeros(3, 1, 1)
    red[0] = 1
    assert torch.allclose(F.adjust_hue(red, 1 / 3).flatten(), torch.tensor([0.0, 1.0, 0.0]), atol=1e-5)
    assert F.rgb_to_grayscale(red).item() == pytest.approx(0.2989)
    assert T.Grayscale(3)(Image.fromarray(picture())).mode == "RGB"
    assert F.gaussian_blur(torch.ones(1, 5, 5), 3).allclose(torch.ones(1, 5, 5))
