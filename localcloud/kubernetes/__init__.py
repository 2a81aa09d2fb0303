"""The optional part of the local cloud (`up --kubernetes`): a real Kubernetes control plane, without containers."""
