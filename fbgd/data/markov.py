"""A stream of symbols from a Markov chain, whose entropy is known."""

import math
from bisect import bisect
from itertools import accumulate

import torch
from torch import Tensor

from fbgd.data.dataset import Arrays
from fbgd.data.windows import next_tokens
from fbgd.seeds import generator

# Contexts of the chain: the stationary distribution solves a dense system of so many equations.
MOST_CONTEXTS = 1024


def markov(
    symbols: int = 8,
    order: int = 1,
    spread: float = 1.5,
    length: int = 64,
    train: int = 4000,
    test: int = 1000,
    seed: int = 0,
) -> Arrays:
    r"""Generate windows of one stationary stream of a random Markov chain.

    With c the last ``order`` symbols, the probabilities of the next one are

    .. math:: p(s \mid c) = \mathrm{softmax}_s(\sigma z_{cs}), \qquad z_{cs} \sim \mathcal{N}(0, 1).

    ``facts`` holds ``entropy_rate``, see :func:`entropy_rate`, and ``loss_floor``, the smallest mean cross-entropy in
    nats that a model of these windows can have, see :func:`loss_floor`; for order 1 both are the same.

    Args:
        symbols: S, how many different ones there are.
        order: how many symbols the next one depends on.
        spread: sigma; 0: every symbol has probability 1 / S.
        length: of a window, at least ``order``.
        train: windows to train on.
        test: windows to evaluate on, which follow in the stream.
        seed: of the chain and of the stream.

    Raises:
        ValueError: an argument is outside its range.
    """
    for name, value, least in (("symbols", symbols, 2), ("order", order, 1), ("train", train, 1), ("test", test, 1)):
        if not isinstance(value, int) or value < least:
            raise ValueError(f"{name} = {value!r} must be a whole number of at least {least}")
    if symbols**order > MOST_CONTEXTS:
        raise ValueError(f"symbols = {symbols} and order = {order}: symbols^order must be at most {MOST_CONTEXTS}")
    if not 0 <= spread <= 10:
        raise ValueError(f"spread = {spread!r} is outside the valid range [0, 10]")
    if not isinstance(length, int) or length < order:
        raise ValueError(f"length = {length!r} must be a whole number of at least order = {order}")
    chain = random_chain(symbols, order, spread, seed)
    sizes = [train * length + 1, test * length + 1]
    train_stream, test_stream = sample(chain, sum(sizes), seed).split(sizes)
    facts = {"entropy_rate": entropy_rate(chain), "loss_floor": loss_floor(chain, length)}
    return next_tokens(train_stream, test_stream, length, symbols, facts)


def random_chain(symbols: int, order: int, spread: float, seed: int) -> Tensor:
    """The probabilities (S^order, S) of :func:`markov`, in float64; the last symbol of a context counts ones."""
    draw = generator(seed, "markov chain")
    logits = torch.randn(symbols**order, symbols, dtype=torch.float64, generator=draw)
    return torch.softmax(spread * logits, 1)


def stationary(chain: Tensor) -> Tensor:
    r"""The distribution (S^order) of contexts that a step of the chain keeps: :math:`\pi^\top T = \pi^\top`."""
    contexts, symbols = chain.shape
    step = torch.zeros(contexts, contexts, dtype=torch.float64)
    following = (torch.arange(contexts).unsqueeze(1) * symbols + torch.arange(symbols)) % contexts
    step.scatter_add_(1, following, chain)
    # The equations have rank S^order - 1, so any one of them gives way to: all add up to one.
    system = step.T - torch.eye(contexts, dtype=torch.float64)
    system[-1] = 1.0
    right = torch.zeros(contexts, dtype=torch.float64)
    right[-1] = 1.0
    return torch.linalg.solve(system, right)


def entropy_rate(chain: Tensor) -> float:
    r"""The mean surprise of the next symbol in nats, :math:`-\sum_c \pi_c \sum_s p(s \mid c) \log p(s \mid c)`.

    Args:
        chain: probabilities (S^order, S), float64, all positive.

    Source: Cover & Thomas 2006, "Elements of Information Theory", theorem 4.2.4.
    """
    return float(-stationary(chain) @ torch.special.xlogy(chain, chain).sum(1))


def loss_floor(chain: Tensor, length: int) -> float:
    r"""The smallest mean cross-entropy of predicting windows of L symbols from what stands before them in the window.

    At its beginning less than the chain's order k is known. With h the entropy rate and H_j the entropy of j symbols
    in a row, the first k - 1 predictions cost :math:`H_2 - H_1, \dots, H_k - H_{k - 1}` at best, together

    .. math:: \frac{H_k - H_1 + (L - k + 1)\, h}{L}.

    Args:
        chain: probabilities (S^k, S), float64, all positive.
        length: L, at least k.
    """
    contexts, symbols = chain.shape
    order = round(math.log(contexts, symbols))
    together = stationary(chain)
    first = together.view(symbols, -1).sum(1)
    beginning = entropy(together) - entropy(first)
    return (beginning + (length - order + 1) * entropy_rate(chain)) / length


def entropy(probabilities: Tensor) -> float:
    """Entropy in nats."""
    return float(-torch.special.xlogy(probabilities, probabilities).sum())


def sample(chain: Tensor, count: int, seed: int) -> Tensor:
    """``count`` symbols in a row, int64, the first context from the stationary distribution."""
    contexts, symbols = chain.shape
    order = round(math.log(contexts, symbols))
    # Tables of cumulative probabilities; the last is left out, so that rounding never leads beyond it.
    tables = [list(accumulate(row[:-1])) for row in chain.tolist()]
    draws = torch.rand(count + 1, dtype=torch.float64, generator=generator(seed, "markov stream")).tolist()
    context = bisect(list(accumulate(stationary(chain).tolist()[:-1])), draws[-1])
    stream = [context // symbols**place % symbols for place in range(order - 1, -1, -1)]
    for draw in draws[: count - order]:
        symbol = bisect(tables[context], draw)
        stream.append(symbol)
        context = (context * symbols + symbol) % contexts
    return torch.tensor(stream)
