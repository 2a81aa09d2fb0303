"""Answers for the pulumi-aws plugin with the Terraform AWS provider, where the plugin itself can't be installed."""
