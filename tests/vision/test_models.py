"""Models: the numbers of parameters and first weights that torchvision's have, training, and names of weights."""
import pytest

import flambeau as torch
from flambeau.vision import models, ops


@pytest.mark.parametrize("name, parameters", [
    ("resnet18", 11_689_512), ("resnet50", 25_557_032), ("squeezenet1_0", 1_248_424), ("densenet121", 7_978_856),
    ("mobilenet_v2", 3_504_872), ("mobilenet_v3_large", 5_483_032), ("efficientnet_b0", 5_288_548),
    ("efficientnet_b1", 7_794_184), ("convnext_tiny", 28_589_128), ("inception_v3", 27_161_264)])
def test_parameters_are_counted_as_published(name, parameters):
    assert sum(p.numel() for p in models.get_model(name).parameters()) == parameters


@pytest.mark.parametrize("name, first, last, answer", [
    ("resnet18", [0.036398, -0.039656, 0.011536], [-0.020315, 0.018678, 0.037556], [-0.01901, 0.20068, 0.03721]),
    ("squeezenet1_1", [0.158533, 0.170896, -0.338953], [-0.008811, 0.009339, -0.000917], [0.22682, 0.00811, 0.01599]),
    ("mobilenet_v3_small", [0.03955, -0.032285, 0.078993], [0.01441, 0.008713, -0.004607], [0.0, 0.0, 0.0])])
def test_weights_after_a_seed(name, first, last, answer):
    torch.manual_seed(0)
    model = getattr(models, name)(num_classes=7).eval()
    parameters = list(model.parameters())
    torch.testing.assert_close(parameters[0].flatten()[:3], torch.tensor(first), atol=1e-6, rtol=0)
    torch.testing.assert_close(parameters[-2].flatten()[:3], torch.tensor(last), atol=1e-6, rtol=0)
    torch.testing.assert_close(model(torch.ones(1, 3, 64, 64))[0, :3], torch.tensor(answer), atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("name", ["resnext50_32x4d", "vgg11_bn", "alexnet", "googlenet", "mobilenet_v2",
                                  "efficientnet_b0"])
def test_training_reaches_every_parameter(name):
    model = models.get_model(name, num_classes=5)
    out = model(torch.randn(2, 3, 64, 64))
    sum(o.square().sum() for o in (out if isinstance(out, tuple) else (out,))).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    other = models.get_model(name, num_classes=5)
    other.load_state_dict(model.state_dict())


def test_vision_transformer():
    model = models.VisionTransformer(32, 8, 2, 2, 16, 32, num_classes=3)
    assert model(torch.randn(2, 3, 32, 32)).shape == (2, 3)
    with pytest.raises(AssertionError, match="Wrong image height! Expected 32 but got 16!"):
        model(torch.randn(2, 3, 16, 16))


def test_densenet_reads_names_of_published_files():
    model = models.DenseNet(4, (2, 2), 8, num_classes=3)
    state = {key.replace("norm1.", "norm.1.").replace("conv2.", "conv.2."): v + 1 for key, v in model.state_dict().items()}
    model.load_state_dict(state)
    assert model.features.denseblock1.denselayer1.norm1.weight[0] == 2


def test_names_of_models_and_weights():
    assert "vgg16_bn" in models.list_models() and models.list_models(include="alex*") == ["alexnet"]
    weights = models.ResNet50_Weights.DEFAULT
    assert weights is models.ResNet50_Weights.IMAGENET1K_V2 is models.get_weight("ResNet50_Weights.DEFAULT")
    assert weights.url.endswith("/resnet50-11ad3fa6.pth")
    assert weights.transforms()(torch.zeros(3, 300, 280, dtype=torch.uint8)).shape == (3, 224, 224)
    with pytest.raises(TypeError, match="Invalid Weight class provided"):
        models.resnet18(weights=weights)
    with pytest.raises(ValueError, match="Unknown model resnet17"):
        models.get_model("resnet17")


def test_boxes():
    boxes = torch.tensor([[0.0, 0, 2, 2], [0, 0, 2, 1.9], [5, 5, 6, 6], [0, 0, 1, 1]])
    scores = torch.tensor([0.5, 0.9, 0.3, 0.2])
    assert ops.nms(boxes, scores, 0.5).tolist() == [1, 2, 3]
    assert ops.batched_nms(boxes, scores, torch.tensor([0, 1, 0, 0]), 0.5).tolist() == [1, 0, 2, 3]
    assert ops.nms(boxes[:0], scores[:0], 0.5).shape == (0,)
    assert ops.box_iou(boxes, boxes)[0].tolist() == pytest.approx([1, 0.95, 0, 0.25])
    assert ops.generalized_box_iou(boxes[:1], boxes[2:3]).item() == pytest.approx(-31 / 36)
    for form in ("xyxy", "xywh", "cxcywh"):
        there = ops.box_convert(boxes, "xyxy", form)
        torch.testing.assert_close(ops.box_convert(there, form, "xyxy"), boxes)
    assert ops.box_convert(boxes, "xyxy", "cxcywh")[2].tolist() == [5.5, 5.5, 1, 1]
    assert ops.remove_small_boxes(boxes, 1.95).tolist() == [0]
    assert ops.clip_boxes_to_image(boxes, (3, 5))[2].tolist() == [5, 3, 5, 3]
    assert ops.masks_to_boxes(torch.eye(4)[None, 1:3])[0].tolist() == [1, 0, 2, 1]


def test_focal_loss():
    x, y = torch.tensor([2.0, -1.0]), torch.tensor([1.0, 1.0])
    p = x.sigmoid()
    torch.testing.assert_close(ops.sigmoid_focal_loss(x, y), -0.25 * (1 - p) ** 2 * p.log())
    with pytest.raises(ValueError, match="alpha must be in the range"):
        ops.sigmoid_focal_loss(x, y, alpha=2)
