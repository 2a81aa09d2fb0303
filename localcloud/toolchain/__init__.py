"""The real Pulumi engine without a download: finds or builds it, and stands in for the pulumi-aws plugin."""
