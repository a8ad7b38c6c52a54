-- The part of a trace that a job is within: the request that submitted it. Nothing where it was submitted before
-- this was kept.
ALTER TABLE jobs ADD COLUMN trace TEXT;
