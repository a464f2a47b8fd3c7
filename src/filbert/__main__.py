"""`python -m filbert` is `filbert`."""

import sys

from filbert.cli import main

sys.exit(main())
