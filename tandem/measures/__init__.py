"""How well an answer does, and how sure a difference is: what evaluations and training jobs share."""
