"""``python -m flinkms_sql.jobs``: the job runner as a process of its own; see ``runner``."""

from flinkms_sql.app import jobs_main

if __name__ == "__main__":
    jobs_main()
