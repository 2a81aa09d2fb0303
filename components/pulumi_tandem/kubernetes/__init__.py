"""Kubernetes on EKS: a cluster with GPU nodes, and training on it."""
