"""Training back ends: what each does (`base`), and a module for each; `tandem.finetuning.backend_table` lists them."""
