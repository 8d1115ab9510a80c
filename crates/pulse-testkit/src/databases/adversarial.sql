-- Names that must be quoted.
CREATE TABLE "order" (
    "select" INTEGER PRIMARY KEY,
    "from" TEXT NOT NULL,
    "group by" TEXT,
    "quo""te" TEXT,
    "it's" INTEGER,
    "Größe" REAL,
    "a.b" TEXT
);
CREATE INDEX "index on ""order""" ON "order" ("quo""te", "it's");
CREATE TABLE "x"" ; DROP TABLE users; --" (
    id INTEGER PRIMARY KEY,
    "order" INTEGER REFERENCES "order" ("select"),
    " " TEXT
);
CREATE TABLE 数据 (键 TEXT PRIMARY KEY, 值 INTEGER);

-- Skew and nulls.
CREATE TABLE jobs (
    id INTEGER PRIMARY KEY,
    status TEXT NOT NULL,
    priority INTEGER,
    deleted_at TEXT,
    remark TEXT,
    payload TEXT
);
CREATE INDEX jobs_status ON jobs (status);
CREATE UNIQUE INDEX jobs_open_priority ON jobs (priority) WHERE status = 'open' AND priority IS NOT NULL;

-- Collations and directions: none of these indexes does another's work, but for the two that are the same.
CREATE TABLE people (
    id INTEGER PRIMARY KEY,
    name TEXT COLLATE NOCASE,
    code TEXT COLLATE RTRIM,
    email TEXT,
    born TEXT
);
CREATE INDEX people_name ON people (name);
CREATE INDEX people_name_binary ON people (name COLLATE BINARY);
CREATE INDEX people_code ON people (code);
CREATE UNIQUE INDEX people_email ON people (email);
CREATE INDEX people_lower_email ON people (lower(email));
CREATE INDEX people_born_name ON people (born DESC, name);
CREATE INDEX people_born_name_up ON people (born, name);
CREATE INDEX people_born ON people (born DESC);
CREATE INDEX people_code_again ON people (code);
CREATE INDEX people_code_id ON people (code, id);

-- Tables that are kept by their key.
CREATE TABLE grades (
    school TEXT,
    pupil INTEGER,
    subject TEXT,
    grade INTEGER,
    PRIMARY KEY (school, pupil, subject)
) WITHOUT ROWID;
CREATE INDEX grades_subject ON grades (subject);
CREATE INDEX grades_subject_school ON grades (subject, school);
CREATE TABLE settings (key TEXT PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID;

-- Columns that are computed.
CREATE TABLE boxes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    wide INTEGER,
    high INTEGER,
    area INTEGER GENERATED ALWAYS AS (wide * high) VIRTUAL,
    label TEXT AS ('box ' || wide) STORED,
    details TEXT
);
CREATE INDEX boxes_area ON boxes (area);
CREATE INDEX boxes_colour ON boxes (json_extract(details, '$.colour'));

-- Keys of other tables: of several columns, of itself, of a table that is missing, and of another type.
CREATE TABLE stores (country TEXT, number INTEGER, name TEXT, PRIMARY KEY (country, number));
CREATE TABLE sales (
    id INTEGER PRIMARY KEY,
    country TEXT,
    store INTEGER,
    parent INTEGER REFERENCES sales (id) ON DELETE CASCADE,
    coupon INTEGER REFERENCES coupons (id),
    person TEXT REFERENCES people (id),
    amount REAL,
    FOREIGN KEY (country, store) REFERENCES stores (country, number)
);

-- Full text, with the triggers that keep it.
CREATE TABLE notes (id INTEGER PRIMARY KEY, title TEXT, body TEXT, changed_at TEXT);
CREATE VIRTUAL TABLE notes_text USING fts5 (title, body, content = 'notes', content_rowid = 'id');
CREATE TRIGGER notes_inserted AFTER INSERT ON notes BEGIN
    INSERT INTO notes_text (rowid, title, body) VALUES (new.id, new.title, new.body);
END;
CREATE TRIGGER notes_deleted AFTER DELETE ON notes BEGIN
    INSERT INTO notes_text (notes_text, rowid, title, body) VALUES ('delete', old.id, old.title, old.body);
END;
CREATE VIRTUAL TABLE places USING rtree (id, west, east, south, north);

-- A trigger that searches a table without an index, and views.
CREATE TABLE audit (id INTEGER PRIMARY KEY, job INTEGER, event TEXT, at TEXT);
CREATE TRIGGER jobs_updated AFTER UPDATE OF status ON jobs BEGIN
    UPDATE audit SET at = '2000-01-01' WHERE job = old.id AND event = 'last';
    INSERT INTO audit (job, event, at) VALUES (old.id, CASE WHEN new.status = 'open' THEN 'opened' ELSE 'closed' END, '2000-01-01');
END;
CREATE VIEW open_jobs AS SELECT id, priority, payload FROM jobs WHERE status = 'open';
CREATE VIEW "sales by store" AS
    SELECT s.name, count(*) AS sales, sum(amount) AS amount
    FROM sales JOIN stores s ON s.country = sales.country AND s.number = sales.store GROUP BY s.country, s.number;
CREATE TABLE empty (id INTEGER PRIMARY KEY, value TEXT);
