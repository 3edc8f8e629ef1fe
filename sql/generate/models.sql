-- Declarations of generated models; the name is put in as a quoted identifier, the option as a number.

-- name: als
CREATE MODEL :name INPUT (user_id BIGINT, item_id BIGINT) OUTPUT (rating DOUBLE)
  WITH ('algorithm' = 'als', 'factors' = ':factors')

-- name: svm
CREATE MODEL :name INPUT (indices ARRAY<BIGINT>, vals ARRAY<DOUBLE>) OUTPUT (label DOUBLE)
  WITH ('algorithm' = 'svm')

-- name: logistic
CREATE MODEL :name INPUT (indices ARRAY<BIGINT>, vals ARRAY<DOUBLE>) OUTPUT (label DOUBLE)
  WITH ('algorithm' = 'logistic')

-- name: ridge
CREATE MODEL :name INPUT (indices ARRAY<BIGINT>, vals ARRAY<DOUBLE>) OUTPUT (label DOUBLE)
  WITH ('algorithm' = 'ridge')
