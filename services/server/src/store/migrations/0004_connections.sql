-- Which of its process's connections a runner's newest one is, as the runner says it: the process's UUID, a
-- point, and a number from 1. Nothing where it does not say it.
ALTER TABLE runners ADD COLUMN connection_number TEXT;
