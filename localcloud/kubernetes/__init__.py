"""The optional part of the local cloud: a real Kubernetes control plane without containers (`tandem local up --kubernetes`)."""
