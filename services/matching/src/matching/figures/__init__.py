"""Technical figures: their units, how they are read in texts, and how a need's constraints are checked against them.

Pure: no input or output beyond the versioned tables of the package.
"""
