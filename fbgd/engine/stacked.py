"""Several networks of one shape as one: whatever a step works on has a dimension for the members.

Parameters (M, ...), blocks (K, M, B, ...) of K blocks a call, gradients (M, ...), losses (M). The loop, the mean over
blocks and the optimizers that treat every entry alike work on them as they are.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import cast

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from fbgd.data import Samples, TrainingSet
from fbgd.engine.blocks import BlockSource, Stack, StepBlocks
from fbgd.engine.gradient import MeanGradient
from fbgd.engine.kernels import Kernels, Objective, autograd_gradient, block_evaluation
from fbgd.engine.losses import most_probable
from regularizers import BlockGradientPenalty, GradientTransform, global_norm


class SeparateBlocks:
    """The blocks of one step of members whose samples are augmented or transformed, by draws of their own.

    Args:
        members: the step's blocks, member by member; as many and as large for all of them.
    """

    def __init__(self, members: list[StepBlocks]):
        self.members = members
        self.samples, self.pass_index = members[0].samples, members[0].pass_index

    def __len__(self) -> int:
        return len(self.members[0])

    def stacks(self, blocks_per_call: int) -> Iterator[Stack]:
        """As :meth:`fbgd.engine.blocks.StepBlocks.stacks`, with the members in the second dimension."""
        for stacks in zip(*(blocks.stacks(blocks_per_call) for blocks in self.members), strict=True):
            yield Stack(*(torch.stack(parts, dim=1) for parts in zip(*stacks, strict=True)))


class StackedSource:
    """The blocks of every step of every member.

    Args:
        sources: the members' own, which differ in their seeds, and perhaps in their samples, as many for all of them.

    Members with samples of their own train on one set of all of them, each with the indices of its own.
    """

    def __init__(self, sources: list[BlockSource]):
        self.sources = sources
        self.steps_per_pass = sources[0].steps_per_pass
        data, transforms = sources[0].data, sources[0].transforms
        own = not all(same_samples(data, source.data) for source in sources[1:])
        drawn = data.augmentation is not None and (own or not data.copies)
        self.separate = drawn or (transforms is not None and bool(transforms.transforms))
        self.joint = joined([source.data for source in sources]) if own and not self.separate else None

    def step(self, step: int) -> StepBlocks | SeparateBlocks:
        """The blocks of one step, counted from 0 over the whole run."""
        members = [source.step(step) for source in self.sources]
        if self.separate:
            return SeparateBlocks(members)
        # Samples as they are: indices (M, B), all read at once.
        indices = [torch.stack(blocks) for blocks in zip(*(member.indices for member in members), strict=True)]
        data = members[0].data
        if self.joint is not None:
            starts = len(data) * torch.arange(len(members)).unsqueeze(1)
            indices, data = [block + starts for block in indices], self.joint
        keys = torch.stack([cast(Tensor, member.keys) for member in members], dim=1)
        return replace(members[0], data=data, indices=indices, keys=keys)


def same_samples(left: TrainingSet, right: TrainingSet) -> bool:
    """Whether two training sets hold the same samples in the same order."""
    pairs = ((left.samples.inputs, right.samples.inputs), (left.samples.targets, right.samples.targets))
    return all(mine is yours or torch.equal(mine, yours) for mine, yours in pairs)


def joined(sets: list[TrainingSet]) -> TrainingSet:
    """One training set of the samples of all, as they are."""
    samples = [own.samples for own in sets]
    return TrainingSet(Samples(torch.cat([own.inputs for own in samples]), torch.cat([own.targets for own in samples])))


def stacked_gradient(single: MeanGradient, plain: Objective | None = None) -> MeanGradient:
    """The mean gradients of all members at once.

    Args:
        single: a member's own, whose objective, penalties and clipping all of them have.
        plain: the objective of all members at once, used where there is nothing else to a gradient; ``None``: the
            vectorised objective of one.

    Raises:
        ValueError: a penalty is on the full gradient.
    """
    if single.on_full:
        raise ValueError("penalties on the full gradient have no stacked form: train these runs separately")
    kernels = stacked_kernels(single.objective, single.on_blocks, single.clipping, plain)
    return MeanGradient(
        single.objective, single.penalties, single.blocks_per_call, clipping=single.clipping, kernels=kernels
    )


def stacked_kernels(
    objective: Objective,
    penalties: tuple[BlockGradientPenalty, ...] = (),
    clipping: tuple[GradientTransform, ...] = (),
    plain: Objective | None = None,
) -> Kernels:
    """The kernels of stacked networks.

    Args:
        objective: of one network on one block, pure.
        penalties: on every block's gradient.
        clipping: transforms of every block's gradient.
        plain: the objective of all members at once; ``None``: ``objective`` vectorised.
    """
    functional = torch.func.grad_and_value(objective, has_aux=True)
    vectorised, plain_vectorised = (
        torch.func.vmap(block_evaluation(functional, *changes, global_norm), in_dims=(0, 0, 0, 0, None))
        for changes in ((penalties, clipping), ((), ()))
    )
    # One backward pass through all members costs less than a vectorised one.
    gradient = autograd_gradient(plain or torch.func.vmap(objective))
    plain_single = block_evaluation(gradient, (), (), member_norms)
    over_blocks = (None, 0, 0, 0, None)
    return Kernels(
        single=vectorised if penalties or clipping else plain_single,
        vectorised=torch.func.vmap(vectorised, in_dims=over_blocks),
        plain_single=plain_single,
        plain_vectorised=torch.func.vmap(plain_vectorised, in_dims=over_blocks),
        norm=member_norms,
    )


def member_norms(gradient: list[Tensor]) -> Tensor:
    """The L2 norms (M) of the members' gradients (M, ...)."""
    return torch.linalg.vector_norm(torch.cat([entry.flatten(1) for entry in gradient], dim=1), dim=1)


def layered_classification(model: nn.Module) -> Objective | None:
    """Mean cross-entropy of all members at once, for networks that are a row of linear layers and ReLUs.

    What :func:`fbgd.engine.objective.classification` gives under ``vmap``, in batched matrix products and a third of
    the time.

    Args:
        model: one of the members, whose layers all of them have.

    Returns:
        ``(params (M, ...), inputs (M, B, ...), targets (M, B) or (M, B, classes), keys) -> (objective (M), (loss (M),
        right (M)))``; ``None`` for any other network.
    """
    forward = layered_forward(model)
    if forward is None:
        return None

    def objective(
        params: list[Tensor], inputs: Tensor, targets: Tensor, keys: Tensor
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        logits = forward(params, inputs)
        losses = F.cross_entropy(logits.flatten(0, 1), targets.flatten(0, 1), reduction="none")
        loss = losses.view(logits.shape[:2]).mean(1)
        right = (logits.detach().argmax(-1) == most_probable(targets)).sum(1, dtype=torch.float64)
        return loss, (loss.detach(), right)

    return objective


def layered_forward(model: nn.Module) -> Callable[[list[Tensor], Tensor], Tensor] | None:
    """The forward pass of all members, ``(params (M, ...), inputs (M, B, ...)) -> outputs``, or ``None``."""
    known = (nn.Flatten, nn.Linear, nn.ReLU, nn.Identity)
    if not isinstance(model, nn.Sequential) or type(model).forward is not nn.Sequential.forward:
        return None
    if type(model[0]) is not nn.Flatten or any(type(layer) not in known for layer in model):
        return None

    def forward(params: list[Tensor], inputs: Tensor) -> Tensor:
        remaining = iter(params)
        # Features before samples: so the gradients of the weights come out in the weights' own layout.
        hidden = inputs.flatten(2).mT
        for layer in model:
            if isinstance(layer, nn.Linear):
                weight, bias = next(remaining), next(remaining)
                hidden = torch.baddbmm(bias.unsqueeze(2), weight, hidden)
            elif isinstance(layer, nn.ReLU):
                hidden = hidden.relu()
        return hidden.mT

    return forward


@torch.no_grad()
def stack_parameters(models: list[nn.Module]) -> nn.ParameterList:
    """The models' parameters, stacked; from then on the models' own are views into them."""
    stacked = nn.ParameterList()
    for params in zip(*(model.parameters() for model in models), strict=True):
        together = nn.Parameter(torch.stack([param.detach() for param in params]))
        for param, view in zip(params, together.detach(), strict=True):
            param.data = view
        stacked.append(together)
    return stacked


def stack_state(stacked: torch.optim.Optimizer, optimizers: list[torch.optim.Optimizer]) -> None:
    """Give ``stacked`` the state of the members' optimizers, all of them at the same step."""
    for group, *own in zip(stacked.param_groups, *(each.param_groups for each in optimizers), strict=True):
        group |= {name: value for name, value in own[0].items() if name != "params"}
        for together, *params in zip(group["params"], *(each["params"] for each in own), strict=True):
            states = [each.state[param] for each, param in zip(optimizers, params, strict=True) if param in each.state]
            for name, value in states[0].items() if states else ():
                alike = torch.is_tensor(value) and value.shape == params[0].shape
                stacked.state[together][name] = torch.stack([state[name] for state in states]) if alike else value


def unstack_state(stacked: torch.optim.Optimizer, member: int, optimizer: torch.optim.Optimizer) -> None:
    """Give a member's optimizer its part of the state of ``stacked``, as views into it."""
    for group, own in zip(stacked.param_groups, optimizer.param_groups, strict=True):
        own |= {name: value for name, value in group.items() if name != "params"}
        for together, param in zip(group["params"], own["params"], strict=True):
            for name, value in stacked.state.get(together, {}).items():
                alike = torch.is_tensor(value) and value.shape == together.shape
                optimizer.state[param][name] = value[member] if alike else value
