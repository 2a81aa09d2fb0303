"""A runner for SageMaker: training jobs and endpoints are processes of this machine, the rest is records."""
