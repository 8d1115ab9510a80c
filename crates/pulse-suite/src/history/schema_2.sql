-- Runs that were given a name; they are kept until the name goes to another run.
CREATE TABLE baselines (
    name      TEXT    PRIMARY KEY,
    run       INTEGER NOT NULL REFERENCES runs (id)
) STRICT, WITHOUT ROWID;
CREATE INDEX baselines_by_run ON baselines (run);
