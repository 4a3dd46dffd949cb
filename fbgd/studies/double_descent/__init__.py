"""Deep double descent (Nakkiran et al. 2019): its settings, its figures, a file each, and what they are made of."""
