"""The Geiping ladder under probes."""

from fbgd.studies.ladder_probed.study import STUDY

__all__ = ["STUDY"]
