"""Chinese and English: a lexicon learnt from the platform's own pairs, and what it adds to a query."""
