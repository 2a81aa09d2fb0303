"""Evaluation of whatever answers questions: the same questions and measures for every target."""
