"""Which GPU a worker sees, with GPUs that are made up."""

import os
from collections import Counter

import pytest
from scripted_worker import ScriptedWorker

from fbgd.errors import ConfigError
from fbgd.runs.devices import device_for
from fbgd.runs.launch import launch
from fbgd.runs.plan import Rung, plan
from fbgd.runs.worker_process import worker_environment
from fbgd.studies.execution import places

TINY = ("data.source.train=30", "data.source.test=10", "model=mlp", "model.width=3", "regime.block_size=10")
SHORT = (*TINY, "budget.passes=2", "impl.blocks_per_call=1")


class TestDevices:
    @pytest.mark.parametrize(
        ("visible", "asked", "expected"),
        [
            (None, (None, None), (4, ("0", "1", "2", "3"))),
            (None, (None, 3), (12, ("0", "1", "2", "3"))),
            (None, (6, None), (6, ("0", "1", "2", "3"))),
            ("2,GPU-3f1c,7,5", (None, 2), (8, ("2", "GPU-3f1c", "7", "5"))),
        ],
    )
    def test_how_many_run_where(self, visible, asked, expected, monkeypatch):
        monkeypatch.setattr("torch.cuda.is_available", lambda: True)
        monkeypatch.setattr("torch.cuda.device_count", lambda: 4)
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        if visible is not None:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        assert places(*asked) == expected

    def test_the_same_number_is_not_said_twice(self, monkeypatch):
        monkeypatch.setattr("torch.cuda.is_available", lambda: True)
        monkeypatch.setattr("torch.cuda.device_count", lambda: 4)
        with pytest.raises(ConfigError, match="leave one of them out"):
            places(3, 2)

    @pytest.mark.parametrize(("devices", "workers"), [(2, 4), (4, 12), (3, 7)])
    def test_the_dealing_is_even_and_stays_so(self, devices, workers):
        words = [str(number) for number in range(devices)]
        taken = []
        for _ in range(workers):
            taken.append(device_for(words, taken))
        counts = Counter(taken)
        assert max(counts.values()) - min(counts.values()) <= 1
        # Of one that has ended its successor takes the place that is now the emptiest.
        taken.pop(1)
        assert device_for(words, taken) in [word for word in words if taken.count(word) == min(map(taken.count, words))]

    def test_a_worker_sees_one_gpu(self, monkeypatch):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5")
        assert worker_environment(1, "5")["CUDA_VISIBLE_DEVICES"] == "5"
        assert worker_environment(1)["CUDA_VISIBLE_DEVICES"] == "4,5"

    @pytest.mark.parametrize(
        ("device", "expected"), [("auto", {"0": 2, "1": 2}), ("cuda:1", {None: 4})], ids=["dealt", "named"]
    )
    def test_workers_of_a_study_are_dealt_to_gpus(self, device, expected, tmp_path, monkeypatch):
        """All four are busy at a time; whoever names a GPU by its number sees all."""
        seen = []

        class Seeing(ScriptedWorker):
            def __init__(self, threads, device=None):
                super().__init__()
                seen.append(device)
                self.device = device

            def execute(self, job, on_message, limit=None):
                while len(seen) < 4:
                    os.sched_yield()

        monkeypatch.setattr("fbgd.runs.launch.Worker", Seeing)
        planned = plan([Rung("plain", SHORT)], [], 4, tmp_path)
        for run in planned:
            run.config.impl.device = device
        launch(planned, 4, devices=("0", "1"))
        assert Counter(seen) == expected
