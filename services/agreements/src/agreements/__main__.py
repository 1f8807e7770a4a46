"""`python -m agreements`."""

from agreements.main import main

main()
