"""The largest useful batch: what the gradient noise scale predicts against steps to a target that are measured."""
