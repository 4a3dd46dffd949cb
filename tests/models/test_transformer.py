"""The Transformer: against PyTorch's own, its masks, its size, its refusals."""

import math

import pytest
import torch
import torch.nn as nn
from sequences import LENGTH, VOCABULARY, problem

from fbgd.models import Transformer
from fbgd.models.transformer import sinusoids


def copied_attention(attention, own):
    with torch.no_grad():
        parts = (own.query, own.key, own.value)
        attention.in_proj_weight.copy_(torch.cat([part.weight for part in parts]))
        attention.in_proj_bias.copy_(torch.cat([part.bias for part in parts]))
    attention.out_proj.load_state_dict(own.output.state_dict())


def copied_layer(layer, own):
    residuals = [own.attention, *([own.crossing] if own.crossing is not None else []), own.feedforward]
    copied_attention(layer.self_attn, own.attention.branch)
    if own.crossing is not None:
        copied_attention(layer.multihead_attn, own.crossing.branch)
    for index, residual in enumerate(residuals, start=1):
        getattr(layer, f"norm{index}").load_state_dict(residual.norm.state_dict())
    layer.linear1.load_state_dict(own.feedforward.branch[0].state_dict())
    layer.linear2.load_state_dict(own.feedforward.branch[2].state_dict())


def twin(model, width, heads, layers, pre):
    """PyTorch's Transformer with the same weights."""
    options = {"dim_feedforward": 4 * width, "dropout": 0.0, "batch_first": True, "norm_first": pre}

    def final():
        return nn.LayerNorm(width) if pre else None

    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(width, heads, **options), layers, final(), False)
    decoder = nn.TransformerDecoder(nn.TransformerDecoderLayer(width, heads, **options), layers, final())
    other = nn.Transformer(width, heads, custom_encoder=encoder, custom_decoder=decoder, batch_first=True).double()
    # Only now: it initialises its parts anew.
    for stack, own, norm in (
        (encoder, model.encoder, model.encoder_norm),
        (decoder, model.decoder, model.decoder_norm),
    ):
        for layer, mine in zip(stack.layers, own, strict=True):
            copied_layer(layer, mine)
        if pre:
            stack.norm.load_state_dict(norm.state_dict())
    return other


def randomised(model):
    """Norms and biases other than ones and zeros, so that every parameter counts."""
    with torch.no_grad():
        for param in model.parameters():
            param.add_(torch.randn_like(param), alpha=0.2)
    return model


@pytest.mark.parametrize("norm", ["post", "pre"])
def test_is_pytorch_s_transformer(norm):
    model, samples = problem("translation", layers=2, norm=norm)
    other = twin(randomised(model), 8, 2, 2, norm == "pre")
    source, target = samples.inputs.unbind(1)
    positions = torch.tensor(
        [[(math.cos if k % 2 else math.sin)(t / 10000 ** ((k - k % 2) / 8)) for k in range(8)] for t in range(LENGTH)],
        dtype=torch.float64,
    )
    embedded = [model.embedding[tokens] * 8**0.5 + positions for tokens in (source, target)]
    states = other(
        *embedded,
        tgt_mask=torch.ones(LENGTH, LENGTH, dtype=torch.bool).triu(1),
        src_key_padding_mask=source == 0,
        tgt_key_padding_mask=target == 0,
        memory_key_padding_mask=source == 0,
    )
    predicted = samples.targets >= 0
    expected = (states @ model.embedding.T)[predicted]
    torch.testing.assert_close(model(samples.inputs)[predicted], expected, rtol=0, atol=1e-11)


@pytest.mark.parametrize("norm", ["post", "pre"])
class TestMasks:
    def logits(self, norm, inputs):
        model, _ = problem("translation", layers=2, norm=norm)
        return randomised(model)(inputs).detach()

    def test_the_future_changes_nothing_before(self, norm):
        _, samples = problem("translation")
        for position in range(1, LENGTH):
            changed = samples.inputs.clone()
            changed[:, 1, position:] = (changed[:, 1, position:] + 3) % VOCABULARY
            before, after = (self.logits(norm, inputs) for inputs in (samples.inputs, changed))
            assert torch.equal(before[:, :position], after[:, :position])
            assert not torch.allclose(before[:, position], after[:, position])

    def test_padding_changes_nothing(self, norm):
        """Sequences alone, cut where they end, have the logits that they have among longer ones."""
        _, samples = problem("translation")
        together = self.logits(norm, samples.inputs)
        for pair, logits in zip(samples.inputs, together, strict=True):
            longest = int((pair != 0).sum(-1).max())
            length = int((pair[1] != 0).sum())
            torch.manual_seed(0)
            alone = Transformer((2, longest), VOCABULARY, width=8, layers=2, heads=2, norm=norm).double()
            cut = randomised(alone)(pair[None, :, :longest])[0].detach()
            torch.testing.assert_close(cut[:length], logits[:length], rtol=0, atol=1e-12)

    def test_every_source_token_counts(self, norm):
        _, samples = problem("translation")
        pair = samples.inputs[(samples.inputs[:, 0] != 0).all(-1)][:1]
        before = self.logits(norm, pair)
        for position in range(LENGTH):
            changed = pair.clone()
            changed[:, 0, position] = changed[:, 0, position] % (VOCABULARY - 1) + 1
            assert not torch.allclose(before, self.logits(norm, changed))


@pytest.mark.parametrize("norm", ["post", "pre"])
@pytest.mark.parametrize(("width", "layers", "heads"), [(8, 1, 2), (16, 3, 8), (512, 6, 8)])
def test_parameter_count(norm, width, layers, heads):
    with torch.device("meta"):
        model = Transformer((2, 5), 100, width=width, layers=layers, heads=heads, norm=norm)
    attention, feedforward, layer_norm = 4 * (width**2 + width), 8 * width**2 + 5 * width, 2 * width
    encoder = attention + feedforward + 2 * layer_norm
    decoder = 2 * attention + feedforward + 3 * layer_norm
    expected = 100 * width + layers * (encoder + decoder) + (2 * layer_norm if norm == "pre" else 0)
    assert sum(param.numel() for param in model.parameters()) == expected


def test_vmap_over_blocks_equals_single_blocks():
    model, samples = problem("translation", count=12, layers=2)
    blocks = samples.inputs.unflatten(0, (3, 4))
    params = dict(model.named_parameters())

    def logits(inputs):
        return torch.func.functional_call(model, params, (inputs,))

    together = torch.func.vmap(logits)(blocks)
    for block, result in zip(blocks, together, strict=True):
        torch.testing.assert_close(logits(block), result, rtol=0, atol=1e-12)


def test_logits_begin_at_the_scale_of_one():
    """Embeddings have variance 1/d, and states after a norm have length sqrt(d)."""
    torch.manual_seed(0)
    model = Transformer((2, 20), 500, width=64, layers=2)
    logits = model(torch.randint(1, 500, (8, 2, 20))).detach()
    assert 0.8 < float(logits.std()) < 1.3
    assert sinusoids(20, 64).square().sum(-1).allclose(torch.full((20,), 32.0).double())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 12}, "model.width = 12 must be even and a multiple of model.heads = 8"),
        ({"width": 5, "heads": 5}, "model.width = 5 must be even"),
        ({"heads": 0}, "model.heads = 0"),
        ({"layers": 0}, "model.layers = 0"),
        ({"norm": "batch"}, "model.norm = 'batch'"),
        ({"dropout": 1.0}, "model.dropout = 1.0"),
        ({"input_shape": (1, 40)}, r"input_shape = \(1, 40\)"),
    ],
)
def test_invalid_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        Transformer(**{"input_shape": (2, 8), "classes": 10, **options})
