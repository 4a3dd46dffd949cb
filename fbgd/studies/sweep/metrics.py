"""What settings may be chosen by, and never the test set."""

METRICS = ("validation_accuracy", "train_accuracy", "train_loss", "accuracy", "loss")
