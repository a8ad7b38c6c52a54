-- The values of variables may be secrets. Sealed they are here, and `config` has only the names. Where
-- this is empty they are still in `config` as they are: servers seal those when they start. Where it is
-- nothing there are none.
ALTER TABLE configs ADD COLUMN variables TEXT;
UPDATE configs SET variables = '' WHERE config LIKE '%"env"%';
CREATE INDEX configs_plain ON configs (job) WHERE variables = '';
