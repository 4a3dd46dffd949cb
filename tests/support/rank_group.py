"""Processes that gloo connects, started once for many cases: each is a run on the first N of them.

As a script: ``rank_group.py FOLDER`` loads the package, forks, and executes the lines of JSON on its standard input.
"""

import json
import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import torch
from files import ROOT

SIZE = 4
LOOKS = []


class Unseeded(torch.optim.SGD):
    """Adds what differs from process to process."""

    def step(self, closure=None):
        loss = super().step(closure)
        for group in self.param_groups:
            for param in group["params"]:
                param.data.add_(1e-9 * os.getpid())
        return loss


class RankGroupProcess:
    """The processes, seen from a test."""

    def __init__(self, folder):
        paths = os.pathsep.join([str(ROOT), str(ROOT / "tests/support")])
        environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [sys.executable, __file__, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def execute(self, words, path, ranks, **options):
        """Execute a run on the first ``ranks`` processes; what became of it, see :func:`executed`."""
        job = {"words": list(words), "path": str(path), "ranks": ranks, **options}
        print(json.dumps(job), file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        assert line, "the group of processes has ended"
        return json.loads(line)

    def close(self):
        """End the processes."""
        with self.process:
            self.process.stdin.close()
            assert self.process.wait() == 0


def main(folder):
    """Fork, connect, and execute jobs until there are no more; process 0 reads and answers."""
    # Loaded before the fork, so once: these take seconds, and vectorised gradients load the second.
    import mnist1d.data  # noqa: F401
    import torch._dynamo

    import fbgd.runs.dealt  # noqa: F401

    torch.set_num_threads(1)
    rank = next((number for number in range(1, SIZE) if os.fork() == 0), 0)
    import torch.distributed as dist

    # What the run itself prints is not the answer.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    # A rank that fails by itself must not leave the others waiting for ever.
    limit = timedelta(seconds=60)
    dist.init_process_group("gloo", f"file://{folder}/store", rank=rank, world_size=SIZE, timeout=limit)
    groups = {count: dist.new_group(list(range(count)), timeout=limit) for count in range(1, SIZE + 1)}
    while True:
        told = [sys.stdin.readline() if rank == 0 else None]
        dist.broadcast_object_list(told, src=0)
        if not told[0]:
            break
        job = json.loads(told[0])
        result = executed(job, rank, groups[job["ranks"]]) if rank < job["ranks"] else None
        results = [None] * SIZE
        dist.all_gather_object(results, result)
        if rank == 0:
            print(json.dumps({**results[0], "others": results[1 : job["ranks"]]}), file=answers, flush=True)
    dist.destroy_process_group()
    if rank:
        os._exit(0)
    for _ in range(SIZE - 1):
        os.wait()


def spread(outputs, targets):
    """A metric of all samples of a set together."""
    return {"outputs": outputs.std().item(), "middle": outputs.median().item()}


def look(state):
    """A probe that only counts, in its process, how often it looked."""
    LOOKS.append(state.step)
    return {}


def mark(state):
    """A probe that only leaves a sign in the current folder that a step was taken."""
    Path("stepped").touch()
    return {}


def executed(job, rank, group):
    """Execute a run as one rank.

    Returns:
        ``status`` of the summary, or ``error``; how many ``reductions`` there were, at which steps a probe
        had ``looks``, and on rank 0 the ``warnings``.
    """
    import rank_group
    import torch.distributed as dist

    from fbgd.config.compose import compose
    from fbgd.engine.ranks import RankGroup
    from fbgd.runs.dealt import execute_dealt
    from fbgd.runs.signals import Interrupted, StopRequest

    class StopAt(StopRequest):
        """A signal arrives before so many steps, at one rank."""

        def __call__(self):
            if job.get("stop_at") == self.steps and job.get("stop_rank", 0) == rank:
                self.stepping = True
                self.hear(signal.SIGTERM)
            return super().__call__()

    counted, warnings = [], []
    # The module that runs name; this one is the program.
    rank_group.LOOKS.clear()
    all_reduce = dist.all_reduce

    def counting(*arguments, **options):
        counted.append(1)
        return all_reduce(*arguments, **options)

    dist.all_reduce = counting
    try:
        words = job["words"] + (job.get("other_words", []) if rank else [])
        summary = execute_dealt(
            compose(words),
            job["path"],
            RankGroup(rank, job["ranks"], group),
            lambda row, steps: None,
            warnings.append,
            StopAt(),
        )
        result = {"status": summary["status"], "summary": summary}
    except (Interrupted, ValueError) as error:
        result = {"error": f"{type(error).__name__}: {error}"}
    finally:
        dist.all_reduce = all_reduce
    return {**result, "reductions": len(counted), "warnings": warnings, "looks": rank_group.LOOKS}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
