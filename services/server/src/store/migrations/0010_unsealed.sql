-- Servers before variables were sealed write nothing into `variables`, and may do so after the tables were brought
-- up to date. So those that seal them write something of every job, and nothing means that nobody has looked.
DROP INDEX configs_plain;
CREATE INDEX configs_plain ON configs (job) WHERE COALESCE(variables, '') = '';
