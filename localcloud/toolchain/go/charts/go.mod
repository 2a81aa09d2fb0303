module tools

go 1.26

// Modules of which only the charts are taken: nothing of theirs is compiled.
require (
	github.com/NVIDIA/k8s-device-plugin v0.18.0
	github.com/aws/karpenter-provider-aws v1.14.1
)
