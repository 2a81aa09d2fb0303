"""Tandem: what runs, in functions, in jobs and on your machine."""

__version__ = "0.1.0"
