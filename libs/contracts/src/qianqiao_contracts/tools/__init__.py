"""What is generated from the models, and the check that a change of them breaks nobody."""
