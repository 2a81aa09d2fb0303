"""Clients of a stack, for front ends of any kind: no command line."""
