-- Programs that runners may become.
CREATE TABLE releases (
    id TEXT PRIMARY KEY,
    version TEXT NOT NULL,
    channel TEXT NOT NULL,
    os TEXT NOT NULL,
    architecture TEXT NOT NULL,
    url TEXT NOT NULL,
    checksum TEXT NOT NULL,
    created BIGINT NOT NULL,
    UNIQUE (channel, os, architecture, checksum)
);

-- Which of them a runner was offered last, and when.
CREATE TABLE offers (
    runner TEXT PRIMARY KEY REFERENCES runners (id),
    checksum TEXT NOT NULL,
    offered BIGINT NOT NULL
);
