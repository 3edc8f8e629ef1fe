"""``python -m flinkms_sql`` is ``flinkms``."""

import sys

from flinkms_sql.cli import main

if __name__ == "__main__":
    sys.exit(main())
