"""What things cost, from dated price rows; nothing here asks AWS."""
