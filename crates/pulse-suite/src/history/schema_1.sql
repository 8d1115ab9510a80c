-- A run of `pulse load` or of a suite.
CREATE TABLE runs (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    suite     TEXT    NOT NULL,
    started   TEXT    NOT NULL,          -- RFC 3339, UTC
    revision  TEXT,                      -- commit
    branch    TEXT,
    dirty     INTEGER NOT NULL,
    machine   TEXT    NOT NULL,
    version   TEXT    NOT NULL,          -- of Pulse
    verdict   TEXT,
    validity  TEXT    NOT NULL,
    summary   TEXT    NOT NULL           -- JSON, without cases
) STRICT;

-- What a run found out about one case.
CREATE TABLE cases (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    run       INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    name      TEXT    NOT NULL,
    verdict   TEXT,
    validity  TEXT    NOT NULL,
    summary   TEXT    NOT NULL,          -- JSON
    intervals TEXT,                      -- JSON; NULL once it is old
    UNIQUE (run, name)
) STRICT;
CREATE INDEX cases_by_name ON cases (name, id);

-- Figures of a case, for trends without reading its summary.
CREATE TABLE metrics (
    case_id   INTEGER NOT NULL REFERENCES cases (id) ON DELETE CASCADE,
    metric    TEXT    NOT NULL,
    value     REAL    NOT NULL,          -- base unit: nanoseconds, bytes, share, per second
    PRIMARY KEY (case_id, metric)
) STRICT, WITHOUT ROWID;
