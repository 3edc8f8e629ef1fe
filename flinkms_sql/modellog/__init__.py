"""The model log: streams and model tables as files. The format is docs/modellog.md.

The one interface between Flink and everything that serves; must not know about SQL, sessions, models or Flink.
From the bytes up: ``frame`` (what is written, checked and applied whole), ``segments`` (files of a partition and their
epochs), ``partition`` (tailing reader), ``writer`` (one partition's writer), ``stream`` (group commit), ``base``
(trained rows), ``index`` (key -> row), ``replica`` (a served version), ``version`` (version.json), ``compact``,
``durable`` (how far readers of a stream may go).
"""
