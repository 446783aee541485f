"""Tracking: the run folder, TensorBoard, figures and reports."""
