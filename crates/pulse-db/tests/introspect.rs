//! What is read of real files: everything that there is, and every file that is not as it should be.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use pulse_db::catalog::{IndexOrigin, TableKind, TableName, Term};
use pulse_db::{Catalog, DatabaseError, Progress, Sqlite, Unwatched};
use rusqlite::Connection;
use tempfile::TempDir;

/// A database in a folder of its own.
struct Case {
    folder: TempDir,
}

impl Case {
    fn new(sql: &str) -> Self {
        let case = Self::empty();
        case.writer().execute_batch(sql).expect(sql);
        case
    }

    fn empty() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder") }
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("a b'%?#ü.db")
    }

    fn writer(&self) -> Connection {
        Connection::open(self.path()).expect("a database")
    }

    fn read(&self) -> Result<Catalog, DatabaseError> {
        Sqlite::open_waiting(self.path(), Duration::from_millis(50))?.introspect(&mut Unwatched)
    }

    fn catalog(&self) -> Catalog {
        self.read().expect("a catalog")
    }

    fn files(&self) -> BTreeMap<String, Vec<u8>> {
        files(self.folder.path())
    }
}

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry"));
    entries
        .map(|it| (it.file_name().to_string_lossy().into_owned(), std::fs::read(it.path()).expect("a file")))
        .collect()
}

const RICH: &str = "
    PRAGMA user_version = 7;
    CREATE TABLE parent(id INTEGER PRIMARY KEY, code TEXT COLLATE NOCASE UNIQUE);
    CREATE TABLE child(
        a INT NOT NULL, b TEXT, parent INT REFERENCES parent, other INT, more INT,
        twice INT GENERATED ALWAYS AS (a * 2) VIRTUAL, thrice INT AS (a * 3) STORED,
        FOREIGN KEY(other, more) REFERENCES pair(x, y));
    CREATE TABLE pair(y INT, x INT, v, PRIMARY KEY(x, y)) WITHOUT ROWID;
    CREATE TABLE text_key(k TEXT PRIMARY KEY, v);
    CREATE INDEX child_ab ON child(a DESC, b COLLATE NOCASE);
    CREATE INDEX child_lower ON child(lower(b), a) WHERE b IS NOT NULL AND a > 0;
    CREATE UNIQUE INDEX child_thrice ON child(thrice);
    CREATE VIRTUAL TABLE words USING fts5(body);
    CREATE VIEW seen AS SELECT a FROM child;
    CREATE TRIGGER after_insert AFTER INSERT ON parent BEGIN DELETE FROM child WHERE a < 0; END;
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
        INSERT INTO child(a, b) SELECT i, 'text number ' || i FROM n;
    INSERT INTO pair SELECT a, a + 1, hex(randomblob(20)) FROM child;
    INSERT INTO words SELECT b FROM child LIMIT 10;
    ANALYZE;
    INSERT INTO parent(code) SELECT b FROM child LIMIT 5;
    DELETE FROM child WHERE a > 2990;
";

fn table<'a>(catalog: &'a Catalog, name: &str) -> &'a pulse_db::catalog::Table {
    catalog.table(&TableName::main(name)).expect(name)
}

#[test]
fn everything_is_read() {
    let catalog = Case::new(RICH).catalog();
    assert_eq!(catalog.unread, []);
    let child = table(&catalog, "child");
    assert_eq!(
        (child.kind, child.rows, child.analyzed_rows),
        (TableKind::Ordinary, Some(2_990), Some(3_000))
    );
    assert!(child.row_number.is_none() && child.primary_key.is_empty());
    let generated: Vec<_> =
        child.columns.iter().filter(|column| column.generated).map(|it| it.name.as_str()).collect();
    assert_eq!(generated, ["twice", "thrice"]);
    assert!(child.column("A").expect("a").not_null);
    let keys: Vec<_> = child
        .foreign_keys
        .iter()
        .map(|key| (key.parent.name.as_str(), key.columns.join(), key.parent_columns.join()))
        .collect();
    assert!(keys.contains(&("parent", "parent".to_owned(), "id".to_owned())), "{keys:?}");
    assert!(keys.contains(&("pair", "other,more".to_owned(), "x,y".to_owned())), "{keys:?}");

    let (_, index) = catalog.index("main", "child_ab").expect("an index");
    let parts: Vec<_> = index
        .parts
        .iter()
        .map(|part| (part.term.clone(), part.descending, part.collation.as_str()))
        .collect();
    let column = |name: &str| Term::Column(name.to_owned());
    assert_eq!(parts, [(column("a"), true, "BINARY"), (column("b"), false, "NOCASE")]);
    let (_, index) = catalog.index("main", "child_lower").expect("an index");
    assert_eq!(index.parts[0].term, Term::Expression("lower(b)".to_owned()));
    assert_eq!(index.predicate.as_deref(), Some("b IS NOT NULL AND a > 0"));
    assert!(catalog.index("main", "child_thrice").expect("an index").1.unique);

    let pair = table(&catalog, "pair");
    assert_eq!(
        (pair.kind, pair.rows, pair.primary_key.join()),
        (TableKind::Clustered, Some(3_000), "x,y".to_owned())
    );
    assert_eq!(pair.indexes[0].origin, IndexOrigin::PrimaryKey);
    let parent = table(&catalog, "parent");
    assert_eq!((parent.row_number.as_deref(), parent.rows), (Some("id"), Some(5)));
    assert_eq!(parent.column("code").expect("code").collation, "NOCASE");
    assert_eq!(parent.indexes[0].origin, IndexOrigin::UniqueConstraint);
    assert_eq!(table(&catalog, "text_key").row_number, None);
    assert_eq!(table(&catalog, "words").kind, TableKind::Virtual);
    assert_eq!(table(&catalog, "words_data").kind, TableKind::Shadow);
    assert_eq!(table(&catalog, "words_config").rows, Some(1));

    let kinds: Vec<_> = catalog.routines.iter().map(|it| (it.kind.as_str(), it.name.name.as_str())).collect();
    assert_eq!(kinds, [("view", "seen"), ("trigger", "after_insert")]);
    assert_eq!(catalog.routines[1].table, Some(TableName::main("parent")));
}

trait Join {
    fn join(&self) -> String;
}

impl Join for Vec<String> {
    fn join(&self) -> String {
        <[String]>::join(self, ",")
    }
}

#[test]
fn sizes_add_up_to_the_file() {
    let case = Case::new(RICH);
    let catalog = case.catalog();
    let storage = &catalog.storage;
    assert!(storage.has_sizes && storage.free_pages == 0 && storage.wal_bytes.is_none());
    assert_eq!(storage.size_bytes, storage.pages * storage.page_size);
    let own = catalog.tables.iter().filter_map(|table| table.size);
    let indexes = catalog.tables.iter().flat_map(|table| &table.indexes).filter_map(|index| index.size);
    let pages: u64 = own.chain(indexes).map(|size| size.pages).sum();
    // The schema and the statistics are tables as well.
    let internal: i64 = case
        .writer()
        .query_row("SELECT count(*) FROM dbstat WHERE name LIKE 'sqlite\\_s%' ESCAPE '\\'", [], |row| {
            row.get(0)
        })
        .expect("pages");
    assert_eq!(pages + internal as u64, storage.pages);
    let child = table(&catalog, "child").size.expect("a size");
    assert!(child.payload_bytes + child.unused_bytes < child.bytes && child.payload_bytes > child.bytes / 2);
    assert_eq!(table(&catalog, "words").size, None);
}

#[test]
fn only_some_settings_persist() {
    let catalog = Case::new(RICH).catalog();
    let of = |name: &str| {
        let setting = catalog.settings.iter().find(|setting| setting.name == name).expect(name);
        (setting.value.as_str(), setting.persistent)
    };
    assert_eq!(of("user_version"), ("7", true));
    assert_eq!(of("journal_mode"), ("delete", false));
    assert_eq!(of("page_size"), ("4096", true));
    assert_eq!(of("auto_vacuum"), ("0", true));
    // What an ordinary build begins with, not what this one does.
    assert_eq!(of("foreign_keys"), ("0", false));
    assert_eq!(of("busy_timeout"), ("0", false));
    assert_eq!(of("synchronous"), ("2", false));
    assert_eq!(catalog.engine.encoding, "UTF-8");
    assert_eq!(catalog.engine.writer_version, Some(rusqlite::version().to_owned()));
}

#[test]
fn nothing_is_written_and_nothing_is_left() {
    for mode in ["delete", "wal", "truncate", "persist"] {
        let case = Case::new(&format!("PRAGMA journal_mode = {mode}; {RICH}"));
        let before = case.files();
        let catalog = case.catalog();
        assert_eq!(case.files(), before, "{mode}");
        assert_eq!(table(&catalog, "child").rows, Some(2_990), "{mode}");
        let journal = catalog.settings.iter().find(|it| it.name == "journal_mode").expect("a mode");
        assert_eq!((journal.value == "wal", journal.persistent), (mode == "wal", mode == "wal"), "{mode}");
    }
}

#[test]
fn names_may_hold_anything() {
    let names =
        ["order", "a b", "it's", "\"quoted\"", "größe", "[x]", "`y`", "a;b--c", "select * from t", "%s"];
    for name in names {
        let quoted = pulse_db::sqlite::name(name);
        let index = pulse_db::sqlite::name(&format!("i {name}"));
        let case = Case::new(&format!(
            "CREATE TABLE {quoted}({quoted} TEXT, b, PRIMARY KEY({quoted})); INSERT INTO {quoted} VALUES('x', 1);
             CREATE INDEX {index} ON {quoted}(b, {quoted}, {quoted} || '(,)' DESC) WHERE {quoted} <> ',';"
        ));
        let catalog = case.catalog();
        assert_eq!(catalog.unread, [], "{name}");
        let table = table(&catalog, name);
        assert_eq!(
            (table.rows, table.primary_key.as_slice()),
            (Some(1), [name.to_owned()].as_slice()),
            "{name}"
        );
        let (_, index) = catalog.index("main", &format!("i {name}")).expect(name);
        assert_eq!(index.parts[2].term, Term::Expression(format!("{quoted} || '(,)'")), "{name}");
        assert_eq!(index.predicate, Some(format!("{quoted} <> ','")), "{name}");
        assert!(index.size.is_some() && table.size.is_some(), "{name}");
    }
}

#[test]
fn texts_of_two_bytes_a_letter_are_read() {
    let case = Case::new(
        "PRAGMA encoding = 'UTF-16le'; CREATE TABLE größe(ü, CHECK(ü <> 'ß')); CREATE INDEX ö ON größe(lower(ü));",
    );
    let catalog = case.catalog();
    assert_eq!(catalog.engine.encoding, "UTF-16le");
    let (table, index) = catalog.index("main", "ö").expect("an index");
    assert_eq!(
        (table.name.name.as_str(), &index.parts[0].term),
        ("größe", &Term::Expression("lower(ü)".to_owned()))
    );
}

#[test]
fn an_empty_file_is_an_empty_database() {
    let case = Case::empty();
    std::fs::write(case.path(), b"").expect("a file");
    let catalog = case.catalog();
    assert_eq!((catalog.tables.len(), catalog.storage.pages, catalog.storage.size_bytes), (0, 0, 0));
    assert_eq!(case.files().len(), 1);
    assert!(case.files().values().all(Vec::is_empty));
}

#[test]
fn a_missing_file_is_never_made() {
    let case = Case::empty();
    assert!(matches!(case.read(), Err(DatabaseError::NoFile { .. })));
    assert!(case.files().is_empty());
    assert!(matches!(Sqlite::open(""), Err(DatabaseError::NoFile { .. })));
    assert!(matches!(Sqlite::open(":memory:"), Err(DatabaseError::NoFile { .. })));
}

#[test]
fn a_folder_is_no_database() {
    let case = Case::empty();
    assert!(matches!(Sqlite::open(case.folder.path()), Err(DatabaseError::NotAFile { .. })));
}

#[test]
fn what_is_no_database_may_be_encrypted() {
    let case = Case::empty();
    for bytes in [b"hello".repeat(1_000), vec![0xa7; 8_192], b"SQLite".to_vec()] {
        std::fs::write(case.path(), &bytes).expect("a file");
        let error = case.read().expect_err("no database");
        assert!(matches!(error, DatabaseError::NotADatabase { .. }), "{error:?}");
        assert!(error.to_string().contains("encrypted"), "{error}");
        assert_eq!(case.files().into_values().next(), Some(bytes));
    }
}

/// A file with some bytes changed.
fn damaged(changes: &[(usize, u8)]) -> Case {
    let case = Case::new(RICH);
    let mut bytes = std::fs::read(case.path()).expect("a file");
    for (at, byte) in changes {
        bytes[*at] = *byte;
    }
    std::fs::write(case.path(), bytes).expect("a file");
    case
}

#[test]
fn a_newer_format_is_named() {
    for (change, words) in [((19, 9), "read version 9"), ((47, 5), "schema format 5")] {
        let error = damaged(&[change]).read().expect_err("newer");
        assert!(matches!(error, DatabaseError::NewerFormat { .. }), "{error:?}");
        assert!(error.to_string().contains(words) && error.to_string().contains("update"), "{error}");
    }
}

#[test]
fn damage_is_an_error_or_named_and_never_a_panic() {
    // The page size, then the schema's own page.
    let errors = [damaged(&[(16, 0x13)]), damaged(&[(100, 0)]), damaged(&[(103, 0xff), (104, 0xff)])];
    for case in errors {
        let before = case.files();
        let error = case.read().expect_err("damaged");
        assert!(matches!(error, DatabaseError::Corrupt { .. }), "{error:?}");
        assert!(error.to_string().contains(".recover"), "{error}");
        assert_eq!(case.files(), before);
    }
    // A file that ends in the middle.
    let case = Case::new(RICH);
    let bytes = std::fs::read(case.path()).expect("a file");
    for keep in (0..20).map(|part| bytes.len() * part / 20) {
        std::fs::write(case.path(), &bytes[..keep]).expect("a file");
        if let Ok(catalog) = case.read() {
            assert!(
                keep == 0 || !catalog.unread.is_empty() || catalog.tables.iter().all(|it| it.rows.is_some()),
                "{keep}"
            );
        }
    }
}

#[test]
fn damage_of_any_page_is_survived() {
    let case = Case::new(RICH);
    let bytes = std::fs::read(case.path()).expect("a file");
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    for round in 0..60 {
        let mut changed = bytes.clone();
        for _ in 0..8 {
            // Xorshift: the same changes at every run.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let at = state as usize % changed.len();
            changed[at] = (state >> 40) as u8;
        }
        std::fs::write(case.path(), &changed).expect("a file");
        let _ = case.read();
        assert!(case.files().into_values().next() == Some(changed), "round {round}");
    }
}

#[test]
fn a_writer_in_the_midst_does_not_disturb() {
    let case = Case::new(RICH);
    let writer = case.writer();
    writer.execute_batch("BEGIN IMMEDIATE; DELETE FROM child").expect("a writer");
    assert_eq!(table(&case.catalog(), "child").rows, Some(2_990));
    writer.execute_batch("COMMIT").expect("committed");
    assert_eq!(table(&case.catalog(), "child").rows, Some(0));
}

#[test]
fn a_writer_with_the_whole_lock_is_named() {
    let case = Case::new(RICH);
    let sqlite = Sqlite::open_waiting(case.path(), Duration::from_millis(20)).expect("not locked yet");
    let writer = case.writer();
    writer.execute_batch("BEGIN EXCLUSIVE; DELETE FROM child").expect("a writer");
    assert!(matches!(case.read(), Err(DatabaseError::Locked { .. })));
    let error = sqlite.introspect(&mut Unwatched).expect_err("locked");
    assert!(matches!(error, DatabaseError::Locked { .. }), "{error:?}");
    drop(writer);
    assert_eq!(table(&case.catalog(), "child").rows, Some(2_990));
}

#[test]
fn a_log_in_use_is_read_as_well() {
    let case = Case::new(&format!("PRAGMA journal_mode = wal; {RICH}"));
    let writer = case.writer();
    writer
        .execute_batch("PRAGMA wal_autocheckpoint = 0; DELETE FROM child WHERE a > 1000")
        .expect("a change");
    writer.execute_batch("BEGIN IMMEDIATE; DELETE FROM child").expect("a writer");
    let catalog = case.catalog();
    assert_eq!(table(&catalog, "child").rows, Some(1_000));
    assert!(catalog.storage.wal_bytes.expect("a log") > 0);
}

/// A database as a crash leaves it: changes in the log, and nobody there.
fn crashed() -> Case {
    let case = Case::new(&format!("PRAGMA journal_mode = wal; {RICH}"));
    let writer = case.writer();
    writer
        .execute_batch("PRAGMA wal_autocheckpoint = 0; DELETE FROM child WHERE a > 1000")
        .expect("a change");
    let left = Case::empty();
    for (name, bytes) in case.files() {
        if !name.ends_with("-shm") {
            std::fs::write(left.folder.path().join(name), bytes).expect("a file");
        }
    }
    left
}

#[test]
fn a_log_without_its_index_is_read() {
    let case = crashed();
    let before = case.files();
    assert_eq!(table(&case.catalog(), "child").rows, Some(1_000));
    for (name, bytes) in before {
        assert_eq!(case.files().get(&name), Some(&bytes), "{name}");
    }
}

#[test]
fn an_interrupted_write_is_named() {
    let case = Case::new(RICH);
    let writer = case.writer();
    // A small cache, so that changes reach the file before the end.
    writer
        .execute_batch("PRAGMA cache_size = 2; BEGIN IMMEDIATE; UPDATE child SET b = b || b")
        .expect("a writer");
    let left = Case::empty();
    for (name, bytes) in case.files() {
        std::fs::write(left.folder.path().join(name), bytes).expect("a file");
    }
    let before = left.files();
    assert!(before.keys().any(|name| name.ends_with("-journal")), "{:?}", before.keys());
    let error = left.read().expect_err("to be played back");
    assert!(matches!(error, DatabaseError::Unreadable { .. }), "{error:?}");
    assert!(error.to_string().contains("-journal"), "{error}");
    assert_eq!(left.files(), before);
}

#[test]
fn a_missing_extension_is_tolerated_and_named() {
    let case = Case::new(
        "CREATE TABLE kept(a); INSERT INTO kept VALUES(1); CREATE TABLE docs_data(a); CREATE TABLE docs2(a);
         PRAGMA writable_schema = ON;
         INSERT INTO sqlite_schema VALUES('table', 'docs', 'docs', 0, 'CREATE VIRTUAL TABLE docs USING unheard_of(a, b)');
         PRAGMA writable_schema = OFF;",
    );
    let catalog = case.catalog();
    assert_eq!(table(&catalog, "kept").rows, Some(1));
    assert_eq!(table(&catalog, "docs").kind, TableKind::Virtual);
    // Its own table, most likely; nobody shall be told to index it.
    assert_eq!(table(&catalog, "docs_data").kind, TableKind::Shadow);
    assert_eq!(table(&catalog, "docs2").kind, TableKind::Ordinary);
    let unread: Vec<_> = catalog.unread.iter().map(|it| (it.subject.as_str(), it.reason.as_str())).collect();
    assert!(matches!(unread.as_slice(), [("docs", reason)] if reason.contains("unheard_of")), "{unread:?}");
}

#[test]
fn a_missing_collation_is_tolerated_and_named() {
    let case = Case::empty();
    let writer = case.writer();
    writer.create_collation("BACKWARDS", |one, other| other.cmp(one)).expect("a collation");
    writer
        .execute_batch(
            "CREATE TABLE t(a TEXT COLLATE BACKWARDS, b); CREATE INDEX i ON t(a); INSERT INTO t VALUES('x', 1), ('y', 2);
             CREATE TABLE kept(a);",
        )
        .expect("tables");
    let catalog = case.catalog();
    let read = table(&catalog, "t");
    assert_eq!((read.rows, read.indexes[0].parts[0].collation.as_str()), (Some(2), "BACKWARDS"));
    let unread: Vec<_> = catalog.unread.iter().map(|it| (it.subject.as_str(), it.reason.as_str())).collect();
    assert_eq!(unread, [("t.a", "the collation BACKWARDS is not in this program")]);
}

#[test]
fn statistics_may_hold_anything() {
    let case = Case::new("CREATE TABLE t(a); CREATE INDEX i ON t(a); INSERT INTO t VALUES(1); ANALYZE;");
    let bad = "UPDATE sqlite_stat1 SET stat = 'none'; INSERT INTO sqlite_stat1 VALUES(NULL, 1, x'ff'), ('t', 'j', '42 7')";
    case.writer().execute_batch(bad).expect("changed");
    assert_eq!(table(&case.catalog(), "t").analyzed_rows, Some(42));
}

/// Stops at once.
struct Stopped;

impl Progress for Stopped {
    fn at(&mut self, _step: &str, _share: Option<f64>) {}

    fn is_stopped(&self) -> bool {
        true
    }
}

#[test]
fn it_can_be_stopped() {
    let sqlite = Sqlite::open(Case::new(RICH).path());
    assert!(sqlite.is_ok());
    let case = Case::new(RICH);
    let error = Sqlite::open(case.path()).expect("a database").introspect(&mut Stopped).expect_err("stopped");
    assert!(matches!(error, DatabaseError::Stopped { .. }), "{error:?}");
}

/// Writes the database at the first step that is told.
struct Meddler<'a> {
    case: &'a Case,
    done: bool,
}

impl Progress for Meddler<'_> {
    fn at(&mut self, _step: &str, _share: Option<f64>) {
        if !std::mem::replace(&mut self.done, true) {
            let writer = self.case.writer();
            writer
                .execute_batch("DELETE FROM child WHERE a > 1000; PRAGMA wal_checkpoint(TRUNCATE)")
                .expect("a change");
        }
    }

    fn is_stopped(&self) -> bool {
        false
    }
}

#[test]
fn a_file_that_changes_meanwhile_is_read_again() {
    let case = Case::new(&format!("PRAGMA journal_mode = wal; {RICH}"));
    let sqlite = Sqlite::open(case.path()).expect("a database");
    let catalog = sqlite.introspect(&mut Meddler { case: &case, done: false }).expect("a catalog");
    let child = table(&catalog, "child");
    assert_eq!(child.rows, Some(1_000));
    assert_eq!(catalog.unread, []);
}

#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_written_is_read() {
    use std::os::unix::fs::PermissionsExt;
    let lock = |case: &Case, mode: u32| {
        std::fs::set_permissions(case.folder.path(), std::fs::Permissions::from_mode(mode))
            .expect("permissions");
    };
    for mode in ["delete", "wal"] {
        let case = Case::new(&format!("PRAGMA journal_mode = {mode}; {RICH}"));
        lock(&case, 0o555);
        let catalog = case.read();
        lock(&case, 0o755);
        assert_eq!(table(&catalog.expect(mode), "child").rows, Some(2_990), "{mode}");
    }
    let case = crashed();
    lock(&case, 0o555);
    let probe = std::fs::write(case.folder.path().join("probe"), b"");
    let read = case.read();
    lock(&case, 0o755);
    if probe.is_ok() {
        // The super-user may write everywhere; then there is nothing to refuse.
        assert_eq!(table(&read.expect("readable"), "child").rows, Some(1_000));
    } else {
        let error = read.expect_err("a log that cannot be read");
        assert!(error.to_string().contains("write-ahead log"), "{error}");
    }
}
