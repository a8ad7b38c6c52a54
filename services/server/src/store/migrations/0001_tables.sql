-- Written so that SQLite and PostgreSQL both understand it: identifiers are texts, moments are
-- milliseconds since 1970, and truths are 0 and 1.

CREATE TABLE projects (
    id TEXT PRIMARY KEY,
    slug TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    max_queued BIGINT NOT NULL,
    max_active BIGINT NOT NULL,
    max_priority BIGINT NOT NULL,
    -- How many of its jobs wait and how many are at work: kept with every change of a job's state.
    queued BIGINT NOT NULL DEFAULT 0,
    active BIGINT NOT NULL DEFAULT 0,
    created BIGINT NOT NULL
);

CREATE TABLE tokens (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    -- The SHA-256 of the token: the token itself is kept nowhere.
    hash TEXT NOT NULL UNIQUE,
    role TEXT NOT NULL,
    -- Nothing: all projects.
    project TEXT REFERENCES projects (id),
    created BIGINT NOT NULL,
    revoked BIGINT
);

CREATE TABLE specs (
    id TEXT PRIMARY KEY,
    slug TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    os TEXT NOT NULL,
    architecture TEXT NOT NULL,
    sandbox TEXT,
    cpu BIGINT NOT NULL,
    memory BIGINT NOT NULL,
    disk BIGINT NOT NULL,
    network BIGINT NOT NULL,
    created BIGINT NOT NULL,
    modified BIGINT NOT NULL,
    archived BIGINT
);

CREATE TABLE runners (
    id TEXT PRIMARY KEY,
    slug TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    -- The SHA-256 of the key: the key itself is kept nowhere.
    key_hash TEXT NOT NULL,
    created BIGINT NOT NULL,
    archived BIGINT,
    seen BIGINT,
    -- What it last said of itself: JSON.
    metadata TEXT,
    -- Its newest connection: older ones get no more jobs.
    connection TEXT
);

CREATE TABLE runner_specs (
    runner TEXT NOT NULL REFERENCES runners (id),
    spec TEXT NOT NULL REFERENCES specs (id),
    PRIMARY KEY (runner, spec)
);

CREATE TABLE jobs (
    -- Of UUID version 7: its order is that of submission.
    id TEXT PRIMARY KEY,
    project TEXT NOT NULL REFERENCES projects (id),
    spec TEXT NOT NULL REFERENCES specs (id),
    submitter TEXT REFERENCES tokens (id),
    created BIGINT NOT NULL,
    priority BIGINT NOT NULL,
    -- Seconds that the command may run, all iterations together.
    timeout BIGINT NOT NULL,
    -- What is to be run: JSON, as the runner gets it.
    config TEXT NOT NULL,

    comparison TEXT,
    side BIGINT,
    position BIGINT,
    -- It waits until the first job of its comparison has found a machine.
    is_held BIGINT NOT NULL DEFAULT 0,
    bound_to TEXT,

    state TEXT NOT NULL,
    reason TEXT,
    error TEXT,
    runner TEXT REFERENCES runners (id),
    is_confirmed BIGINT NOT NULL DEFAULT 0,
    lease BIGINT,
    deadline BIGINT,
    claimed BIGINT,
    started BIGINT,
    ended BIGINT,

    -- The results, a JSON list, or the name of the object that they are in.
    results TEXT,
    -- What the results hold: JSON.
    summary TEXT
);

CREATE INDEX jobs_free ON jobs (project, spec, priority DESC, id)
    WHERE state = 'pending' AND is_held = 0 AND bound_to IS NULL;
CREATE INDEX jobs_bound ON jobs (bound_to, id) WHERE state = 'pending' AND bound_to IS NOT NULL;
CREATE INDEX jobs_active ON jobs (lease) WHERE state IN ('claimed', 'running');
CREATE INDEX jobs_completed ON jobs (id) WHERE state = 'completed';
CREATE INDEX jobs_runner ON jobs (runner, claimed);
CREATE INDEX jobs_project ON jobs (project, id);
CREATE INDEX jobs_comparison ON jobs (comparison, position) WHERE comparison IS NOT NULL;

-- Credentials of registries, encrypted.
CREATE TABLE credentials (
    registry TEXT PRIMARY KEY,
    sealed TEXT NOT NULL,
    created BIGINT NOT NULL
);
