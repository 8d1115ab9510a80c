//! Rules that need no database: catalogs and times as data.

use pulse_db::catalog::{
    Catalog, Column, ForeignKey, Index, IndexPart, Setting, Size, Storage, Table, TableName, Term, Unread,
};
use pulse_db::findings::{FindingsInput, Measured, findings};
use pulse_db::plan::{Access, Effect, EffectKind, Explained, QueryPlan, Step};
use pulse_db::workload::{Statement, Workload};
use pulse_model::{Finding, Histogram, Nanos, Severity};

fn of(
    catalog: &Catalog,
    workload: &Workload,
    explained: &[Result<Explained, String>],
    code: &str,
) -> Option<Finding> {
    let input = FindingsInput { catalog, workload, explained, measured: &[], rewrites: &[] };
    findings(&input).into_iter().find(|finding| finding.code == code)
}

fn statement(sql: &str, calls: u64, millis: u64) -> Statement {
    let mut durations = Histogram::default();
    if millis > 0 {
        durations.record_n(millis * 1_000_000, calls);
    }
    Statement {
        form: sql.to_owned(),
        sql: sql.to_owned(),
        calls,
        durations,
        origin: "app.log:3".to_owned(),
        ..Statement::default()
    }
}

fn workload(statements: Vec<Statement>) -> Workload {
    Workload { statements, ..Workload::default() }
}

fn explained(steps: Vec<Access>, effects: &[(EffectKind, &str)]) -> Explained {
    let steps =
        steps.into_iter().map(|access| Step { parent: None, detail: String::new(), access }).collect();
    let effect = |(kind, table): &(EffectKind, &str)| Effect {
        table: TableName::main(*table),
        kind: *kind,
        columns: Vec::new(),
    };
    Explained {
        plan: QueryPlan { steps },
        effects: effects.iter().map(effect).collect(),
        ..Explained::default()
    }
}

fn table(name: &str, rows: u64) -> Table {
    Table {
        name: TableName::main(name),
        rows: Some(rows),
        row_number: Some("id".to_owned()),
        ..Table::default()
    }
}

fn storage(pages: u64, free_pages: u64, wal_bytes: u64) -> Catalog {
    let storage =
        Storage { pages, free_pages, page_size: 4_096, wal_bytes: Some(wal_bytes), ..Storage::default() };
    Catalog { storage, ..Catalog::default() }
}

#[test]
fn slow_statements_by_mean_tail_and_share() {
    // Calls and milliseconds of two statements, and the severity of what is said of the first.
    type Load = (u64, u64);
    let cases: &[(Load, Load, Option<Severity>)] = &[
        ((10, 49), (1_000, 10), None),
        ((10, 60), (1_000, 10), Some(Severity::Problem)),
        ((1_000, 10), (10, 10), Some(Severity::Warning)),
        ((1_000, 4), (10, 4), None),
        ((0, 0), (10, 10), None),
    ];
    for (one, other, severity) in cases {
        let workload =
            workload(vec![statement("SELECT 1", one.0, one.1), statement("SELECT 2", other.0, other.1)]);
        let input = FindingsInput {
            catalog: &Catalog::default(),
            workload: &workload,
            explained: &[],
            measured: &[],
            rewrites: &[],
        };
        let found =
            findings(&input).into_iter().find(|it| it.code == "slow_query" && it.subject == "SELECT 1");
        assert_eq!(found.map(|it| it.severity), *severity, "{one:?} {other:?}");
    }
}

#[test]
fn a_slow_statement_shows_its_sum_and_its_plan() {
    let catalog = Catalog { tables: vec![table("trades", 50_000)], ..Catalog::default() };
    let workload = workload(vec![statement("SELECT x", 200, 60), statement("SELECT y", 100, 80)]);
    let scan = Access::Scan { table: "trades".to_owned(), index: None, covering: false };
    let steps = vec![
        scan,
        Access::AutomaticIndex { table: "trades".to_owned() },
        Access::Sort { purpose: "ORDER BY".to_owned() },
    ];
    let plans = [Ok(explained(steps, &[(EffectKind::Read, "trades")])), Err("no such table".to_owned())];
    let finding = of(&catalog, &workload, &plans, "slow_query").expect("slow");
    assert_eq!(finding.subject, "SELECT x");
    let text = finding.evidence.join("\n");
    for part in [
        "200 calls × 60.0 ms = 12.00 s",
        "60 % of 20.00 s",
        "50 000 rows of trades",
        "automatic index",
        "ORDER BY",
        "app.log:3",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn what_was_measured_goes_before_what_was_recorded() {
    let workload = workload(vec![statement("SELECT x", 200, 60)]);
    let (mean, p95) = (Nanos::from_millis(1), Nanos::from_millis(2));
    let catalog = Catalog::default();
    let measured = [Some(Measured { mean, p95 })];
    let input = FindingsInput {
        catalog: &catalog,
        workload: &workload,
        explained: &[],
        measured: &measured,
        rewrites: &[],
    };
    assert_eq!(findings(&input), []);
}

#[test]
fn free_pages_from_a_quarter_and_a_megabyte() {
    let said = |pages, free| of(&storage(pages, free, 0), &Workload::default(), &[], "free_pages");
    assert!(
        said(1_000, 400).expect("much").evidence[0]
            .contains("400 free pages × 4.1 kB = 1.6 MB of 1 000 pages")
    );
    assert!(said(1_000, 240).is_none() && said(100, 90).is_none() && said(0, 0).is_none());
    let mut catalog = storage(1_000, 400, 0);
    catalog.settings =
        vec![Setting { name: "auto_vacuum".to_owned(), value: "2".to_owned(), persistent: true }];
    let fix = of(&catalog, &Workload::default(), &[], "free_pages").and_then(|it| it.fix).expect("a fix");
    assert_eq!(fix.sql, ["PRAGMA incremental_vacuum"]);
}

#[test]
fn a_log_of_ten_times_what_is_usual() {
    let said = |wal| of(&storage(1_000, 0, wal), &Workload::default(), &[], "large_wal").is_some();
    assert!(said(10 * 4_096_000) && !said(10 * 4_096_000 - 1) && !said(0));
}

/// A catalog with one table and an index of so many bytes, unused bytes and rows.
fn filled(bytes: u64, unused: u64, rows: u64) -> Catalog {
    let size =
        Some(Size { pages: bytes / 4_096, bytes, payload_bytes: bytes - unused, unused_bytes: unused });
    let collation = "BINARY".to_owned();
    let parts = vec![IndexPart { term: Term::Column("a".to_owned()), descending: false, collation }];
    let index = Index {
        name: "i".to_owned(),
        parts,
        size,
        sql: Some("CREATE INDEX i ON t(a)".to_owned()),
        ..Index::default()
    };
    let table = Table { size, indexes: vec![index], analyzed_rows: Some(rows), ..table("t", rows) };
    Catalog { tables: vec![table], ..Catalog::default() }
}

#[test]
fn fill_counts_where_rewriting_would_help() {
    const PAGES: u64 = 4_096_000;
    let said =
        |unused: u64, rows| of(&filled(PAGES, unused, rows), &Workload::default(), &[], "fragmentation");
    let finding = said(PAGES / 2, 50_000).expect("half empty");
    assert!(
        finding.evidence.iter().any(|line| line.starts_with("i: ")) && finding.message.starts_with("50 %"),
        "{finding:?}"
    );
    // A quarter is what inserts in no order leave.
    assert!(said(PAGES / 4, 50_000).is_none());
    // Two rows on a page leave room that nothing fills.
    assert!(said(PAGES / 2, 1_000).is_none());
    // Half of nothing.
    assert!(of(&filled(40_960, 20_480, 500), &Workload::default(), &[], "fragmentation").is_none());
}

#[test]
fn settings_are_judged_by_what_the_application_sets() {
    let cases: &[(&str, Option<(Severity, &str)>)] = &[
        ("PRAGMA synchronous = OFF", Some((Severity::Problem, "synchronous=OFF"))),
        ("pragma main.synchronous(0)", Some((Severity::Problem, "synchronous=OFF"))),
        ("PRAGMA synchronous = NORMAL", None),
        ("PRAGMA synchronous", None),
        ("PRAGMA journal_mode='memory'", Some((Severity::Problem, "journal_mode=MEMORY"))),
        ("PRAGMA journal_mode=WAL", None),
        ("SELECT 'PRAGMA synchronous = OFF'", None),
        ("PRAGMA", None),
    ];
    for (sql, expected) in cases {
        let found = of(&Catalog::default(), &workload(vec![statement(sql, 1, 0)]), &[], "risky_setting");
        let found = found.as_ref().map(|it| (it.severity, it.subject.as_str()));
        assert_eq!(found, *expected, "{sql}");
    }
}

#[test]
fn keys_that_are_not_checked() {
    let mut child = table("k", 10);
    child.foreign_keys = vec![ForeignKey::default()];
    let catalog = Catalog { tables: vec![child], ..Catalog::default() };
    let insert = || Ok(explained(Vec::new(), &[(EffectKind::Insert, "k")]));
    let cases = [("ON", None), ("1", None), ("OFF", Some(Severity::Warning)), ("0", Some(Severity::Warning))];
    for (value, severity) in cases {
        let statements =
            vec![statement(&format!("PRAGMA foreign_keys = {value}"), 1, 0), statement("INSERT", 5, 0)];
        let plans = [Ok(explained(Vec::new(), &[])), insert()];
        assert_eq!(
            of(&catalog, &workload(statements), &plans, "risky_setting").map(|it| it.severity),
            severity,
            "{value}"
        );
    }
    let silent = of(&catalog, &workload(vec![statement("INSERT", 5, 0)]), &[insert()], "risky_setting");
    assert_eq!(silent.map(|it| it.severity), Some(Severity::Note));
}

#[test]
fn children_are_looked_for_when_a_parent_goes_or_changes_its_key() {
    let column =
        |name: &str| Column { name: name.to_owned(), collation: "BINARY".to_owned(), ..Column::default() };
    let key = ForeignKey {
        columns: vec!["pid".to_owned()],
        parent: TableName::main("p"),
        parent_columns: vec!["id".to_owned()],
    };
    let child = Table { columns: vec![column("pid")], foreign_keys: vec![key], ..table("k", 5_000) };
    let catalog = Catalog { tables: vec![child, table("p", 5_000)], ..Catalog::default() };
    let cases: &[(EffectKind, &[&str], Severity)] = &[
        (EffectKind::Delete, &[], Severity::Warning),
        (EffectKind::Update, &["ID"], Severity::Warning),
        (EffectKind::Update, &["name"], Severity::Note),
        (EffectKind::Insert, &[], Severity::Note),
    ];
    for (kind, columns, severity) in cases {
        let columns = columns.iter().map(|column| (*column).to_owned()).collect();
        let effects = vec![Effect { table: TableName::main("p"), kind: *kind, columns }];
        let plans = [Ok(Explained { effects, ..Explained::default() })];
        let finding =
            of(&catalog, &workload(vec![statement("X", 3, 0)]), &plans, "foreign_key_without_index");
        let finding = finding.expect("no index");
        assert_eq!(finding.severity, *severity, "{kind:?}");
        let fix = finding.fix.expect("a fix");
        assert_eq!(fix.sql, ["CREATE INDEX \"main\".\"k_pid\" ON \"k\" (\"pid\")"]);
        assert_eq!(fix.undo, ["DROP INDEX \"main\".\"k_pid\""]);
    }
}

#[test]
fn the_write_ahead_log_is_for_those_who_read_and_write() {
    let with = |mode: &str, kinds: &[EffectKind]| {
        let setting = Setting { name: "journal_mode".to_owned(), value: mode.to_owned(), persistent: false };
        let catalog = Catalog { settings: vec![setting], ..Catalog::default() };
        let statements = kinds.iter().map(|_| statement("X", 3, 0)).collect();
        let plans: Vec<_> = kinds.iter().map(|kind| Ok(explained(Vec::new(), &[(*kind, "t")]))).collect();
        of(&catalog, &workload(statements), &plans, "risky_setting")
    };
    let both = [EffectKind::Read, EffectKind::Insert];
    let fix = with("delete", &both).and_then(|it| it.fix).expect("a fix");
    assert_eq!(
        (fix.sql[0].as_str(), fix.undo[0].as_str()),
        ("PRAGMA journal_mode = WAL", "PRAGMA journal_mode = DELETE")
    );
    assert!(
        with("wal", &both).is_none()
            && with("delete", &both[..1]).is_none()
            && with("delete", &both[1..]).is_none()
    );
}

#[test]
fn what_could_not_be_read_is_said_last() {
    let mut catalog = storage(1_000, 400, 0);
    catalog.unread = vec![Unread { subject: "docs".to_owned(), reason: "no such module: x".to_owned() }];
    let workload = workload(vec![statement("PRAGMA synchronous = OFF", 1, 0)]);
    let input = FindingsInput {
        catalog: &catalog,
        workload: &workload,
        explained: &[],
        measured: &[],
        rewrites: &[],
    };
    let found = findings(&input);
    let codes: Vec<_> = found.iter().map(|it| it.code.as_str()).collect();
    assert_eq!(codes, ["risky_setting", "free_pages", "unread_part"]);
    assert!(
        found
            .iter()
            .all(|it| pulse_db::rule(&it.code).is_some() && it.help.is_some() != (it.code == "unread_part"))
    );
}
