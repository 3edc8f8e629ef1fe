-- Diagnosis from 30 measurements: a linear classifier over a dense array.
-- ${TRAINING} and ${HELD_OUT} are files of JSON lines: {"features": [30 numbers], "malignant": 0 or 1}.

CREATE TABLE diagnoses (features ARRAY<DOUBLE>, malignant DOUBLE)
  WITH ('connector' = 'filesystem', 'path' = '${TRAINING}', 'format' = 'json');

CREATE TABLE diagnoses_held_out (features ARRAY<DOUBLE>, malignant DOUBLE)
  WITH ('connector' = 'filesystem', 'path' = '${HELD_OUT}', 'format' = 'json');

CREATE MODEL cancer INPUT (features ARRAY<DOUBLE>) OUTPUT (malignant DOUBLE)
  WITH ('algorithm' = 'logistic', 'output' = 'class')
  AS SELECT features, malignant FROM diagnoses;
