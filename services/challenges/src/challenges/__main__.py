"""`python -m challenges`."""

from challenges.main import main

main()
