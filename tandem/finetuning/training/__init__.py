"""The training image's inside: train and evaluate with the container's file layout, and serve the result.

Importing these modules is cheap; torch, transformers, peft and trl are imported when they are used.
"""
