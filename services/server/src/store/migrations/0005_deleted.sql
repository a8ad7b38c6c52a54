-- Jobs that were deleted: results of theirs may be in the storage of outputs, or on their way there.
CREATE TABLE deleted_jobs (
    job TEXT PRIMARY KEY,
    -- Who had it, and since when: whoever is still at it has to stop.
    runner TEXT,
    claimed BIGINT,
    deleted BIGINT NOT NULL,
    -- Whether what it had in the storage is removed.
    is_clean BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX deleted_jobs_unclean ON deleted_jobs (job) WHERE is_clean = 0;
CREATE INDEX deleted_jobs_runner ON deleted_jobs (runner, claimed);

-- Those that ended long ago.
CREATE INDEX jobs_ended ON jobs (ended) WHERE ended IS NOT NULL;
