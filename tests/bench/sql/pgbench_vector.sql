\set user random(0, :users)
\set item random(0, :items)
SELECT predict_vector(:user, :item);
