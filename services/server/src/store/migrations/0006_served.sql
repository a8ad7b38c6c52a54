-- When a project last got a machine: of those with as many jobs at work the one comes first for which that
-- is longest ago.
ALTER TABLE projects ADD COLUMN served BIGINT NOT NULL DEFAULT 0;
