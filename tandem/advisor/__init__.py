"""Fine-tune, retrieve, or both: advice from facts and measurements, by a table of rules with sources, and its price."""
