"""Components of the fine-tuning environment."""
