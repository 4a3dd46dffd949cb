"""The processes that torchrun starts for one run: how they meet, and how they end together."""

import atexit
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from types import TracebackType
from typing import NoReturn

import torch
import torch.distributed as dist
from torch.distributed.elastic.multiprocessing.errors import get_error_handler

from fbgd.config.arithmetic import find_device
from fbgd.config.schema import Config
from fbgd.engine.ranks import ALONE, RankGroup, RankLost, Ranks
from fbgd.errors import EXPECTED, ConfigError, one_line
from fbgd.runs.processes import end_with
from fbgd.runs.signals import heard_by

# How long a rank that fails waits for another to say why.
REASON_SECONDS = 2.0
POLL_SECONDS = 0.05
REASON = "reason"
MEETINGS = count()


@dataclass(frozen=True)
class Place:
    """What torchrun tells a process.

    Args:
        rank: its number among all.
        count: how many there are.
        local_rank: its number on this computer.
        local_count: how many there are on this computer.
    """

    rank: int
    count: int
    local_rank: int
    local_count: int


def read_place() -> Place | None:
    """This process's place among several; ``None``: it is alone.

    Raises:
        ConfigError: what the environment says is no place.
    """
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
    words = [os.environ.get(name) for name in names]
    if words[1] in (None, "1"):
        return None
    try:
        place = Place(*(int(word or "") for word in words))
    except ValueError:
        told = ", ".join(f"{name}={word or ''}" for name, word in zip(names, words, strict=True))
        raise ConfigError(f"{told} in the environment name no process of torchrun; start one process without") from None
    if not 0 <= place.rank < place.count:
        raise ConfigError(f"RANK={place.rank} in the environment is outside the valid range [0, {place.count - 1}]")
    return place


class Meeting:
    """Where the processes of one run meet; of a process by itself, nothing happens.

    As a context it tells the others, when an exception ends this process, what it was.

    Raises:
        ConfigError: the environment names no place.
        RankLost: the others do not come.
    """

    def __init__(self, seconds: float = 300.0):
        self.place = read_place()
        self.store: dist.Store | None = None
        if self.place is not None:
            if "TORCHELASTIC_RUN_ID" in os.environ:
                # A torchrun that is killed leaves its processes behind.
                end_with(os.getppid())
            try:
                store, _, _ = next(dist.rendezvous("env://", timeout=timedelta(seconds=seconds)))
            except (RuntimeError, ValueError) as error:
                raise RankLost(f"the other ranks are not found: {one_line(error)}") from None
            # A script that trains several runs meets several times at one store.
            self.store = dist.PrefixStore(f"fbgd {next(MEETINGS)}", store)

    @property
    def first(self) -> bool:
        """Whether this process is rank 0, or alone."""
        return self.place is None or self.place.rank == 0

    def __enter__(self) -> "Meeting":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None or self.place is None or isinstance(error, RankLost):
            return
        if not isinstance(error, (*EXPECTED, KeyboardInterrupt)):
            # For torchrun's own report.
            get_error_handler().record_exception(error)
        self.leave(one_line(error))

    def leave(self, reason: str) -> None:
        """Tell the others why this process ends."""
        if self.store is not None and self.place is not None:
            # The store may be gone with rank 0.
            with suppress(RuntimeError):
                self.store.set(f"{REASON} {self.place.rank}", reason)
                self.store.compare_set(REASON, "", f"rank {self.place.rank}: {reason}")

    def said(self, key: str) -> str | None:
        """What another process said under ``key``; ``None``: nothing, in a few seconds."""
        end = time.monotonic() + REASON_SECONDS
        with suppress(RuntimeError):
            while self.store is not None and time.monotonic() < end:
                if self.store.check([key]):
                    return self.store.get(key).decode()
                time.sleep(POLL_SECONDS)
        return None

    def complaint(self, error: BaseException, text: str) -> str | None:
        """The line that this process ends with.

        Args:
            error: that ends it.
            text: what there is to say of it.

        Returns:
            ``text`` on rank 0; on others with their number, or ``None`` where rank 0 says the same. Of a rank that is
            lost, why it was.
        """
        if self.place is None:
            return f"error: {text}"
        # Meanwhile torchrun ends this process by the same signal as any other.
        with heard_by(signal.SIG_IGN, (signal.SIGTERM,)):
            return self._complaint(self.place, error, text)

    def _complaint(self, place: Place, error: BaseException, text: str) -> str | None:
        if isinstance(error, RankLost):
            reason = self.said(REASON) or f"another rank is gone ({text})"
            text = f"{reason}; the same command goes on from the last checkpoint"
        elif not self.first and self.said(f"{REASON} 0") == text:
            return None
        return f"error: {text}" if self.first else f"rank {place.rank}: error: {text}"

    @contextmanager
    def joined(self, config: Config) -> Iterator[Ranks]:
        """The processes as those that ``config`` is dealt to, with NCCL on GPUs and gloo on CPUs.

        Raises:
            ConfigError: the device is one that they cannot share out.
            RankLost: they do not answer.
        """
        if self.place is None or self.store is None:
            yield ALONE
            return
        if dist.is_initialized():
            raise RankLost("an earlier run of this process has failed, and its ranks are gone; start it again")
        on_gpus = take_device(config, self.place)
        if on_gpus:
            # A step waits for its sum anyway; so a lost rank is an error here, and not the end of the process.
            os.environ.setdefault("TORCH_NCCL_BLOCKING_WAIT", "1")
        store = dist.PrefixStore("group", self.store)
        try:
            dist.init_process_group(
                "cpu:gloo,cuda:nccl" if on_gpus else "gloo",
                store=store,
                rank=self.place.rank,
                world_size=self.place.count,
                timeout=timedelta(seconds=config.impl.rank_timeout),
            )
        except RuntimeError as error:
            raise RankLost(f"the ranks do not connect: {one_line(error)}") from None
        yield RankGroup(self.place.rank, self.place.count)
        # After an error the others may not answer any more; the end of the process does it then.
        dist.destroy_process_group()


def take_device(config: Config, place: Place) -> bool:
    """Make the GPU of a rank's own the current one; whether there is one.

    Raises:
        ConfigError: all ranks are to share one GPU, or there are too few.
    """
    device = find_device(config.impl.device)
    if device.type != "cuda":
        return False
    if device.index is not None and place.local_count > 1:
        raise ConfigError(
            f"impl.device = {config.impl.device!r} would put all {place.local_count} ranks of this computer on one "
            "GPU: leave it at auto, which gives each its own"
        )
    if place.local_count > torch.cuda.device_count():
        raise ConfigError(
            f"{place.local_count} ranks on this computer, and {torch.cuda.device_count()} GPUs: start at most one rank "
            "a GPU (torchrun --nproc-per-node), or set impl.device=cpu"
        )
    torch.cuda.set_device(place.local_rank)
    return True


def end_process(status: int) -> NoReturn:
    """End a process of several, after its exit functions, without taking the interpreter and its libraries down.

    That aborts now and then in PyTorch 2.13 once gloo was used, "terminate called without an active exception", long
    after the run has ended, and torchrun would call it a failure.
    """
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def check_alone(what: str) -> None:
    """Raise :class:`ConfigError` where this is one of several processes, which ``what`` cannot be dealt to."""
    place = read_place()
    if place is not None:
        raise ConfigError(
            f"{what} cannot be dealt to {place.count} ranks: start it without torchrun; one run can, by "
            "torchrun --nproc-per-node N scripts/train.py"
        )


def complain(line: str | None) -> None:
    """Print a line on standard error, where there is one."""
    if line is not None:
        print(line, file=sys.stderr)
