"""A frontend over a random model in memory, by the code of the tree it is started in, until its standard input ends.

It prints its port and where its code is from. Must use only what earlier trees have: ``tests.serving.frontend``.
"""

import sys

import flinkms_sql
from tests.serving import frontend

with frontend() as running:
    print(running.port, flinkms_sql.__file__, flush=True)
    sys.stdin.read()
