"""Partners: two parties that have several things to give each other."""
