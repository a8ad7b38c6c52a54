-- What a job runs is kept apart from what becomes of it: SQLite writes a whole row anew at each
-- change of a state, and reads it up to the column that is asked for.
CREATE TABLE configs (
    job TEXT PRIMARY KEY REFERENCES jobs (id),
    config TEXT NOT NULL
);
INSERT INTO configs (job, config) SELECT id, config FROM jobs;
ALTER TABLE jobs DROP COLUMN config;

-- The next job of each kind that is bound to a machine.
DROP INDEX jobs_bound;
CREATE INDEX jobs_bound ON jobs (bound_to, project, spec, id)
    WHERE state = 'pending' AND bound_to IS NOT NULL;

-- Lists of one state, and how many jobs are in each. Of an expression, for those queries alone that say
-- it: SQLite does not know how many jobs are in a state, and would use it instead of all the others.
-- The state itself is there so that counting reads no rows.
CREATE INDEX jobs_state ON jobs ((state || ''), id, state);
-- Lists of one runner.
CREATE INDEX jobs_of_runner ON jobs (runner, id);

-- What was encrypted with the key of the secrets, so that another key is noticed.
CREATE TABLE seals (
    name TEXT PRIMARY KEY,
    sealed TEXT NOT NULL
);
