"""`python -m matching.fit`."""

import sys

from matching.fit.command import main

sys.exit(main())
