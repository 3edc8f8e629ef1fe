"""SQL text -> plan. Pure: no I/O, no clock, no thread.

Life of a statement:
 1. ``lexer.split`` cuts what the client sent into statements;
 2. ``cache`` looks whether this text was planned before: if so, the plan is there;
 3. ``lexer.tokenize`` makes tokens with positions;
 4. ``classify`` decides by tokens alone whose statement it is: the session's, ours, PostgreSQL's;
 5. ``statements`` parses ours (CREATE MODEL, INSERT INTO MODEL, …) and the session's (BEGIN, SET, …);
 6. ``calls`` finds the model calls and ``scopes`` the SELECTs they stand in;
 7. ``bind`` resolves models and checks arguments against their signatures;
 8. ``enginequery`` makes a tree of nodes of what the engine can answer by itself;
 9. ``rewrite`` makes of everything else a statement PostgreSQL can run once the model calls are answered.
"""
