"""One run: training, evaluation, checkpoints, cost."""
