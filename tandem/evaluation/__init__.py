"""Evaluation: the same questions and metrics for every target."""
