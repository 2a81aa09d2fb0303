"""Kubernetes on this machine: a control plane, and what stands for nodes and kubelets beside it."""
