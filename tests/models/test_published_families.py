"""VGG, DenseNet and Vision Transformer, against networks of torch's own modules and their parameter counts."""

import pytest
import torch
import torch.nn as nn
from problems import objective, parameters, samples, source
from twins import CONV, MEAN, NORM, POOL, give_same_numbers, ordered, results

from fbgd.config.build import build, check
from fbgd.config.compose import compose
from fbgd.engine.experiment import Progress
from fbgd.engine.gradient import MeanGradient
from fbgd.engine.train import train
from fbgd.models import VGG, DenseNet, ViT
from fbgd.models.vit import patches


def size(network):
    return sum(param.numel() for param in network.parameters())


def plain_vgg16(shape, k):
    """The list of Simonyan & Zisserman's configuration D; "M" pools."""
    axes, inputs, layers = len(shape) - 1, shape[0], []
    for entry in (k, k, "M", 2 * k, 2 * k, "M", *[4 * k] * 3, "M", *[8 * k] * 3, "M", *[8 * k] * 3, "M"):
        if entry == "M":
            layers.append(POOL[axes](2))
        else:
            layers += [CONV[axes](inputs, entry, 3, padding=1), NORM[axes](entry), nn.ReLU()]
            inputs = entry
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(8 * k, 10))


class PlainDense(nn.Sequential):
    def forward(self, inputs):
        return torch.cat((inputs, super().forward(inputs)), 1)


def plain_densenet121(shape, k):
    axes, channels = len(shape) - 1, 2 * k
    conv, norm = CONV[axes], NORM[axes]
    layers = [conv(shape[0], channels, 3, 1, 1, bias=False), norm(channels), nn.ReLU()]
    for count in (6, 12, 24, 16):
        for _ in range(count):
            first = [norm(channels), nn.ReLU(), conv(channels, 4 * k, 1, bias=False)]
            layers.append(PlainDense(*first, norm(4 * k), nn.ReLU(), conv(4 * k, k, 3, 1, 1, bias=False)))
            channels += k
        layers += [norm(channels), nn.ReLU()]
        if count != 16:
            layers += [conv(channels, channels // 2, 1, bias=False), MEAN[axes](2)]
            channels //= 2
    mean = {1: nn.AdaptiveAvgPool1d, 2: nn.AdaptiveAvgPool2d}[axes](1)
    return nn.Sequential(*layers, mean, nn.Flatten(), nn.Linear(channels, 10))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    ("make", "plain", "shape", "width"),
    [
        (VGG, plain_vgg16, (3, 32, 32), 3),
        (VGG, plain_vgg16, (2, 40), 3),
        (VGG, plain_vgg16, (1, 40, 36), 2),
        (DenseNet, plain_densenet121, (3, 32, 32), 2),
        (DenseNet, plain_densenet121, (2, 40), 3),
        (DenseNet, plain_densenet121, (1, 8, 24), 2),
    ],
)
def test_equal_those_of_plain_modules(make, plain, shape, width, training):
    torch.manual_seed(5)
    ours, theirs = make(shape, 10, width=width).double(), plain(shape, width).double()
    give_same_numbers(ours, theirs)
    inputs = torch.randn(6, *shape, dtype=torch.float64)
    found, expected = results(ours, inputs, training), results(theirs, inputs, training)
    torch.testing.assert_close(found[0], expected[0], rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(found[1], expected[1], rtol=1e-8, atol=1e-8)


def test_vgg_takes_the_maximum_of_what_four_halvings_leave():
    model, inputs = VGG((1, 70), 10, 11, 2).double().eval(), torch.randn(3, 1, 70, dtype=torch.float64)
    state = inputs
    for layer in list(model)[:-2]:
        state = layer(state)
    assert state.shape == (3, 16, 4)
    torch.testing.assert_close(model(inputs), model[-1](state.amax(2)))


def test_parameter_counts():
    with torch.device("meta"):
        # pytorch-cifar's VGG16; without its head as large as torchvision's vgg16_bn without its own.
        assert size(VGG((3, 32, 32), 10)) == 14_728_266
        assert size(VGG((3, 32, 32), 10)) - 5130 == 138_365_992 - 123_642_856
        # torchvision's densenet121, with ten classes and a kernel of 3 in place of 7.
        assert size(DenseNet((3, 32, 32), 10)) == 7_978_856 - 1025 * 990 - 64 * 3 * (49 - 9)
        assert size(DenseNet((3, 32, 32), 10, 169)) == 14_149_480 - 1665 * 990 - 64 * 3 * (49 - 9)
        assert size(DenseNet((3, 32, 32), 10, 201)) == 20_013_928 - 1921 * 990 - 64 * 3 * (49 - 9)
        # torchvision's vit_b_16 and vit_l_32.
        assert size(ViT((3, 224, 224), 1000, 16, 768, 12, 12)) == 86_567_656
        assert size(ViT((3, 224, 224), 1000, 32, 1024, 24, 16)) == 306_535_400


@pytest.mark.parametrize("k", [1, 3, 64])
@pytest.mark.parametrize(("shape", "classes"), [((3, 32, 32), 10), ((1, 40), 7)])
def test_parameter_counts_in_closed_form(shape, classes, k):
    positions, channels, axes = 3 ** (len(shape) - 1), shape[0], len(shape) - 1
    with torch.device("meta"):
        expected = 399 * positions * k**2 + (positions * channels + 198 + 8 * classes) * k + classes
        assert size(VGG(shape, classes, width=k)) == expected
        number = (shape[-1] // 4) ** axes
        for pooling, tokens in (("class", 1), ("mean", 0)):
            per_width = channels * 4**axes + number + tokens + 13 * 5 + 3 + tokens + classes
            expected = 12 * 5 * (2 * k) ** 2 + per_width * 2 * k + classes
            assert size(ViT(shape, classes, 4, 2 * k, 5, 2, pooling)) == expected


class PlainViT(nn.Module):
    """A strided convolution embeds the patches; torch's own encoder does the rest."""

    def __init__(self, shape, patch, width, layers, heads, pooling):
        super().__init__()
        self.patches = CONV[len(shape) - 1](shape[0], width, patch, patch)
        rows = torch.Size(length // patch for length in shape[1:]).numel()
        self.token = nn.Parameter(torch.empty(1, 1, width)) if pooling == "class" else None
        self.positions = nn.Parameter(torch.empty(1, rows + (pooling == "class"), width))
        layer = nn.TransformerEncoderLayer(width, heads, 4 * width, 0.0, "gelu", batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, layers, nn.LayerNorm(width), enable_nested_tensor=False)
        self.head = nn.Linear(width, 10)

    def forward(self, inputs):
        state = self.patches(inputs).flatten(2).transpose(1, 2)
        if self.token is not None:
            state = torch.cat([self.token.repeat(len(inputs), 1, 1), state], 1)
        state = self.encoder(state + self.positions)
        return self.head(state[:, 0] if self.token is not None else state.mean(1))

    def take(self, ours):
        """The weights of our network, by name."""

        def copy(mine, yours):
            mine.data.copy_(yours.view_as(mine))

        copy(self.patches.weight, ours.embedding.weight)
        copy(self.patches.bias, ours.embedding.bias)
        copy(self.positions, ours.positions)
        if self.token is not None:
            copy(self.token, ours.token)
        for index, layer in enumerate(self.encoder.layers):
            attention, feedforward = ours.residuals[2 * index], ours.residuals[2 * index + 1]
            parts = [attention.branch.query, attention.branch.key, attention.branch.value]
            copy(layer.self_attn.in_proj_weight, torch.cat([part.weight for part in parts]))
            copy(layer.self_attn.in_proj_bias, torch.cat([part.bias for part in parts]))
            layer.self_attn.out_proj.load_state_dict(attention.branch.output.state_dict())
            layer.linear1.load_state_dict(feedforward.branch[0].state_dict())
            layer.linear2.load_state_dict(feedforward.branch[2].state_dict())
            layer.norm1.load_state_dict(attention.norm.state_dict())
            layer.norm2.load_state_dict(feedforward.norm.state_dict())
        self.encoder.norm.load_state_dict(ours.norm.state_dict())
        self.head.load_state_dict(ours.output.state_dict())


@pytest.mark.parametrize("pooling", ["class", "mean"])
@pytest.mark.parametrize(("shape", "patch"), [((3, 8, 12), 4), ((2, 6, 6), 2), ((1, 40), 4), ((3, 12), 1), ((1, 5), 5)])
def test_the_vision_transformer_equals_that_of_plain_modules(shape, patch, pooling):
    torch.manual_seed(3)
    ours = ViT(shape, 10, patch, 6, 3, 2, pooling).double()
    for param in ours.parameters():
        nn.init.normal_(param, std=0.5)
    theirs = PlainViT(shape, patch, 6, 3, 2, pooling).double()
    theirs.take(ours)
    inputs = torch.randn(5, *shape, dtype=torch.float64)
    # With gradients on, torch's encoder takes its plain path.
    torch.testing.assert_close(ours(inputs), theirs(inputs), rtol=0, atol=1e-11)


def test_patches_are_pieces_of_the_input():
    series, image = torch.arange(24).view(1, 2, 12), torch.arange(48).view(1, 2, 4, 6)
    assert torch.equal(patches(series, 3)[0, 2], series[0, :, 6:9].flatten())
    assert torch.equal(patches(image, 2)[0, 4], image[0, :, 2:4, 2:4].flatten())
    assert patches(image, 2).shape == (1, 6, 8)


def test_the_vision_transformer_begins_as_it_says():
    torch.manual_seed(0)
    model = ViT((3, 32, 32), 10, 2, 64)
    assert torch.equal(model.token, torch.zeros(1, 64))
    assert float(model.positions.detach().std()) == pytest.approx(0.02, rel=0.03)
    assert all(bool((module.weight == 1).all()) for module in model.modules() if isinstance(module, nn.LayerNorm))


@pytest.mark.parametrize("pooling", ["class", "mean"])
def test_samples_of_a_block_do_not_see_each_other(pooling):
    model = ViT((1, 12), 5, 3, 8, 2, 2, pooling).double()
    inputs = samples(7).inputs
    alone = torch.cat([model(inputs[index : index + 1]) for index in range(7)])
    torch.testing.assert_close(model(inputs), alone, rtol=0, atol=1e-12)
    with torch.no_grad():
        model.positions.normal_()
    assert not torch.allclose(model(inputs), model(inputs.flip(2)))


def test_a_patch_is_checked_without_data_and_with_it():
    """Which patches fit depends on the data; 5 divides MNIST-1D's 40 positions and no image's 32."""
    for patch in (1, 5, 7, 13):
        check(compose(["model=vit", f"model.patch={patch}"]))
    with pytest.raises(ValueError, match=r"model\.patch = 0 must be a positive integer"):
        check(compose(["model=vit", "model.patch=0"]))
    small = ["data.source.train=20", "data.source.test=10", "regime.block_size=10"]
    with pytest.raises(ValueError, match=r"model\.patch = 7 must divide the 40 positions"):
        build(compose([*small, "model=vit", "model.patch=7"]))


@pytest.mark.parametrize("regime", ["sgd", "full_batch"])
def test_a_vision_transformer_learns_mnist1d(regime):
    words = ["data.source.train=60", "data.source.test=20", "model=vit", "model.width=16", "model.layers=2"]
    words += [f"regime={regime}", "regime.block_size=20", "optimizer=adam", "optimizer.lr=0.003", "impl.threads=1"]
    rows = []
    experiment = build(compose([*words, "budget.passes=12", "schedule=constant", "impl.blocks_per_call=1"])).experiment
    train(experiment, Progress(), lambda row, _: rows.append(row["loss"]))
    assert rows[-1] < rows[0] - 0.1


@pytest.mark.parametrize("blocks_per_call", [1, 4])
def test_blocks_of_a_batch_normalised_network_are_normalised_apart(blocks_per_call):
    """The mean of blocks' gradients, by autograd block by block: not the gradient of all samples as one."""
    torch.manual_seed(0)
    model, blocks = DenseNet((1, 12), 5, 21, 2).double(), source().step(0)
    expected = [torch.zeros_like(param) for param in model.parameters()]
    for stack in blocks.stacks(1):
        loss = nn.functional.cross_entropy(model(stack.inputs[0]), stack.targets[0])
        for total, part in zip(expected, torch.autograd.grad(loss, list(model.parameters())), strict=True):
            total += stack.targets.shape[1] / 23 * part
    found = MeanGradient(objective(model), (), blocks_per_call)(parameters(model), blocks, 0.1).gradient
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-10)
    assert len(ordered(model)) == len(found)
