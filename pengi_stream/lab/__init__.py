"""What makes and measures models and pipelines; only the commands `train`, `evaluate` and `bench` reach it."""
