"""Fine-tuning: data sets, recipes, training, evaluation and the functions of the pipeline."""
