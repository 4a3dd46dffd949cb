"""fbgd: what does stochastic training do that full-batch training does not, and what replaces it?"""

__version__ = "0.1.0"
