"""``python -m flinkms_sql`` is ``flinkms``: for where the installed script is not on PATH."""

import sys

from flinkms_sql.cli import main

if __name__ == "__main__":
    sys.exit(main())
