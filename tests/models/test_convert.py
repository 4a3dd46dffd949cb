"""Networks of torch's own layers: batch norm against torch's, dropout however blocks are evaluated, refusals."""

import copy
import sys
from types import SimpleNamespace

import pytest
import torch
import torch.nn as nn
import torch.nn.functional as F
from directories import Stopped, assert_same, numbers, stop_after
from own_models import SMALL, trained
from problems import CLASSES, objective, parameters, samples, source
from reference import flat

from fbgd.config.build import build, check
from fbgd.config.compose import compose
from fbgd.engine.evaluate import population_statistics
from fbgd.engine.gradient import MeanGradient
from fbgd.models import BatchNorm
from fbgd.models.convert import convert
from fbgd.models.torch_layers import HashedDropout, key_names
from fbgd.runs.attempt import execute
from fbgd.seeds import block_key

EVERY = [(regime, count) for regime in ("sgd", "full_batch") for count in (1, 3, "auto")]


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    monkeypatch.setitem(sys.modules, "test_convert", sys.modules[__name__])


def cnn(input_shape, classes, norm=nn.BatchNorm1d, dropout=0.0, **options):
    """A small network of torch's own layers."""
    return nn.Sequential(
        nn.Conv1d(input_shape[0], 4, 3, padding=1, bias=False),
        norm(4, **options),
        nn.ReLU(inplace=norm is nn.BatchNorm1d),
        nn.Dropout(dropout),
        nn.Conv1d(4, 6, 3, stride=2, bias=False),
        norm(6, **options),
        nn.ReLU(),
        nn.AdaptiveAvgPool1d(1),
        nn.Flatten(),
        nn.Linear(6, classes),
    )


def made(**options):
    """That network in float64, with affine parameters that are not those of the beginning."""
    torch.manual_seed(3)
    model = cnn((1, 12), CLASSES, **options).double()
    torch.manual_seed(4)
    for param in model.parameters():
        if param.dim() == 1:
            nn.init.normal_(param, 0.5)
    return model


class TestBatchNorm:
    @pytest.mark.parametrize("blocks_per_call", [1, 2, 100])
    @pytest.mark.parametrize("eps", [1e-5, 0.1])
    def test_it_is_that_of_this_package(self, blocks_per_call, eps):
        theirs, ours = convert(made(eps=eps)), made(norm=BatchNorm, eps=eps)
        assert [name for name, _ in theirs.named_parameters()] == [name for name, _ in ours.named_parameters()]
        assert all(map(torch.equal, theirs.parameters(), ours.parameters()))
        step = source().step(0)
        found, expected = (
            MeanGradient(objective(model), (), blocks_per_call)(parameters(model), step, 0.1).gradient
            for model in (theirs, ours)
        )
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
        for model in (theirs, ours):
            population_statistics(model, source().whole_pass(0))
        data = samples(23)
        torch.testing.assert_close(theirs.eval()(data.inputs), ours.eval()(data.inputs), rtol=0, atol=1e-12)

    @pytest.mark.parametrize("options", [{}, {"affine": False}, {"track_running_stats": False}, {"momentum": None}])
    @pytest.mark.parametrize("blocks_per_call", [1, 2, 100])
    def test_full_batch_is_a_loop_over_blocks_with_that_of_torch(self, blocks_per_call, options):
        plain = made(**options)
        model, blocks = convert(copy.deepcopy(plain)), source()
        expected = torch.zeros_like(flat(plain.parameters()))
        for indices in blocks.order.blocks(0):
            loss = F.cross_entropy(
                plain.train()(blocks.data.samples.inputs[indices]), blocks.data.samples.targets[indices]
            )
            expected += len(indices) / 23 * flat(torch.autograd.grad(loss, list(plain.parameters())))
        before = copy.deepcopy(model.state_dict())
        result = MeanGradient(objective(model), (), blocks_per_call)(parameters(model), blocks.step(0), 0.1)
        torch.testing.assert_close(flat(result.gradient), expected, rtol=0, atol=1e-12)
        assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())

    @pytest.mark.parametrize("options", [{}, {"affine": False}, {"track_running_stats": False}])
    def test_evaluation_normalises_by_the_population(self, options):
        """With one block of everything, both modes normalise with the same numbers."""
        model, data = convert(made(**options)), samples(23)
        expected = model.train()(data.inputs).detach()
        population_statistics(model, source(block_size=23).whole_pass(0))
        torch.testing.assert_close(model.eval()(data.inputs).detach(), expected, rtol=0, atol=1e-10)

    def test_a_norm_that_is_called_twice_has_the_moments_of_both_calls(self):
        norm = nn.BatchNorm1d(1).double()
        model = convert(nn.Sequential(norm, Doubled(), norm, nn.Flatten(), nn.Linear(12, CLASSES)).double())
        blocks = source(block_size=23)
        population_statistics(model, blocks.whole_pass(0))
        first = blocks.data.samples.inputs
        second = 2 * norm.train()(first).detach()
        both = torch.cat([first, second])
        torch.testing.assert_close(norm.running_mean, both.mean((0, 2)), rtol=0, atol=1e-12)
        # The mean over calls of E[x^2] is that of all values, as both calls have equally many.
        torch.testing.assert_close(norm.running_var, both.var((0, 2), correction=0), rtol=0, atol=1e-12)

    def test_images_of_two_and_three_axes(self):
        for norm, shape in ((nn.BatchNorm2d, (6, 3, 4, 5)), (nn.BatchNorm3d, (6, 3, 2, 4, 5))):
            model = nn.Sequential(norm(3), nn.Flatten()).double()
            plain, inputs = copy.deepcopy(model), torch.randn(shape, dtype=torch.float64)
            torch.testing.assert_close(convert(model)(inputs), plain(inputs), rtol=0, atol=1e-12)
            assert torch.equal(model[0].running_mean, torch.zeros(3).double())


class Doubled(nn.Module):
    def forward(self, inputs):
        return 2 * inputs


class Reused(nn.Module):
    """One dropout layer for two places, as many a network has it; and its outputs as an object."""

    def __init__(self, input_shape, classes, p: float = 0.5):
        super().__init__()
        self.first, self.second = nn.Linear(input_shape[-1], 16), nn.Linear(16, classes)
        self.drop = nn.Dropout(p)

    def forward(self, inputs):
        hidden = self.drop(torch.tanh(self.first(inputs.flatten(1))))
        hidden = self.drop(hidden)
        return SimpleNamespace(logits=self.second(hidden))


class Functional(nn.Module):
    """Dropout by a function, which no layer shows; and its outputs first of a tuple."""

    def __init__(self, input_shape, classes):
        super().__init__()
        self.first, self.second = nn.Linear(input_shape[-1], 8), nn.Linear(8, classes)

    def forward(self, inputs):
        hidden = F.dropout(torch.tanh(self.first(inputs.flatten(1))), 0.5, self.training)
        return self.second(hidden), hidden


class TestDropout:
    @pytest.mark.parametrize("p", [0.2, 0.75])
    @pytest.mark.parametrize(
        ("layer", "shape", "mask"),
        [
            (nn.Dropout, (500, 40), (500, 40)),
            (nn.Dropout1d, (50, 400, 7), (50, 400, 1)),
            (nn.Dropout2d, (50, 400, 3, 2), (50, 400, 1, 1)),
            (nn.Dropout3d, (50, 400, 2, 2, 2), (50, 400, 1, 1, 1)),
        ],
    )
    def test_it_drops_what_torch_s_drops(self, layer, shape, mask, p):
        model = nn.Sequential(nn.Linear(shape[-1], shape[-1]), layer(p))
        convert(model)
        dropout, inputs = model[1], torch.ones(shape, dtype=torch.float64)
        dropout.key.fill_(block_key(0, 0, 0))
        outputs = dropout(inputs)
        assert set(outputs.unique().tolist()) == {0.0, 1 / (1 - p)}
        dropped = (outputs == 0).double()
        # Twenty thousand draws: five standard errors of a share are below 0.018.
        assert dropped.mean() == pytest.approx(p, abs=0.018)
        whole = dropped.amax([axis for axis, size in enumerate(mask) if size == 1 and shape[axis] > 1] or [0], True)
        if mask != shape:
            assert torch.equal(whole.expand(shape), dropped)
        assert torch.equal(dropout.eval()(inputs), inputs)

    @pytest.mark.parametrize("layer", [nn.Dropout1d, nn.Dropout2d, nn.Dropout3d])
    @pytest.mark.parametrize("dims", [2, 3, 4, 5])
    def test_masks_have_the_shape_of_torch_s(self, layer, dims):
        """By what torch drops of ones: which axes a whole channel spans."""
        axes = {nn.Dropout1d: 1, nn.Dropout2d: 2, nn.Dropout3d: 3}[layer]
        inputs = torch.ones([6, 7, 5, 4, 3][:dims])
        try:
            theirs = layer(0.5).train()(inputs)
        except RuntimeError:
            pytest.skip("torch takes no such inputs")
        except UserWarning:
            pytest.skip("torch advises against such inputs")
        shape = HashedDropout(0.5, axes).mask_shape(tuple(inputs.shape))
        spanned = tuple(axis for axis, size in enumerate(shape) if size == 1)
        if spanned:
            assert torch.equal(theirs.amax(spanned, True).expand_as(theirs), theirs)
        kept = tuple(axis for axis in range(dims) if axis not in spanned)
        for axis in kept:
            assert not torch.equal(theirs.amax(axis, True).expand_as(theirs), theirs)

    @pytest.mark.parametrize("target", ["cnn", "Reused", "Functional"])
    @pytest.mark.parametrize("regime", ["sgd", "full_batch"])
    def test_every_number_of_blocks_a_call_drops_the_same(self, target, regime):
        words = [f"model._target_=test_convert.{target}", *(["model.dropout=0.4"] if target == "cnn" else [])]
        rows, expected, _ = trained(words, regime, 1)
        assert rows[-1]["loss"] < 3
        for count in (3, "auto"):
            _, weights, facts = trained(words, regime, count)
            torch.testing.assert_close(flat(weights), flat(expected), rtol=0, atol=1e-9)
            if target == "Functional":
                assert facts.summary()["block_by_block"] == "it draws random numbers by functions"
                assert (facts.blocks_per_call, facts.summary()["seeded_draws"]) == (1, True)
            else:
                assert "block_by_block" not in facts.summary()
                assert facts.summary()["hashed_dropouts"] == 1
                assert facts.blocks_per_call == (3 if count == 3 else facts.blocks_per_call)

    def test_seeds_and_passes_drop_otherwise(self):
        def loss(seed, step):
            experiment = build(compose([*SMALL, "model._target_=test_convert.Functional", f"seed={seed}"])).experiment
            model = build(compose([*SMALL, "model._target_=test_convert.Functional"])).experiment.model
            state = torch.random.get_rng_state()
            blocks = experiment.source.step(step)
            mean = float(MeanGradient(objective(model))(parameters(model), blocks, 0.1).loss)
            # What the optimizer draws from stays where it was.
            assert torch.equal(torch.random.get_rng_state(), state)
            return mean

        assert len({loss(0, 0), loss(0, 6), loss(1, 0)}) == 3
        assert loss(0, 0) == loss(0, 0)

    def test_two_calls_of_one_layer_have_masks_of_their_own(self):
        """If both dropped the same units, the second would drop nothing more."""
        model = convert(Reused((1, 12), CLASSES).double())
        shares = []
        model.second.register_forward_pre_hook(lambda _, arguments: shares.append((arguments[0] != 0).double().mean()))
        data = samples(200)
        for _ in range(2):
            objective(model)(parameters(model), data.inputs, data.targets, torch.tensor(block_key(0, 0, 0)))
        # 3200 units: five standard errors are 0.04. A second pass counts its calls anew.
        assert float(shares[0]) == pytest.approx(0.25, abs=0.04)
        assert shares[0] == shares[1]

    def test_a_layer_with_two_names_stays_one(self):
        model = nn.Sequential(nn.Linear(3, 3))
        model.one = model.two = nn.Dropout(0.5)
        convert(model)
        assert model.one is model.two
        assert key_names(model) == ["one.key"]

    @pytest.mark.parametrize("target", ["Functional", "Reused"])
    def test_a_resumed_run_is_the_same_run(self, target, tmp_path):
        words = [*SMALL, f"model._target_=test_convert.{target}", "impl.checkpoint_seconds=0", "budget.passes=3"]
        straight = execute(compose(words), tmp_path / "straight")
        assert straight["status"] == "done"
        with pytest.raises(Stopped):
            execute(compose(words), tmp_path / "cut", on_row=stop_after(2))
        execute(compose(words), tmp_path / "cut")
        assert_same(numbers(tmp_path / "cut"), numbers(tmp_path / "straight"))


@pytest.mark.parametrize(("regime", "count"), EVERY)
def test_batch_norm_and_dropout_train_in_either_regime(regime, count):
    words = ["model._target_=test_convert.cnn", "model.dropout=0.2", "budget.passes=20", "optimizer.lr=0.2"]
    rows, _, facts = trained(words, regime, count)
    assert rows[-1]["loss"] < 0.95 * rows[0]["loss"]
    assert facts.summary()["block_batch_norms"] == 2
    assert 0 < rows[-1]["test_loss"] < 10


def test_a_study_is_planned_without_trying_the_model_on_other_samples():
    """Where there are no data yet nobody knows the shape of a sample."""
    check(compose([*SMALL, "model._target_=test_convert.cnn"]))


def test_models_of_this_package_stay_as_they_are():
    built = build(compose([*SMALL, "model=cnn", "model.dropout=0.1"]))
    assert not {"block_batch_norms", "hashed_dropouts", "seeded_draws", "block_by_block"} & set(built.facts.summary())
    assert not built.experiment.model._forward_hooks
