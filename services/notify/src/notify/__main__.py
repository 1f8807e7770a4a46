"""`python -m notify`."""

from notify.main import main

main()
