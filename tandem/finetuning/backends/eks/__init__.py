"""Training on an EKS cluster."""
