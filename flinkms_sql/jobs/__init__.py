"""Jobs on Flink: training, learning, evaluating and scoring, from the registry's queue to the cluster and back.

The life of a job
 1. a statement (``CREATE MODEL … AS SELECT``) becomes a row of ``flinkms.jobs``, written by ``deploy``;
 2. ``runner`` claims the row and gives it a thread;
 3. the job's kind (``train``, ``learn``, ``evaluate``, ``score``) says what to submit and what its end means;
 4. ``pipeline`` turns the user's SELECT into a Table pipeline around the templates in sql/jobs/;
 5. ``environment`` hands it to the session cluster (with ``gateway`` the one file that talks to PyFlink's client JVM);
 6. inside the cluster's Python workers run ``udfs.flink`` (fit) and ``worker`` (predict, learn, evaluate);
 7. ``cluster`` watches over Flink's REST interface, and the kind publishes, restarts or reports.
"""
