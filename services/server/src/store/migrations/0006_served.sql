-- When a project last got a machine, and as long as it got none, when it was made: of those with as many
-- jobs at work the one comes first for which that is longest ago.
ALTER TABLE projects ADD COLUMN served BIGINT NOT NULL DEFAULT 0;
UPDATE projects SET served = created;

-- Projects that wait, in the order of their turns.
CREATE INDEX projects_waiting ON projects (active, served, id) WHERE queued > 0;
-- The priorities of what waits for a spec.
CREATE INDEX jobs_levels ON jobs (spec, priority)
    WHERE state = 'pending' AND is_held = 0 AND bound_to IS NULL;
