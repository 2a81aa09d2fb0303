"""The functions of the training pipeline."""
