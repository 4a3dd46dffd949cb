"""Fashion-MNIST in the shape of CIFAR-10: 32 x 32 pixels, three equal colours."""

from dataclasses import replace

from torch import Tensor
from torch.nn.functional import pad

from fbgd.data.dataset import Arrays
from fbgd.data.fashion_mnist import fashion_mnist


def fashion_mnist_32(folder: str | None = None, download: bool = False, verify: bool = True) -> Arrays:
    """Load Fashion-MNIST with a frame of two black pixels and its grey three times.

    Real images for networks and settings made for CIFAR-10, where CIFAR-10 itself is not at hand.

    Args:
        folder: as of :func:`fbgd.data.fashion_mnist`.
        download: as there.
        verify: as there.

    Raises:
        DataError: files are missing or damaged.
        ValueError: ``download`` together with ``folder``.
    """
    arrays = fashion_mnist(folder, download, verify)
    train, test = (framed(images) for images in (arrays.train_inputs, arrays.test_inputs))
    return replace(arrays, train_inputs=train, test_inputs=test, shift=4)


def framed(images: Tensor) -> Tensor:
    """Grey images ``(n, 1, 28, 28)`` as ``(n, 3, 32, 32)``."""
    return pad(images, (2, 2, 2, 2)).repeat(1, 3, 1, 1)
