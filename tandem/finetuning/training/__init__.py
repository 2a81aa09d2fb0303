"""Code inside the training container: train and evaluate with its file layout.

Importing these modules is cheap; torch, transformers, peft and trl are imported when they are used.
"""
