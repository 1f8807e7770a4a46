"""The matching engine: texts become terms, terms find candidates, candidates are scored and explained. No I/O."""
