\set user random(0, :users)
\set item random(0, :items)
SELECT score FROM predict_inlined(:user, :item);
