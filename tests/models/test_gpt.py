"""The GPT: against an explicit one, its masks, its size and initialisation, its weight decay, its refusals."""

import math

import pytest
import torch
import torch.nn as nn
from problems import parameters
from sequences import LENGTH, VOCABULARY, objective, problem, source

from fbgd.config.build import build_optimizer, check
from fbgd.config.compose import compose
from fbgd.data import Samples
from fbgd.engine.gradient import MeanGradient
from fbgd.models import GPT
from regularizers import GradientPenalty


def gpt(**options):
    """A small model in float64 whose norms are no longer ones, and random tokens."""
    torch.manual_seed(0)
    model = GPT((LENGTH,), VOCABULARY, **{"width": 8, "layers": 2, "heads": 2, **options}).double()
    with torch.no_grad():
        for param in model.parameters():
            param.add_(torch.randn_like(param), alpha=0.3)
    generator = torch.Generator().manual_seed(1)
    return model, torch.randint(VOCABULARY, (11, LENGTH), generator=generator)


def layer_norm(state, scale):
    """One vector's norm, entry by entry."""
    mean = sum(state) / len(state)
    variance = sum((entry - mean) ** 2 for entry in state) / len(state)
    return torch.stack(
        [(entry - mean) / (variance + 1e-5).sqrt() * weight for entry, weight in zip(state, scale, strict=True)]
    )


def gelu(value):
    """GPT-2's approximation."""
    return 0.5 * value * (1 + torch.tanh(math.sqrt(2 / math.pi) * (value + 0.044715 * value**3)))


def naive_logits(model, tokens, heads):
    """One sequence, position by position and head by head."""
    state = [model.embedding[token] + model.positions[place] for place, token in enumerate(tokens)]
    for attention, feedforward in zip(model.residuals[::2], model.residuals[1::2], strict=True):
        normed, branch = [layer_norm(one, attention.norm.weight) for one in state], attention.branch
        parts = [[layer.weight @ one for one in normed] for layer in (branch.query, branch.key, branch.value)]
        size = len(parts[0][0]) // heads
        mixed = []
        for place in range(len(tokens)):
            found = []
            for head in range(heads):
                own = slice(head * size, (head + 1) * size)
                query, keys, values = parts[0][place][own], parts[1][: place + 1], parts[2][: place + 1]
                scores = [(query @ key[own] / math.sqrt(size)).exp() for key in keys]
                found.append(sum(s * value[own] for s, value in zip(scores, values, strict=True)) / sum(scores))
            mixed.append(branch.output.weight @ torch.cat(found))
        state = [one + more for one, more in zip(state, mixed, strict=True)]
        inner, outer = feedforward.branch[0].weight, feedforward.branch[2].weight
        state = [one + outer @ gelu(inner @ layer_norm(one, feedforward.norm.weight)) for one in state]
    return torch.stack([model.embedding @ layer_norm(one, model.norm.weight) for one in state])


def test_is_the_explicit_one():
    model, tokens = gpt()
    expected = torch.stack([naive_logits(model, sequence, heads=2) for sequence in tokens[:3].tolist()])
    torch.testing.assert_close(model(tokens[:3]), expected, rtol=0, atol=1e-10)


def test_no_logits_before_a_changed_token_change():
    model, tokens = gpt()
    before = model(tokens)
    for place in range(LENGTH):
        changed = tokens.clone()
        changed[:, place] = (changed[:, place] + 1) % VOCABULARY
        after = model(changed)
        assert torch.equal(before[:, :place], after[:, :place])
        assert (before[:, place:] != after[:, place:]).any(-1).all()


def test_shorter_windows_and_fewer_tokens_than_there_is_room_for():
    model, tokens = gpt()
    roomy, _ = gpt(length=LENGTH + 3, vocabulary=VOCABULARY + 4)
    with torch.no_grad():
        for name, param in model.named_parameters():
            held = roomy.get_parameter(name)
            held[: len(param)] = param
    torch.testing.assert_close(model(tokens), roomy(tokens), rtol=0, atol=1e-12)
    torch.testing.assert_close(model(tokens)[:, :2], model(tokens[:, :2]), rtol=0, atol=1e-12)


def test_parameters_of_the_published_size():
    config = compose(["model=gpt2_124m"])
    options = {name: value for name, value in config.model.items() if name != "_target_"}
    with torch.device("meta"):
        model = GPT((1024,), 50257, **options)
    # Embeddings 50257 * 768 and positions 1024 * 768: 39383808. A layer: query, key, value and output 4 * 768^2, the
    # feed-forward network 8 * 768^2, two norms 2 * 768: 7079424, twelve of them 84953088. The last norm: 768.
    assert sum(param.numel() for param in model.parameters()) == 39383808 + 84953088 + 768 == 124337664


def test_initialisation():
    torch.manual_seed(0)
    model = GPT((64,), 1000, width=64, layers=8)
    ends = [f"residuals.{index}.branch.{'2' if index % 2 else 'output'}.weight" for index in range(16)]
    for name, param in model.named_parameters():
        if param.dim() == 1:
            assert bool((param == 1).all()), name
        else:
            # Five standard errors of a deviation from n draws: 5 / sqrt(2 n), with n at least 4096.
            expected = 0.02 / 4 if name in ends else 0.02
            assert float(param.detach().std()) == pytest.approx(expected, rel=0.06), name
    assert {name for name, _ in model.named_parameters()} > set(ends)


def test_weight_decay_takes_matrices_and_embeddings_alone():
    model, _ = gpt()
    words = ["optimizer=adamw", "optimizer.weight_decay=0.1", "optimizer.weight_decay_of=matrices"]
    optimizer = build_optimizer(compose(words), list(model.parameters()))
    decayed = {param for group in optimizer.param_groups if group["weight_decay"] for param in group["params"]}
    norms = {module.weight for module in model.modules() if isinstance(module, nn.LayerNorm)}
    linear = {module.weight for module in model.modules() if isinstance(module, nn.Linear)}
    assert decayed == linear | {model.embedding, model.positions}
    assert set(model.parameters()) == decayed | norms
    assert (len(norms), len(linear)) == (5, 12)


@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize("penalties", [(), (GradientPenalty(strength=0.5, method="exact"),)])
def test_every_vectorisation_has_the_gradient_of_plain_autograd(dropout, penalties):
    model, tokens = gpt(dropout=dropout)
    samples = Samples(tokens, tokens.roll(1, 0))
    step = source(samples).step(0)
    one, many = (
        MeanGradient(objective(model, samples), penalties, count)(parameters(model), step, 0.1) for count in (1, 3)
    )
    torch.testing.assert_close(one.gradient, many.gradient, rtol=0, atol=1e-12)
    if not dropout and not penalties:
        loss = nn.functional.cross_entropy(model(tokens).flatten(0, 1), samples.targets.flatten())
        expected = list(torch.autograd.grad(loss, list(model.parameters())))
        torch.testing.assert_close(one.gradient, expected, rtol=0, atol=1e-12)


def test_dropout_drops():
    model, tokens = gpt(dropout=0.4)
    plain, _ = gpt()
    assert not torch.allclose(model(tokens), plain(tokens))
    assert torch.equal(model.eval()(tokens), plain(tokens))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 10}, "model.width = 10 must be a multiple of model.heads = 4"),
        ({"layers": 0}, "model.layers = 0"),
        ({"length": 0}, "model.length = 0"),
        ({"length": 7}, "model.length = 7 is less than the data's windows of 8 tokens"),
        ({"vocabulary": 9}, "model.vocabulary = 9 is less than the data's 10 tokens"),
        ({"vocabulary": 0}, "model.vocabulary = 0"),
        ({"dropout": 1.0}, "model.dropout = 1.0"),
        ({"input_shape": (2, 8)}, r"input_shape = \(2, 8\) must be \(L,\)"),
    ],
)
def test_invalid_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        GPT(**{"input_shape": (8,), "classes": 10, **options})


@pytest.mark.parametrize("model", ["gpt", "gpt2_124m"])
def test_options_are_checked_without_data(model):
    check(compose(["data=catalogues", f"model={model}"]))
    with pytest.raises(ValueError, match=r"model\.width = 20"):
        check(compose(["data=catalogues", f"model={model}", "model.width=20", "model.heads=8"]))


def test_pairs_are_for_the_other_transformer():
    _, samples = problem("translation")
    with pytest.raises(ValueError, match="model=transformer takes pairs"):
        GPT(tuple(samples.inputs.shape[1:]), VOCABULARY)
