"""Optimizers around other optimizers: the shared pattern, SAM, AGC and ByShape."""

import copy
import pickle
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from problems import complex_leaves, curved, leaves, make_closure, network, run, samples

import optimizers
from optimizers import AGC, SAM, SGD, AdamW, ByShape, LineSearchGD

momentum = partial(SGD, momentum=0.9, weight_decay=0.1)
around = pytest.mark.parametrize("make", [SAM, AGC])


def same(left, right):
    return all(torch.equal(one, other) for one, other in zip(left, right, strict=True))


class TestWrapper:
    @around
    def test_groups_state_and_defaults_are_the_base_s(self, make):
        params = leaves()
        optimizer = make([{"params": params[:1], "weight_decay": 0.5}, {"params": params[1:]}], lr=0.3, base=momentum)
        assert optimizer.param_groups is optimizer.base.param_groups
        assert optimizer.state is optimizer.base.state
        assert optimizer.defaults.items() >= {"lr": 0.3, "momentum": 0.9, "weight_decay": 0.1}.items()
        assert [group["weight_decay"] for group in optimizer.param_groups] == [0.5, 0.1]
        optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))
        assert optimizer.param_groups is optimizer.base.param_groups
        assert optimizer.state is optimizer.base.state

    @around
    def test_a_learning_rate_set_in_the_groups_reaches_the_base_even_after_loading(self, make):
        params = leaves()
        optimizer = make(params, base=momentum)
        run(optimizer, params, 2)
        optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))
        optimizer.param_groups[0]["lr"] = 0.0
        before = [param.detach().clone() for param in params]
        run(optimizer, params, 1)
        assert same(params, before)

    @around
    @pytest.mark.parametrize("base", [optimizers.Adadelta, torch.optim.Adam])
    def test_options_of_the_same_name_stay_apart(self, make, base):
        """Adadelta has a rho and an eps of its own."""
        held = make(leaves(), base=base).param_groups[0]
        assert held["eps"] == base(leaves()).param_groups[0]["eps"]
        assert held.get("rho", 0.9) == 0.9

    @around
    def test_pickles_with_its_base(self, make):
        params = leaves()
        optimizer = make(params, base=momentum)
        run(optimizer, params, 2)
        twin = pickle.loads(pickle.dumps(optimizer))
        assert twin.param_groups is twin.base.param_groups
        copied = twin.param_groups[0]["params"]
        run(optimizer, params, 3)
        run(twin, copied, 3)
        assert same(params, copied)

    def test_wrappers_nest(self):
        params, plain = leaves(), leaves()
        nested = AGC(params, base=partial(SAM, base=momentum, rho=0.0), clipping=1e9)
        run(nested, params, 3)
        nested.load_state_dict(copy.deepcopy(nested.state_dict()))
        assert nested.param_groups is nested.base.base.param_groups
        run(nested, params, 3)
        run(momentum(plain, lr=0.1), plain, 6)
        assert same(params, plain)

    def test_by_shape_can_be_a_base(self):
        params, plain = leaves(), leaves()
        inner = partial(ByShape, matrices=momentum, others_lr=0.01)
        nested = SAM(params, lr=0.1, base=inner, rho=0.0)
        run(nested, params, 3)
        nested.load_state_dict(copy.deepcopy(nested.state_dict()))
        run(nested, params, 3)
        run(inner(plain, lr=0.1), plain, 6)
        assert same(params, plain)


class TestSAM:
    @pytest.mark.parametrize("base", [SGD, momentum, torch.optim.Adam])
    @pytest.mark.parametrize("adaptive", [False, True])
    def test_radius_zero_is_the_base(self, base, adaptive):
        params, plain = leaves(), leaves()
        run(SAM(params, lr=0.05, base=base, rho=0.0, adaptive=adaptive), params, 10)
        run(base(plain, lr=0.05), plain, 10)
        assert same(params, plain)

    def test_around_adam_lowers_a_network_s_loss(self):
        model, data = network("mlp"), samples(20)
        optimizer = SAM(model.parameters(), lr=0.01, base=torch.optim.Adam)

        def fit(_):
            return F.cross_entropy(model(data.inputs), data.targets)

        before = float(fit(None).detach())
        run(optimizer, list(model.parameters()), 60, fit)
        assert float(fit(None).detach()) < 0.5 * before

    @pytest.mark.parametrize("adaptive", [False, True])
    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
    def test_zero_gradients_stay_zero(self, adaptive, dtype):
        params = leaves(dtype=dtype)
        before = [param.detach().clone() for param in params]
        run(SAM(params, adaptive=adaptive), params, 2, lambda params: sum((0 * param).sum() for param in params))
        assert same(params, before)

    def test_restores_exactly_when_the_second_evaluation_fails(self):
        params = leaves()
        optimizer = SAM(params, rho=0.3)
        before = [param.detach().clone() for param in params]
        evaluate = make_closure(optimizer, params)
        seen = []

        def closure():
            seen.append([param.detach().clone() for param in params])
            if len(seen) == 2:
                raise ArithmeticError
            return evaluate()

        with pytest.raises(ArithmeticError):
            optimizer.step(closure)
        assert not same(seen[1], before)
        assert same(params, before)

    def test_the_base_moves_from_the_unperturbed_point(self):
        params = leaves()
        before = [param.detach().clone() for param in params]
        run(SAM(params, lr=0.0, rho=0.3), params, 1)
        assert same(params, before)

    def test_a_base_that_needs_a_closure_is_refused_at_its_step(self):
        params = leaves()
        with pytest.raises(ValueError, match="LineSearchGD needs a closure"):
            run(SAM(params, base=LineSearchGD), params, 1)


class TestAGC:
    def test_a_large_threshold_is_the_base(self):
        params, plain = leaves(), leaves()
        run(AGC(params, base=momentum, clipping=1e9), params, 10)
        run(momentum(plain, lr=0.1), plain, 10)
        assert same(params, plain)

    @pytest.mark.parametrize("with_closure", [False, True])
    def test_the_caller_s_gradients_are_untouched(self, with_closure):
        params = leaves()
        curved(params).backward()
        grads = [param.grad for param in params]
        before = [grad.clone() for grad in grads]
        AGC(params, clipping=1e-3).step((lambda: torch.tensor(0.0)) if with_closure else None)
        assert all(param.grad is grad for param, grad in zip(params, grads, strict=True))
        assert same(grads, before)

    def test_units_are_rows_and_filters_but_vectors_as_a_whole(self):
        """With SGD of rate 1 the step is the clipped gradient: units with a larger gradient move by 0.1."""
        for shape, over in (((2, 3), (1,)), ((2, 3, 2), (1, 2)), ((5,), None), ((), None)):
            param = torch.ones(shape, dtype=torch.float64, requires_grad=True)
            param.grad = torch.full(shape, 7.0, dtype=torch.float64)
            before = param.detach().clone()
            AGC([param], lr=1.0, clipping=0.1).step()
            moved = torch.linalg.vector_norm(param.detach() - before, dim=over)
            torch.testing.assert_close(moved, 0.1 * torch.linalg.vector_norm(before, dim=over))

    def test_a_group_of_its_own_is_left_unclipped(self):
        ours, plain = leaves(), leaves()
        run(AGC([{"params": ours[:2]}, {"params": ours[2:], "agc_clipping": 1e9}], lr=0.01), ours, 1)
        run(SGD(plain, lr=0.01), plain, 1)
        assert not same(ours[:2], plain[:2])
        assert same(ours[2:], plain[2:])

    def test_a_base_that_evaluates_the_closure_gets_clipped_gradients(self):
        params = leaves()
        before = [param.detach().clone() for param in params]
        optimizer = AGC(params, lr=1.0, base=LineSearchGD, clipping=0.01, eps=1e-6)
        run(optimizer, params, 1)
        for param, start in zip(params, before, strict=True):
            moved = torch.linalg.vector_norm(param.detach() - start)
            assert 0 < moved <= 0.01 * torch.linalg.vector_norm(start) * (1 + 1e-9)


class TestByShape:
    muon = partial(torch.optim.Muon, weight_decay=0.1, momentum=0.9)

    @pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
    def test_muon_on_a_convolutional_network_equals_muon_on_the_flat_matrices(self, memory_format):
        """Both walk along the same gradients, taken from the network that ByShape trains."""
        model, data = network("cnn", shape=(2, 6, 6)), samples(12, (2, 6, 6))
        model = model.to(memory_format=memory_format)
        params = list(model.parameters())
        assert any(param.ndim == 4 for param in params)
        copies = [param.detach().clone() for param in params]
        channels_last = memory_format is torch.channels_last

        def flat(tensor):
            moved = tensor.permute(0, 2, 3, 1) if channels_last and tensor.ndim == 4 else tensor
            return moved.reshape(len(tensor), -1) if tensor.ndim >= 2 else tensor

        matrices = [flat(value).clone() for value in copies if value.ndim >= 2]
        vectors = [value for value in copies if value.ndim < 2]
        separate = [self.muon(matrices, lr=0.02), torch.optim.AdamW(vectors, lr=0.003)]
        together = ByShape(params, lr=0.02, matrices=self.muon, others=AdamW, others_lr=0.003)
        for _ in range(5):
            together.zero_grad()
            F.cross_entropy(model(data.inputs), data.targets).backward()
            for value, param in zip(matrices, [param for param in params if param.ndim >= 2], strict=True):
                value.grad = flat(param.grad)
            for value, param in zip(vectors, [param for param in params if param.ndim < 2], strict=True):
                value.grad = param.grad
            together.step()
            for optimizer in separate:
                optimizer.step()
        torch.testing.assert_close([flat(p.detach()) for p in params if p.ndim >= 2], matrices, rtol=0, atol=1e-12)
        torch.testing.assert_close([p.detach() for p in params if p.ndim < 2], vectors, rtol=0, atol=1e-12)

    def test_groups_hold_the_parameters_and_scale_both_rates(self):
        params = leaves()
        optimizer = ByShape(params, lr=0.5, matrices=SGD, others=SGD, others_lr=0.25)
        assert [group["lr"] for group in optimizer.param_groups] == [0.5, 0.25]
        held = [param for group in optimizer.param_groups for param in group["params"]]
        assert {id(param) for param in held} == {id(param) for param in params}
        for group in optimizer.param_groups:
            group["lr"] *= 0.1
        plain = leaves()
        rates = [{"params": [p for p in plain if p.ndim >= 2], "lr": 0.05}, {"params": plain[1:3], "lr": 0.025}]
        run(optimizer, params, 3)
        run(SGD(rates), plain, 3)
        torch.testing.assert_close(params, plain, rtol=0, atol=1e-14)

    def test_loading_mid_run_keeps_the_connection(self):
        params = leaves()
        optimizer = ByShape(params, matrices=self.muon)
        run(optimizer, params, 3)
        optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))
        for group in optimizer.param_groups:
            group["lr"] = group["weight_decay"] = 0.0
        before = [param.detach().clone() for param in params]
        run(optimizer, params, 1)
        assert same(params, before)

    @pytest.mark.parametrize("chosen", [slice(0, 1), slice(1, 3)])
    def test_parameters_of_one_kind_only(self, chosen):
        params = leaves()[chosen]
        before = [param.detach().clone() for param in params]
        run(ByShape(params), params, 1)
        assert not any(torch.equal(left, right) for left, right in zip(params, before, strict=True))

    def test_follows_parameters_that_were_moved_in_memory(self):
        params, plain = leaves(), leaves()
        ours, theirs = (ByShape(own, matrices=momentum) for own in (params, plain))
        run(ours, params, 2)
        run(theirs, plain, 2)
        for param in params:
            param.data = param.data.clone()
        run(ours, params, 2)
        run(theirs, plain, 2)
        assert same(params, plain)

    @pytest.mark.parametrize("matrices", [{}, {"matrices": muon}])
    def test_muon_of_complex_matrices_is_refused(self, matrices):
        with pytest.raises(ValueError, match="drops imaginary parts"):
            ByShape(complex_leaves()[0], **matrices)

    def test_a_later_group_is_refused(self):
        with pytest.raises(RuntimeError, match="when it is made"):
            ByShape(leaves()).add_param_group({"params": leaves()})
