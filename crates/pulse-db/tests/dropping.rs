//! Dropping indexes of real files: what goes, what stays although a finding says that it can go, and what comes back.
#![expect(clippy::unwrap_used, reason = "clippy takes the functions between the tests for production code")]

mod seeded;

use std::path::Path;

use pulse_db::sqlite::WriteOptions;
use pulse_db::workload::Value;
use pulse_db::{Actions, Sqlite, Statement, Unwatched, Wishes, Workload, run};
use pulse_model::{IndexAction, IndexFigures, Nanos, Summary};
use rusqlite::Connection;
use seeded::{assert_sound, data_hash, indexes, statement, workload};

/// 20 000 rows; `b` grows with the row number, so that an index that ends with it reads the rows in the same order.
const T: &str = "
    CREATE TABLE t(id INTEGER PRIMARY KEY, a INT, b INT, c TEXT, note TEXT);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
    INSERT INTO t SELECT i, i % 20, i / 100, 'c' || (i % 300), hex(zeroblob(150)) FROM n;";

struct World {
    folder: tempfile::TempDir,
}

impl World {
    fn new(sql: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let world = Self { folder };
        Connection::open(world.path()).unwrap().execute_batch(&format!("{T} {sql} ANALYZE;")).unwrap();
        world
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("world.db")
    }

    fn dropped(&self, asked: Workload, wishes: &Wishes) -> Summary {
        let actions = Actions { drop_indexes: true, ..wishes.actions };
        let wishes = Wishes { actions, trial_time: Nanos::from_secs(3), ..wishes.clone() };
        run(&Sqlite::open_to_change(self.path()).unwrap(), asked, &wishes, &mut Unwatched).unwrap()
    }
}

fn verified() -> Wishes {
    Wishes { verify: true, ..Wishes::default() }
}

fn asked(texts: &[&str]) -> Workload {
    let of = |sql: &&str| {
        let values = if sql.contains("c =") { Value::Text("c7".to_owned()) } else { Value::Integer(7) };
        statement(sql, 10, vec![vec![values; sql.matches('?').count()]])
    };
    workload(texts.iter().map(of).collect::<Vec<Statement>>())
}

fn drops(summary: &Summary) -> Vec<&IndexFigures> {
    let indexes = &summary.database.as_ref().unwrap().indexes;
    indexes.iter().filter(|index| index.action == IndexAction::Drop).collect()
}

fn outcomes(summary: &Summary) -> Vec<&str> {
    let actions = &summary.database.as_ref().unwrap().actions;
    actions.iter().map(|action| action.outcome.as_str()).collect()
}

fn plan(path: &Path, sql: &str) -> Vec<String> {
    let connection = Connection::open(path).unwrap();
    let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let steps = plan.query_map([7], |row| row.get(3)).unwrap();
    steps.map(Result::unwrap).collect()
}

fn sql(path: &Path) -> Vec<String> {
    let connection = Connection::open(path).unwrap();
    let mut rows =
        connection.prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name").unwrap();
    rows.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

#[test]
fn the_beginning_of_another_index_goes_and_comes_back() {
    let world = World::new("CREATE INDEX long ON t(a, b); CREATE INDEX short  ON t( a );");
    let path = world.path();
    let query = "SELECT sum(length(note)) FROM t WHERE a = ?";
    let (hash, schema, before) = (data_hash(&path), sql(&path), plan(&path, query));
    let dry = world.dropped(asked(&[query]), &Wishes { dry_run: true, ..verified() });
    assert!(outcomes(&dry)[0].starts_with("not done, as was asked for"), "{dry:?}");
    assert_eq!(sql(&path), schema);

    let summary = world.dropped(asked(&[query]), &verified());
    assert_eq!(indexes(&path), ["long"], "{summary:?}");
    let [index] = drops(&summary)[..] else { panic!("{summary:?}") };
    assert!(index.recommended && index.size_bytes.is_some_and(|bytes| bytes > 100_000), "{index:?}");
    assert!(index.write_cost.is_some_and(|cost| cost.value < 1.0), "{index:?}");
    assert_eq!(index.fix.undo, ["CREATE INDEX short  ON t( a )"]);
    assert_eq!(outcomes(&summary), ["done"]);

    Sqlite::open(&path).unwrap().undo(&WriteOptions::default(), &mut Unwatched).unwrap();
    assert_eq!((data_hash(&path), sql(&path), plan(&path, query)), (hash, schema, before));
    assert_sound(&path);
}

#[test]
fn what_the_clock_needs_stays_and_says_why() {
    // The longer index holds all that the shorter does, in forty times as many pages.
    let world = World::new(
        "CREATE INDEX narrow ON t(a); CREATE INDEX wide ON t(a, note); CREATE INDEX twin ON t(c); CREATE INDEX twins ON t(c);",
    );
    let texts = ["SELECT count(*) FROM t WHERE a = ?", "SELECT count(*) FROM t WHERE c = ?"];
    let summary = world.dropped(asked(&texts), &verified());
    assert_eq!(indexes(&world.path()), ["narrow", "twin", "wide"], "{summary:?}");
    let stays = drops(&summary).into_iter().find(|index| index.name == "narrow").unwrap();
    assert!(!stays.recommended, "{stays:?}");
    assert!(
        stays.reason.starts_with("the planner does not need it, the clock does: without it"),
        "{stays:?}"
    );
    let [replayed] = stays.replayed[..] else { panic!("{stays:?}") };
    assert!(
        replayed.after > replayed.before && replayed.gain.is_some_and(|gain| gain.hi < 1.0),
        "{replayed:?}"
    );
    let form = &summary.database.as_ref().unwrap().statements[replayed.statement].form;
    assert_eq!(form, texts[0]);
}

#[test]
fn an_index_that_the_workload_does_not_use_goes_with_a_workload_only() {
    let world = World::new("CREATE INDEX idle ON t(c);");
    let without = world.dropped(Workload::default(), &verified());
    assert!(drops(&without).is_empty() && indexes(&world.path()) == ["idle"], "{without:?}");
    assert!(without.findings.iter().any(|finding| finding.code == "nothing_dropped"), "{without:?}");
    let with = world.dropped(asked(&["SELECT note FROM t WHERE id = ?"]), &verified());
    assert!(indexes(&world.path()).is_empty(), "{with:?}");
    assert_eq!(drops(&with)[0].reason, "no statement of the workload uses it");
}

#[test]
fn by_structure_alone_only_a_second_one_of_the_same_goes() {
    let indexes_made = "CREATE INDEX one ON t(b); CREATE INDEX other ON t(b); CREATE INDEX short ON t(a); CREATE INDEX long ON t(a, c);";
    let texts = ["SELECT note FROM t WHERE b = ?", "SELECT note FROM t WHERE a = ?"];
    for (asked, wishes) in [(Workload::default(), verified()), (asked(&texts), Wishes::default())] {
        let world = World::new(indexes_made);
        let summary = world.dropped(asked, &wishes);
        assert_eq!(indexes(&world.path()), ["long", "one", "short"], "{summary:?}");
        let [gone, stays] = drops(&summary)[..] else { panic!("{summary:?}") };
        assert!(gone.recommended && gone.reason.contains("nothing was replayed"), "{gone:?}");
        assert_eq!(gone.write_cost.is_some(), wishes.verify, "{gone:?}");
        assert!(!stays.recommended && stays.reason.contains("with a workload"), "{stays:?}");
    }
}

#[test]
fn what_enforces_or_differs_never_goes() {
    let world = World::new(
        "CREATE TABLE parent(code TEXT, name TEXT); INSERT INTO parent SELECT 'p' || id, note FROM t WHERE id <= 2000;
         CREATE UNIQUE INDEX parent_code ON parent(code); CREATE INDEX parent_code_name ON parent(code, name);
         CREATE TABLE child(code TEXT REFERENCES parent(code), v INT); INSERT INTO child SELECT 'p' || id, id FROM t WHERE id <= 2000;
         CREATE INDEX child_code ON child(code);
         CREATE UNIQUE INDEX id_c ON t(id, c);
         CREATE INDEX c_binary ON t(c); CREATE INDEX c_nocase ON t(c COLLATE NOCASE, b);
         CREATE INDEX b_down ON t(b DESC); CREATE INDEX b_up ON t(b, a);
         CREATE INDEX a_some ON t(a) WHERE b > 190; CREATE INDEX a_all ON t(a, c);",
    );
    let before = indexes(&world.path());
    let summary = world.dropped(
        asked(&[
            "SELECT note FROM t WHERE c = ?",
            "SELECT note FROM t WHERE c = ? COLLATE NOCASE",
            "SELECT note FROM t WHERE b = ? AND a = 3",
            "SELECT note FROM t WHERE a = ? AND c = 'c7'",
            "SELECT name FROM parent WHERE rowid = ?",
            "SELECT code, name FROM parent ORDER BY code, name",
            "SELECT v FROM child WHERE rowid = ?",
        ]),
        &verified(),
    );
    assert_eq!(indexes(&world.path()), before, "{summary:?}");
    assert!(drops(&summary).iter().all(|index| !index.recommended), "{summary:?}");
}
