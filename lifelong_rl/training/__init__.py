"""Training: the trainer, its configuration, and the curriculum wrapper."""
