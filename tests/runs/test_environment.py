"""What a run records of the packages that it was made with."""

import pytest

from fbgd.runs import provenance
from fbgd.runs.provenance import target_packages

OWN = {"model": {"_target_": "fbgd.models.MLP"}, "optimizer": {"_target_": "torch.optim.SGD", "lr": 0.1}}


@pytest.fixture
def looked_up(monkeypatch):
    """How often all distributions are read."""
    calls = []
    monkeypatch.setattr(provenance, "packages_distributions", lambda: calls.append(1) or {"sklearn": ["scikit-learn"]})
    provenance.installed_packages.cache_clear()
    yield calls
    provenance.installed_packages.cache_clear()


def test_another_package_s_class_is_recorded(looked_up):
    assert target_packages({**OWN, "metric": {"_target_": "sklearn.metrics.f1_score"}}) == {"scikit-learn"}
    assert looked_up == [1]


def test_own_classes_and_torch_s_take_no_reading_of_all_distributions(looked_up):
    assert target_packages(OWN) == set()
    assert looked_up == []
