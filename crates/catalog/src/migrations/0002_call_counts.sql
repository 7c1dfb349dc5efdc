CREATE TABLE call_counts (
    class TEXT PRIMARY KEY,
    minute BIGINT NOT NULL,
    calls BIGINT NOT NULL
);
