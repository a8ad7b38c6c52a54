-- How a job was measured, as its runner says: JSON, or the name of the object that it is in.
ALTER TABLE jobs ADD COLUMN evidence TEXT;
-- What people are told of that at a glance: JSON.
ALTER TABLE jobs ADD COLUMN measured TEXT;
