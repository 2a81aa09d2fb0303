"""Fine-tuning by SageMaker training jobs, which a state machine of the stack runs, and the check before they start."""
