//! Traps: schemas and workloads for which everything that may be said is listed. What is said beyond that is a false drop or
//! useless advice, and what is not said is a miss.

use crate::world::World;

/// A schema, statements, and all that is to be found: codes and subjects, without `risky_setting`.
struct Trap {
    name: &'static str,
    schema: &'static str,
    statements: &'static [&'static str],
    expected: &'static [(&'static str, &'static str)],
}

const T: &str = "CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT, b INT, c INT);
    {N} INSERT INTO t SELECT i, 'text ' || (i % 400), i % 700, i % 900 FROM n;";
const W: &str = "CREATE TABLE w(a INT, b INT, c INT, v TEXT, PRIMARY KEY(a)) WITHOUT ROWID;
    {N} INSERT INTO w SELECT i, i % 400, i % 300, hex(randomblob(60)) FROM n;";
const FK: &str =
    "CREATE TABLE p(id INTEGER PRIMARY KEY, code TEXT COLLATE NOCASE UNIQUE, x INT, y INT, UNIQUE(x, y));
    {N} INSERT INTO p SELECT i, 'c' || i, i, i FROM n;";

const TRAPS: &[Trap] = &[
    // Duplicates and prefixes.
    Trap {
        name: "two of the same",
        schema: "{T} CREATE INDEX i1 ON t(a); CREATE INDEX i2 ON t(a);",
        statements: &["SELECT c FROM t WHERE a = ?"],
        expected: &[("duplicate_index", "i2")],
    },
    Trap {
        name: "three of the same leave one",
        schema: "{T} CREATE INDEX i1 ON t(a); CREATE INDEX i2 ON t(\"A\"); CREATE INDEX i3 ON t(a ASC);",
        statements: &["SELECT c FROM t WHERE a = ?"],
        expected: &[("duplicate_index", "i2"), ("duplicate_index", "i3")],
    },
    Trap {
        name: "the beginning of another",
        schema: "{T} CREATE INDEX i1 ON t(a); CREATE INDEX i2 ON t(a, b);",
        statements: &["SELECT c FROM t WHERE a = ?", "SELECT c FROM t WHERE a = ? AND b = 1"],
        expected: &[("redundant_index", "i1")],
    },
    Trap {
        name: "what is kept is not unused",
        schema: "{T} CREATE INDEX i1 ON t(a); CREATE INDEX i2 ON t(a, b);",
        statements: &["SELECT c FROM t WHERE a = ?"],
        expected: &[("redundant_index", "i1")],
    },
    Trap {
        name: "a chain of beginnings",
        schema: "{T} CREATE INDEX i1 ON t(a); CREATE INDEX i2 ON t(a, b); CREATE INDEX i3 ON t(a, b, c);",
        statements: &["SELECT c FROM t WHERE a = ? AND b = 1"],
        expected: &[("redundant_index", "i1"), ("redundant_index", "i2")],
    },
    Trap {
        name: "not the beginning but the end",
        schema: "{T} CREATE INDEX i1 ON t(b); CREATE INDEX i2 ON t(a, b);",
        statements: &["SELECT c FROM t WHERE a = ?", "SELECT c FROM t WHERE b = 1"],
        expected: &[],
    },
    Trap {
        name: "an order by row number needs the short one",
        schema: "{T} CREATE INDEX i1 ON t(a); CREATE INDEX i2 ON t(a, b);",
        statements: &["SELECT c FROM t WHERE a = ? ORDER BY id LIMIT 5", "SELECT c FROM t WHERE a = ? AND b = 1"],
        expected: &[],
    },
    Trap {
        name: "pages by row number need the short one",
        schema: "{T} CREATE INDEX i1 ON t(a); CREATE INDEX i2 ON t(a, b);",
        statements: &["SELECT c FROM t WHERE a = ? AND rowid > 5", "SELECT c FROM t WHERE a = ? AND b = 1"],
        expected: &[],
    },
    Trap {
        name: "a statement in the dark may need the short one",
        schema: "{T} CREATE INDEX i1 ON t(a); CREATE INDEX i2 ON t(a, b);",
        statements: &["SELECT unheard_of(c) FROM t WHERE a = ? ORDER BY id", "SELECT c FROM t WHERE a = ? AND b = 1"],
        expected: &[],
    },
    Trap {
        name: "the row number at the end is there anyway",
        schema: "{T} CREATE INDEX i1 ON t(a); CREATE INDEX i2 ON t(a, id);",
        statements: &["SELECT c FROM t WHERE a = ? ORDER BY id"],
        expected: &[("duplicate_index", "i1")],
    },
    Trap {
        name: "the row number at the end, backwards, is another order",
        schema: "{T} CREATE INDEX i1 ON t(a); CREATE INDEX i2 ON t(a, id DESC);",
        statements: &["SELECT c FROM t WHERE a = ? ORDER BY a, id", "SELECT c FROM t ORDER BY a, id DESC"],
        expected: &[],
    },
    Trap {
        name: "what names the row number means it",
        schema: "{T} CREATE INDEX i1 ON t(a, id); CREATE INDEX i2 ON t(a, id, b); CREATE INDEX i3 ON t(a, b);",
        statements: &["SELECT b FROM t WHERE a = ? ORDER BY id", "SELECT c FROM t WHERE a = ? AND b = 1"],
        expected: &[("duplicate_index", "i1")],
    },
    Trap {
        name: "the row number is the table's order",
        schema: "{T} CREATE INDEX i ON t(id);",
        statements: &["SELECT c FROM t WHERE id = ?"],
        expected: &[("duplicate_index", "i")],
    },
    Trap {
        name: "the row number's index is narrow, and that is used",
        schema: "{T} CREATE INDEX i ON t(id);",
        statements: &["SELECT count(*) FROM t"],
        expected: &[],
    },
    Trap {
        name: "a repetition hides the order from the planner",
        schema: "{T} CREATE INDEX i1 ON t(b); CREATE INDEX i2 ON t(b, b);",
        statements: &["SELECT a FROM t INDEXED BY i1 WHERE b = 1", "SELECT a FROM t INDEXED BY i2 WHERE b = 1"],
        expected: &[],
    },
    Trap {
        name: "what a twin goes for may be the beginning of another",
        schema: "{T} CREATE INDEX i1 ON t(a); CREATE INDEX i2 ON t(a); CREATE INDEX i3 ON t(a, b);",
        statements: &["SELECT c FROM t WHERE a = ? AND b = 1"],
        expected: &[("redundant_index", "i1"), ("redundant_index", "i2")],
    },
    Trap {
        name: "of twins one stays for the order by row number",
        schema: "{T} CREATE INDEX i1 ON t(a); CREATE INDEX i2 ON t(a); CREATE INDEX i3 ON t(a, b);",
        statements: &["SELECT c FROM t WHERE a = ? ORDER BY id", "SELECT c FROM t WHERE a = ? AND b = 1"],
        expected: &[("duplicate_index", "i2")],
    },
    // What enforces.
    Trap {
        name: "a unique index stays",
        schema: "{T} UPDATE t SET c = id; CREATE UNIQUE INDEX i1 ON t(c); CREATE INDEX i2 ON t(c, b);",
        statements: &["SELECT a FROM t WHERE c = ?", "SELECT b FROM t WHERE c > 1990"],
        expected: &[],
    },
    Trap {
        name: "two unique ones stay both",
        schema: "{T} UPDATE t SET c = id; CREATE UNIQUE INDEX i1 ON t(c); CREATE UNIQUE INDEX i2 ON t(c);",
        statements: &["SELECT a FROM t WHERE c = ?"],
        expected: &[],
    },
    Trap {
        name: "a unique one does the work of a plain one",
        schema: "{T} UPDATE t SET c = id; CREATE UNIQUE INDEX i1 ON t(c); CREATE INDEX i2 ON t(c);",
        statements: &["SELECT a FROM t WHERE c = ?"],
        expected: &[("duplicate_index", "i2")],
    },
    Trap {
        name: "a unique partial index stays, and keeps nothing else out",
        schema: "{T} UPDATE t SET c = id; CREATE UNIQUE INDEX i1 ON t(c) WHERE b = 1; CREATE INDEX i2 ON t(c);",
        statements: &["SELECT a FROM t WHERE c = ?"],
        expected: &[],
    },
    Trap {
        name: "a unique constraint does the work",
        schema: "CREATE TABLE t(id INTEGER PRIMARY KEY, a INT UNIQUE, b INT, c INT, UNIQUE(b, c));
            {N} INSERT INTO t SELECT i, i, i, i FROM n; CREATE INDEX i1 ON t(a); CREATE INDEX i2 ON t(b);",
        statements: &["SELECT c FROM t WHERE a = ?", "SELECT a FROM t WHERE b = ?"],
        expected: &[("duplicate_index", "i1"), ("redundant_index", "i2")],
    },
    Trap {
        name: "a primary key of texts is an index",
        schema: "CREATE TABLE t(k TEXT PRIMARY KEY, v); {N} INSERT INTO t SELECT 'k' || i, i FROM n; CREATE INDEX i ON t(k);",
        statements: &["SELECT v FROM t WHERE k = ?"],
        expected: &[("duplicate_index", "i")],
    },
    Trap {
        name: "a unique index nobody asks for stays",
        schema: "{T} UPDATE t SET c = id; CREATE UNIQUE INDEX i1 ON t(c);",
        statements: &["SELECT a FROM t WHERE id = ?"],
        expected: &[],
    },
    // Order of texts, direction, condition.
    Trap {
        name: "another order of texts is another index",
        schema: "{T} CREATE INDEX i1 ON t(a); CREATE INDEX i2 ON t(a COLLATE NOCASE);",
        statements: &["SELECT c FROM t WHERE a = ?", "SELECT c FROM t WHERE a = ? COLLATE NOCASE"],
        expected: &[],
    },
    Trap {
        name: "another order of texts begins nothing",
        schema: "{T} CREATE INDEX i1 ON t(a COLLATE NOCASE); CREATE INDEX i2 ON t(a, b);",
        statements: &["SELECT c FROM t WHERE a = ? AND b = 1", "SELECT c FROM t WHERE a = ? COLLATE NOCASE"],
        expected: &[],
    },
    Trap {
        name: "the other direction is another index",
        schema: "{T} CREATE INDEX i1 ON t(a, b); CREATE INDEX i2 ON t(a, b DESC);",
        statements: &["SELECT id FROM t ORDER BY a, b", "SELECT id FROM t ORDER BY a, b DESC"],
        expected: &[],
    },
    Trap {
        name: "downwards begins nothing that goes upwards",
        schema: "{T} CREATE INDEX i1 ON t(a DESC); CREATE INDEX i2 ON t(a, b);",
        statements: &["SELECT c FROM t WHERE a = ? AND b = 1", "SELECT id FROM t ORDER BY a DESC, id"],
        expected: &[],
    },
    Trap {
        name: "a partial index is smaller than a full one",
        schema: "{T} CREATE INDEX i1 ON t(a) WHERE b = 1; CREATE INDEX i2 ON t(a);",
        statements: &["SELECT c FROM t WHERE a = ? AND b = 1", "SELECT c FROM t WHERE a = ?"],
        expected: &[],
    },
    Trap {
        name: "partial indexes of the same rows",
        schema: "{T} CREATE INDEX i1 ON t(a) WHERE b = 1; CREATE INDEX i2 ON t(a, c) WHERE \"b\"  =  1;",
        statements: &["SELECT c FROM t WHERE a = ? AND b = 1"],
        expected: &[("redundant_index", "i1")],
    },
    Trap {
        name: "partial indexes of other rows",
        schema: "{T} CREATE INDEX i1 ON t(a) WHERE b = 1; CREATE INDEX i2 ON t(a) WHERE b = 2;",
        statements: &["SELECT c FROM t WHERE a = ? AND b = 1", "SELECT c FROM t WHERE a = ? AND b = 2"],
        expected: &[],
    },
    Trap {
        name: "a partial index may be for values that were not seen",
        schema: "{T} CREATE INDEX i1 ON t(c) WHERE b = 3; CREATE INDEX i2 ON t(b);",
        statements: &["SELECT c FROM t WHERE b = ?"],
        expected: &[],
    },
    // Expressions and generated columns.
    Trap {
        name: "the same expression",
        schema: "{T} CREATE INDEX i1 ON t(lower(a)); CREATE INDEX i2 ON t(LOWER( \"a\" ));",
        statements: &["SELECT c FROM t WHERE lower(a) = ?"],
        expected: &[("duplicate_index", "i2")],
    },
    Trap {
        name: "an expression begins another",
        schema: "{T} CREATE INDEX i1 ON t(lower(a)); CREATE INDEX i2 ON t(lower(a), b);",
        statements: &["SELECT c FROM t WHERE lower(a) = ? AND b = 1"],
        expected: &[("redundant_index", "i1")],
    },
    Trap {
        name: "other expressions",
        schema: "{T} CREATE INDEX i1 ON t(lower(a)); CREATE INDEX i2 ON t(upper(a)); CREATE INDEX i3 ON t(a);",
        statements: &["SELECT c FROM t WHERE lower(a) = ?", "SELECT c FROM t WHERE upper(a) = ?", "SELECT c FROM t WHERE a = ?"],
        expected: &[],
    },
    Trap {
        name: "a text in an expression has capitals",
        schema: "{T} CREATE INDEX i1 ON t(instr(a, 'x')); CREATE INDEX i2 ON t(instr(a, 'X'));",
        statements: &["SELECT c FROM t WHERE instr(a, 'x') = 4", "SELECT c FROM t WHERE instr(a, 'X') = 3"],
        expected: &[],
    },
    Trap {
        name: "a path in JSON",
        schema: "CREATE TABLE t(d TEXT); {N} INSERT INTO t SELECT json_object('a', i, 'b', i) FROM n;
            CREATE INDEX i1 ON t(json_extract(d, '$.a')); CREATE INDEX i2 ON t(json_extract(d, '$.b'));",
        statements: &["SELECT d FROM t WHERE json_extract(d, '$.a') = 5", "SELECT d FROM t WHERE json_extract(d, '$.b') = 5"],
        expected: &[],
    },
    Trap {
        name: "a generated column is a column of its own",
        schema: "CREATE TABLE t(a INT, g INT AS (a * 2)); {N} INSERT INTO t SELECT i FROM n;
            CREATE INDEX i1 ON t(a); CREATE INDEX i2 ON t(g);",
        statements: &["SELECT g FROM t WHERE a = ?", "SELECT a FROM t WHERE g = ?"],
        expected: &[],
    },
    Trap {
        name: "a generated column twice",
        schema: "CREATE TABLE t(a INT, g INT AS (a * 2)); {N} INSERT INTO t SELECT i FROM n;
            CREATE INDEX i1 ON t(g); CREATE INDEX i2 ON t(g);",
        statements: &["SELECT a FROM t WHERE g = ?"],
        expected: &[("duplicate_index", "i2")],
    },
    // Tables without row numbers.
    Trap {
        name: "the primary key at the end is there anyway",
        schema: "{W} CREATE INDEX i1 ON w(b); CREATE INDEX i2 ON w(b, a);",
        statements: &["SELECT v FROM w WHERE b = ? ORDER BY a"],
        expected: &[("duplicate_index", "i1")],
    },
    Trap {
        name: "without row numbers, the beginning of another",
        schema: "{W} CREATE INDEX i1 ON w(b); CREATE INDEX i2 ON w(b, c);",
        statements: &["SELECT v FROM w WHERE b = ? AND c = 1"],
        expected: &[("redundant_index", "i1")],
    },
    Trap {
        name: "an order by primary key needs the short one",
        schema: "{W} CREATE INDEX i1 ON w(b); CREATE INDEX i2 ON w(b, c);",
        statements: &["SELECT v FROM w WHERE b = ? ORDER BY a", "SELECT v FROM w WHERE b = ? AND c = 1"],
        expected: &[],
    },
    Trap {
        name: "the primary key is the table",
        schema: "CREATE TABLE w(a INT, b INT, v, PRIMARY KEY(a, b)) WITHOUT ROWID; {N} INSERT INTO w SELECT i % 200, i, i FROM n;
            CREATE INDEX i1 ON w(a, b);",
        statements: &["SELECT v FROM w WHERE a = ? AND b = 3"],
        expected: &[("duplicate_index", "i1")],
    },
    Trap {
        name: "how a descending key sorts elsewhere is not certain",
        schema: "CREATE TABLE w(a INT, b INT, v, PRIMARY KEY(a DESC)) WITHOUT ROWID; {N} INSERT INTO w SELECT i, i % 200, i FROM n;
            CREATE INDEX i1 ON w(b); CREATE INDEX i2 ON w(b, a);",
        statements: &["SELECT v FROM w WHERE b = ?", "SELECT v FROM w WHERE b = ? AND a = 5", "SELECT a FROM w WHERE b > 150"],
        expected: &[("unused_index", "i1")],
    },
    // Extensions.
    Trap {
        name: "a full-text table's own tables are its own",
        schema: "CREATE VIRTUAL TABLE f USING fts5(body); {N} INSERT INTO f SELECT 'word' || (i % 50) FROM n;
            DELETE FROM f WHERE rowid % 3 = 0;",
        statements: &["SELECT rowid FROM f WHERE f MATCH 'word3'", "SELECT id FROM f_content WHERE c0 = 'word3'"],
        expected: &[],
    },
    Trap {
        name: "a full-text table is not scanned for want of an index",
        schema: "CREATE VIRTUAL TABLE f USING fts5(body); {N} INSERT INTO f SELECT 'word' || (i % 50) FROM n;",
        statements: &["SELECT rowid FROM f WHERE body = 'word3'"],
        expected: &[],
    },
    Trap {
        name: "a table of rectangles",
        schema: "CREATE VIRTUAL TABLE r USING rtree(id, x0, x1); {N} INSERT INTO r SELECT i, i, i + 1 FROM n;",
        statements: &["SELECT id FROM r WHERE x0 > 5 AND x1 < 9"],
        expected: &[],
    },
    // Foreign keys.
    Trap {
        name: "children without an index",
        schema: "{FK} CREATE TABLE k(pid INT REFERENCES p, v); {N} INSERT INTO k SELECT i, i FROM n;",
        statements: &["DELETE FROM p WHERE id = ?"],
        expected: &[("foreign_key_without_index", "k(pid)")],
    },
    Trap {
        name: "children with one, that no statement names",
        schema: "{FK} CREATE TABLE k(pid INT REFERENCES p, v); {N} INSERT INTO k SELECT i, i FROM n; CREATE INDEX i ON k(pid);",
        statements: &["DELETE FROM p WHERE id = ?", "SELECT v FROM k WHERE rowid = 1"],
        expected: &[],
    },
    Trap {
        name: "an index of children is not unused because the workload reads them otherwise",
        schema: "{FK} CREATE TABLE k(pid INT REFERENCES p, v INT); {N} INSERT INTO k SELECT i, i FROM n; CREATE INDEX i ON k(pid, v);",
        statements: &["SELECT v FROM k WHERE rowid = ?"],
        expected: &[],
    },
    Trap {
        name: "the primary key finds the children",
        schema: "{FK} CREATE TABLE k(pid INT REFERENCES p, n INT, PRIMARY KEY(pid, n)) WITHOUT ROWID;
            {N} INSERT INTO k SELECT i, i FROM n;
            CREATE TABLE one(pid INTEGER PRIMARY KEY REFERENCES p); {N} INSERT INTO one SELECT i FROM n;",
        statements: &["DELETE FROM p WHERE id = ?"],
        expected: &[],
    },
    Trap {
        name: "a partial index of those that have a parent finds them",
        schema: "{FK} CREATE TABLE k(pid INT REFERENCES p, v); {N} INSERT INTO k SELECT i, i FROM n;
            CREATE INDEX i ON k(pid) WHERE pid IS NOT NULL;",
        statements: &["DELETE FROM p WHERE id = ?"],
        expected: &[],
    },
    Trap {
        name: "a partial index of some does not find them",
        schema: "{FK} CREATE TABLE k(pid INT REFERENCES p, v); {N} INSERT INTO k SELECT i, i FROM n;
            CREATE INDEX i ON k(pid) WHERE v = 1;",
        statements: &["DELETE FROM p WHERE id = ?"],
        expected: &[("foreign_key_without_index", "k(pid)")],
    },
    Trap {
        name: "children are looked for in the parent's order of texts",
        schema: "{FK} CREATE TABLE k(pc TEXT REFERENCES p(code)); {N} INSERT INTO k SELECT 'c' || i FROM n; CREATE INDEX i ON k(pc);",
        statements: &["DELETE FROM p WHERE id = ?"],
        expected: &[("foreign_key_without_index", "k(pc)")],
    },
    Trap {
        name: "two columns in any order",
        schema: "{FK} CREATE TABLE k(px INT, py INT, v, FOREIGN KEY(px, py) REFERENCES p(x, y));
            {N} INSERT INTO k SELECT i, i, i FROM n; CREATE INDEX i ON k(py, px, v);",
        statements: &["DELETE FROM p WHERE id = ?"],
        expected: &[],
    },
    Trap {
        name: "a parent that is missing",
        schema: "PRAGMA foreign_keys = OFF; CREATE TABLE k(pid INT REFERENCES nobody, v); {N} INSERT INTO k SELECT i, i FROM n;",
        statements: &["SELECT v FROM k"],
        expected: &[],
    },
    Trap {
        name: "few children",
        schema: "{FK} CREATE TABLE k(pid INT REFERENCES p, v); INSERT INTO k VALUES(1, 1);",
        statements: &["DELETE FROM p WHERE id = ?"],
        expected: &[],
    },
    // Used where no plan shows it, or not known to be unused.
    Trap {
        name: "a statement insists on it",
        schema: "{T} CREATE INDEX i1 ON t(a); CREATE INDEX i2 ON t(a);",
        statements: &["SELECT c FROM t INDEXED BY i1 WHERE a = ?", "SELECT c FROM t INDEXED BY i2 WHERE a = ?"],
        expected: &[],
    },
    Trap {
        name: "a view insists on it",
        schema: "{T} CREATE INDEX i1 ON t(a); CREATE INDEX i2 ON t(a, b); CREATE VIEW v AS SELECT * FROM t INDEXED BY i1 WHERE a > '';",
        statements: &["SELECT c FROM t WHERE a = ? AND b = 1"],
        expected: &[],
    },
    Trap {
        name: "a trigger may use it",
        schema: "{T} CREATE INDEX i1 ON t(b); CREATE TABLE log(x);
            CREATE TRIGGER g AFTER INSERT ON log BEGIN DELETE FROM t WHERE b = new.x; END;",
        statements: &["SELECT a FROM t WHERE id = ?"],
        expected: &[],
    },
    Trap {
        name: "unused by the workload",
        schema: "{T} CREATE INDEX i1 ON t(b);",
        statements: &["SELECT a FROM t WHERE id = ?"],
        expected: &[("unused_index", "i1")],
    },
    Trap {
        name: "the workload never looks at the table",
        schema: "{T} CREATE INDEX i1 ON t(b); CREATE TABLE other(x);",
        statements: &["SELECT x FROM other"],
        expected: &[],
    },
    Trap {
        name: "a statement in the dark may use it",
        schema: "{T} CREATE INDEX i1 ON t(b);",
        statements: &["SELECT a FROM t WHERE id = ?", "SELECT unheard_of(a) FROM t WHERE b = 1"],
        expected: &[],
    },
    // Scans.
    Trap {
        name: "a scan for some rows",
        schema: "{T}",
        statements: &["SELECT a FROM t WHERE b = ?"],
        expected: &[("full_scan", "t")],
    },
    Trap {
        name: "a scan under another name",
        schema: "{T}",
        statements: &["SELECT x.a FROM t AS x WHERE x.b = ?"],
        expected: &[("full_scan", "t")],
    },
    Trap {
        name: "all rows are wanted",
        schema: "{T}",
        statements: &["SELECT a FROM t", "SELECT sum(b) FROM t"],
        expected: &[],
    },
    Trap {
        name: "a small table is read faster than searched",
        schema: "CREATE TABLE small(a, b); INSERT INTO small VALUES(1, 2), (3, 4);",
        statements: &["SELECT a FROM small WHERE b = ?"],
        expected: &[],
    },
    Trap {
        name: "an index is built at every call",
        schema: "{T} CREATE TABLE u(x INT, y INT); {N} INSERT INTO u SELECT i, i FROM n;",
        statements: &["SELECT count(t.a) FROM u JOIN t WHERE t.c = u.x"],
        expected: &[("missing_index", "t")],
    },
    // Statements to be written differently.
    Trap {
        name: "a column in a function",
        schema: "{T} CREATE INDEX i1 ON t(a);",
        statements: &["SELECT c FROM t WHERE lower(a) = 'x'", "SELECT c FROM t WHERE a = ?"],
        expected: &[("rewrite", "SELECT c FROM t WHERE lower(a) = ?")],
    },
    Trap {
        name: "a function with its index",
        schema: "{T} CREATE INDEX i1 ON t(lower(a));",
        statements: &["SELECT c FROM t WHERE lower(a) = 'x'"],
        expected: &[],
    },
    Trap {
        name: "a function that only shows",
        schema: "{T}",
        statements: &["SELECT lower(a), max(b), count(c) FROM t"],
        expected: &[],
    },
    Trap {
        name: "a cast to what it is",
        schema: "{T} CREATE INDEX i1 ON t(b);",
        statements: &["SELECT c FROM t WHERE CAST(b AS INTEGER) = 5", "SELECT c FROM t WHERE b = 5"],
        expected: &[("rewrite", "SELECT c FROM t WHERE CAST(b AS INTEGER) = ?")],
    },
    Trap {
        name: "a plus",
        schema: "{T} CREATE INDEX i1 ON t(b);",
        statements: &["SELECT c FROM t WHERE +b = 5", "SELECT c FROM t WHERE b = 5"],
        expected: &[("rewrite", "SELECT c FROM t WHERE + b = ?")],
    },
    Trap {
        name: "a sum is no plus",
        schema: "{T} CREATE INDEX i1 ON t(b);",
        statements: &["SELECT a FROM t WHERE 5000 < c + b", "SELECT c FROM t WHERE b = 5"],
        expected: &[("full_scan", "t")],
    },
    Trap {
        name: "another order of texts than the index has",
        schema: "{T} CREATE INDEX i1 ON t(a);",
        statements: &["SELECT c FROM t WHERE a COLLATE NOCASE = 'x'", "SELECT c FROM t WHERE a = 'x'"],
        expected: &[("rewrite", "SELECT c FROM t WHERE a COLLATE NOCASE = ?")],
    },
    Trap {
        name: "a pattern over an index that regards capitals",
        schema: "{T} CREATE INDEX i1 ON t(a);",
        statements: &["SELECT c FROM t WHERE a LIKE ? -- text 1%", "SELECT c FROM t WHERE a = 'x'"],
        expected: &[("rewrite", "SELECT c FROM t WHERE a LIKE ?")],
    },
    Trap {
        name: "a pattern with its index",
        schema: "{T} CREATE INDEX i1 ON t(a COLLATE NOCASE);",
        statements: &["SELECT c FROM t WHERE a LIKE 'text 1%'"],
        expected: &[],
    },
    Trap {
        name: "a pattern that begins with anything",
        schema: "{T} CREATE INDEX i1 ON t(a);",
        statements: &["SELECT c FROM t WHERE a LIKE '%9'", "SELECT c FROM t WHERE a = 'x'"],
        expected: &[("rewrite", "SELECT c FROM t WHERE a LIKE ?")],
    },
    Trap {
        name: "a glob uses the index",
        schema: "{T} CREATE INDEX i1 ON t(a);",
        statements: &["SELECT c FROM t WHERE a GLOB 'text 1*'"],
        expected: &[],
    },
    Trap {
        name: "a number for a text uses the index",
        schema: "{T} CREATE INDEX i1 ON t(a);",
        statements: &["SELECT c FROM t WHERE a = 5"],
        expected: &[],
    },
    Trap {
        name: "a join that converts",
        schema: "{T} CREATE INDEX i1 ON t(a); CREATE TABLE u(x INTEGER, y INT); {N} INSERT INTO u SELECT i, i FROM n;",
        statements: &["SELECT t.c FROM u CROSS JOIN t ON u.x = t.a", "SELECT c FROM t WHERE a = 'x'"],
        expected: &[("rewrite", "SELECT t.c FROM u CROSS JOIN t ON u.x = t.a")],
    },
    // Statistics.
    Trap {
        name: "never analyzed",
        schema: "{T} CREATE INDEX i1 ON t(b); --never",
        statements: &["SELECT a FROM t WHERE b = ?"],
        expected: &[("missing_statistics", "t")],
    },
    Trap {
        name: "nothing to choose between",
        schema: "{T} UPDATE t SET c = id; CREATE UNIQUE INDEX i1 ON t(c); --never",
        statements: &["SELECT a FROM t WHERE c = ?"],
        expected: &[],
    },
    Trap {
        name: "analyzed when it was small",
        schema: "CREATE TABLE t(a INT, b INT); INSERT INTO t VALUES(1, 1); CREATE INDEX i1 ON t(a); ANALYZE;
            {N} INSERT INTO t SELECT i, i FROM n; --never",
        statements: &["SELECT b FROM t WHERE a = ?"],
        expected: &[("full_scan", "t"), ("stale_statistics", "t")],
    },
];

fn world(trap: &Trap) -> World {
    let mut schema = trap.schema.replace("{T}", T).replace("{W}", W).replace("{FK}", FK);
    if !schema.ends_with("--never") {
        schema.push_str(" ANALYZE;");
    }
    World::new(&schema, trap.statements)
}

fn said(world: &World) -> Vec<(String, String)> {
    let findings =
        world.findings().into_iter().filter(|it| it.code != "risky_setting" && it.code != "slow_query");
    let mut said: Vec<_> = findings.map(|finding| (finding.code, finding.subject)).collect();
    said.sort();
    said
}

#[test]
fn no_false_drop_and_no_useless_advice() {
    assert!(TRAPS.len() >= 40);
    let mut wrong = Vec::new();
    for trap in TRAPS {
        let world = world(trap);
        let mut expected: Vec<_> =
            trap.expected.iter().map(|(code, subject)| ((*code).to_owned(), (*subject).to_owned())).collect();
        expected.sort();
        let said = said(&world);
        if said != expected {
            let plans: Vec<_> = world
                .explained
                .iter()
                .flatten()
                .flat_map(|it| &it.plan.steps)
                .map(|step| &step.detail)
                .collect();
            wrong.push(format!("{}: said {said:?}, expected {expected:?}; plans {plans:?}", trap.name));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), TRAPS.len(), wrong.join("\n"));
}

#[test]
fn every_fix_runs_and_its_undo_restores_the_schema() {
    for trap in TRAPS {
        let world = world(trap);
        let connection =
            rusqlite::Connection::open(world.folder.path().join("world.db")).expect("a database");
        let schema = || {
            let sql = "SELECT group_concat(sql, char(10) ORDER BY name) FROM sqlite_schema WHERE name NOT LIKE 'sqlite%'";
            connection.query_row(sql, [], |row| row.get::<_, String>(0)).expect("a schema")
        };
        let before = schema();
        for fix in world.findings().into_iter().filter_map(|finding| finding.fix) {
            let run = |statements: &[String]| {
                for sql in statements {
                    // A change of the journal's mode gives a row.
                    let mut statement = connection
                        .prepare(sql)
                        .unwrap_or_else(|error| panic!("{}: {sql}: {error}", trap.name));
                    let mut rows = statement.raw_query();
                    while rows
                        .next()
                        .unwrap_or_else(|error| panic!("{}: {sql}: {error}", trap.name))
                        .is_some()
                    {}
                }
            };
            run(&fix.sql);
            run(&fix.undo);
        }
        assert_eq!(schema(), before, "{}", trap.name);
    }
}

#[test]
fn nothing_is_called_unused_without_a_workload() {
    let schema = format!("{T} CREATE INDEX i1 ON t(b); ANALYZE;");
    let world = World::new(&schema, &["SELECT a FROM t WHERE id = ?"]).structural();
    assert_eq!(said(&world), []);
}

#[test]
fn what_may_be_chosen_for_other_values_is_not_dropped() {
    let schema = format!("{T} CREATE INDEX i1 ON t(b); CREATE INDEX i2 ON t(a); ANALYZE;");
    for (sql, has_fix) in
        [("SELECT c FROM t WHERE b = ? AND a = 'x'", false), ("SELECT c FROM t WHERE b = ?", true)]
    {
        let findings = World::new(&schema, &[sql]).findings();
        let finding = findings.iter().find(|finding| finding.code == "unused_index").expect(sql);
        assert_eq!((finding.subject.as_str(), finding.fix.is_some()), ("i2", has_fix), "{sql}");
    }
}

#[test]
fn lines_that_were_not_understood_leave_no_statement_to_drop() {
    let schema = format!("{T} CREATE INDEX i1 ON t(b); ANALYZE;");
    let world = World::new(&schema, &["SELECT a FROM t WHERE id = ?"]).skip(3);
    let findings = world.findings();
    let finding = findings.iter().find(|finding| finding.code == "unused_index").expect("unused");
    assert!(
        finding.fix.is_none() && finding.evidence.iter().any(|line| line.starts_with("3 lines")),
        "{finding:?}"
    );
}
