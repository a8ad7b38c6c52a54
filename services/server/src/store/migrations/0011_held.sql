-- Until when a job is held back that could not be given to its runner; nothing: it is not, or waits for the first
-- of its comparison.
ALTER TABLE jobs ADD COLUMN held_until BIGINT;
CREATE INDEX jobs_due ON jobs (held_until) WHERE state = 'pending' AND held_until IS NOT NULL;
