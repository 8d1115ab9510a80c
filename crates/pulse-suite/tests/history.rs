//! Histories and baselines in real files.

#![expect(clippy::unwrap_used, reason = "what makes a test's files is part of the test")]

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use pulse_model::{
    Aggregate, Ending, Estimate, Histogram, Interval, Measured, Nanos, ScenarioInfo, Series, Snapshot,
    Summary, Unit, Verdict, metric, tag,
};
use pulse_stats::EDivisive;
use pulse_suite::{
    BaselineError, CaseRecord, CompareOptions, History, HistoryError, Origin, Retention, RunData, RunFilter,
    RunId, RunRecord, Spreads, changes_over, compare, load_baseline, metric_unit, plan_changes,
    read_baseline, save_baseline, write_baseline,
};
use rusqlite::{Connection, TransactionBehavior};

/// A case whose requests take about so many milliseconds.
fn case(id: &str, millis: u64) -> CaseRecord {
    let interval = |second: u64| {
        let mut times = Histogram::default();
        (0..100).for_each(|i| times.record(millis * 1_000_000 + (i * 7919 + second * 104_729) % 1009 * 1000));
        let mut snapshot = Snapshot::default();
        let series = Series::new(metric::RESPONSE_TIME).with(tag::ENDPOINT, "GET /").with(tag::OUTCOME, "ok");
        snapshot.add(series, Aggregate::Trend(times));
        snapshot.interval =
            Some(Interval { from: Nanos::from_secs(second), to: Nanos::from_secs(second + 1) });
        snapshot
    };
    let intervals: Vec<Snapshot> = (0..12).map(interval).collect();
    let mut summary = Summary { verdict: Some(Verdict::Pass), ..Summary::default() };
    intervals.iter().for_each(|snapshot| summary.totals.merge(snapshot));
    let cpu = Measured { value: 0.25, lo: 0.2, hi: 0.3, samples: 9 };
    summary.estimates.insert(Estimate::Cpu, cpu);
    CaseRecord { id: id.to_owned(), data: RunData::new(summary, &intervals) }
}

fn record(commit: &str, cases: Vec<CaseRecord>) -> RunRecord {
    let origin = Origin {
        commit: Some(commit.to_owned()),
        branch: Some("main".to_owned()),
        dirty: false,
        machine: "ci-1".to_owned(),
    };
    let mut summary = Summary { verdict: Some(Verdict::Fail), ..Summary::default() };
    summary.run.started = format!("2026-01-01T00:00:00.000Z#{commit}");
    summary.run.version = "1.0.0".into();
    RunRecord::new("demo", origin, summary, cases)
}

fn open(folder: &Path) -> History {
    History::open(&folder.join(History::PATH)).unwrap()
}

#[test]
fn what_is_recorded_is_loaded_equal() {
    let folder = tempfile::tempdir().unwrap();
    let record = record("abc", vec![case("api::health", 10), case("api::trades", 20)]);
    let id = open(folder.path()).record(&record).unwrap();
    let history = open(folder.path());
    assert_eq!(history.load(id).unwrap(), record);
    assert_eq!(history.latest(&RunFilter::default()).unwrap(), Some(id));
    let rows = history.runs(&RunFilter::default()).unwrap();
    assert_eq!(rows.len(), 1);
    let row = &rows[0];
    assert_eq!((row.id, row.suite.as_str(), row.cases), (id, "demo", 2));
    assert_eq!((row.verdict, row.version.as_str()), (Some(Verdict::Fail), "1.0.0"));
    assert_eq!((&row.origin, &row.started), (&record.origin, &record.summary.run.started));
    assert_eq!(history.case_ids(&RunFilter::default()).unwrap(), ["api::health", "api::trades"]);
}

#[test]
fn an_empty_history_is_empty_and_a_missing_one_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(History::PATH);
    assert!(History::open_existing(&path).unwrap().is_none());
    let history = open(folder.path());
    assert_eq!(history.latest(&RunFilter::default()).unwrap(), None);
    assert_eq!(history.runs(&RunFilter::default()).unwrap(), []);
    assert_eq!(history.baselines().unwrap(), []);
    assert_eq!(history.series("a", "p95", &RunFilter::default()).unwrap(), []);
    assert!(changes_over(&[], &EDivisive::default()).is_empty());
    assert!(matches!(history.load(RunId(7)), Err(HistoryError::NoSuchRun { run: 7 })));
    assert!(History::open_existing(&path).unwrap().is_some());
}

#[test]
fn filters_choose_by_suite_branch_and_machine() {
    let folder = tempfile::tempdir().unwrap();
    let mut history = open(folder.path());
    for (suite, branch, machine) in [
        ("a", Some("main"), "m1"),
        ("a", Some("fix"), "m1"),
        ("b", None, "m2"),
        ("a'; DROP TABLE runs; --", None, "m1"),
    ] {
        let mut run = record("c", vec![case("x", 5)]);
        suite.clone_into(&mut run.suite);
        run.origin.branch = branch.map(Into::into);
        machine.clone_into(&mut run.origin.machine);
        history.record(&run).unwrap();
    }
    let text = |text: &str| Some(text.to_owned());
    let all = RunFilter::default;
    for (filter, expected) in [
        (all(), vec![4, 3, 2, 1]),
        (RunFilter { limit: Some(2), ..all() }, vec![4, 3]),
        (RunFilter { suite: text("a"), ..all() }, vec![2, 1]),
        (RunFilter { suite: text("a"), branch: text("main"), ..all() }, vec![1]),
        (RunFilter { machine: text("m2"), ..all() }, vec![3]),
        (RunFilter { suite: text("a'; DROP TABLE runs; --"), ..all() }, vec![4]),
        (RunFilter { branch: text("none"), ..all() }, vec![]),
    ] {
        let found: Vec<i64> = history.runs(&filter).unwrap().iter().map(|row| row.id.0).collect();
        assert_eq!(found, expected, "{filter:?}");
        assert_eq!(history.latest(&filter).unwrap().map(|id| id.0), expected.first().copied());
        let series = history.series("x", "p50", &filter).unwrap();
        assert_eq!(series.iter().rev().map(|point| point.run.0).collect::<Vec<_>>(), expected);
    }
}

#[test]
fn old_runs_are_removed_but_not_baselines() {
    let folder = tempfile::tempdir().unwrap();
    let retention = Retention { runs_per_case: 3, detailed_runs_per_case: 2 };
    let mut history = open(folder.path()).with_retention(retention);
    let first = history.record(&record("0", vec![case("a", 5)])).unwrap();
    history.save_baseline("release", first).unwrap();
    for commit in 1..=6 {
        let cases = if commit == 1 { vec![case("a", 5), case("rare", 5)] } else { vec![case("a", 5)] };
        history.record(&record(&commit.to_string(), cases)).unwrap();
    }
    let rows = history.runs(&RunFilter::default()).unwrap();
    let kept: Vec<(i64, u64)> = rows.iter().map(|row| (row.id.0, row.cases)).collect();
    assert_eq!(kept, [(7, 1), (6, 1), (5, 1), (2, 1), (1, 1)], "the rare case keeps its run");
    let intervals = |id| history.load(RunId(id)).unwrap().cases[0].data.intervals.len();
    assert_eq!([7, 6, 5, 1].map(intervals), [12, 12, 0, 12]);
    assert_eq!(history.series("a", "p50", &RunFilter::default()).unwrap().len(), 4);
    assert!(history.remove_baseline("release").unwrap() && !history.remove_baseline("release").unwrap());
    history.record(&record("7", vec![case("a", 5)])).unwrap();
    assert!(matches!(history.load(first), Err(HistoryError::NoSuchRun { .. })));
}

#[test]
fn series_and_changes_name_the_commit() {
    let folder = tempfile::tempdir().unwrap();
    let mut history = open(folder.path());
    for number in 0..30_u64 {
        let millis = if number < 18 { 100 } else { 112 } + number * 7 % 3;
        let mut run = record(&format!("commit-{number}"), vec![case("a", millis)]);
        (if number < 25 { "ci-1" } else { "ci-2" }).clone_into(&mut run.origin.machine);
        history.record(&run).unwrap();
    }
    let points = history.series("a", "p95", &RunFilter::default()).unwrap();
    let changes = changes_over(&points, &EDivisive::default());
    assert_eq!(changes.len(), 1, "{changes:#?}");
    let change = &changes[0];
    assert_eq!((change.at, change.other_machine), (18, false));
    assert_eq!(change.last.origin.commit.as_deref(), Some("commit-17"));
    assert_eq!(change.first.origin.commit.as_deref(), Some("commit-18"));
    assert!((change.ratio.unwrap() - 1.12).abs() < 0.02, "{change:?}");
    assert!(history.series("a", "nonsense", &RunFilter::default()).unwrap().is_empty());
    let cpu = history.series("a", "cpu", &RunFilter { limit: Some(1), ..RunFilter::default() }).unwrap();
    assert_eq!((cpu[0].value, metric_unit("cpu")), (0.25, Unit::Share));
}

#[test]
fn baselines_by_name_and_from_files() {
    let folder = tempfile::tempdir().unwrap();
    let mut history = open(folder.path());
    let (old, new) = (record("old", vec![case("a", 10)]), record("new", vec![case("a", 12)]));
    save_baseline(&mut history, "main", &old).unwrap();
    assert_eq!(load_baseline(Some(&history), "main").unwrap(), old);
    save_baseline(&mut history, "main", &new).unwrap();
    assert_eq!(load_baseline(Some(&history), "main").unwrap(), new);
    let names: Vec<String> = history.baselines().unwrap().into_iter().map(|row| row.name).collect();
    assert_eq!(names, ["main"]);
    assert_eq!(history.runs(&RunFilter::default()).unwrap()[0].baselines, ["main"]);

    let path = folder.path().join("base.json");
    let text = path.to_str().unwrap();
    save_baseline(&mut history, text, &old).unwrap();
    write_baseline(&path, &old).unwrap();
    assert_eq!(load_baseline(Some(&history), text).unwrap(), old);
    assert_eq!(load_baseline(None, text).unwrap(), read_baseline(&path).unwrap());

    let (before, after) = (&old.case("a").unwrap().data, &new.case("a").unwrap().data);
    let comparison = compare(before, after, &CompareOptions::default());
    assert_eq!(comparison.effect, pulse_model::Effect::Regression);

    let error = load_baseline(Some(&history), "mian").unwrap_err();
    assert!(matches!(&error, BaselineError::Unknown { known, .. } if known == &["main"]));
    assert!(error.to_string().contains("neither in the history (which has main) nor as a file"), "{error}");
    for (name, reason) in [("", "empty"), ("a\nb", "control"), (&*"x".repeat(201), "200 bytes")] {
        let error = save_baseline(&mut history, name, &old).unwrap_err().to_string();
        assert!(error.contains("cannot name a baseline") && error.contains(reason), "{error}");
    }
    let error = history.save_baseline("a/b", RunId(1)).unwrap_err().to_string();
    assert!(error.contains("it looks like a file"), "{error}");
    assert!(matches!(history.save_baseline("x", RunId(99)), Err(HistoryError::NoSuchRun { run: 99 })));
}

#[test]
fn an_older_file_is_migrated_with_its_runs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.db");
    let old = Connection::open(&path).unwrap();
    old.execute_batch(include_str!("../src/history/schema_1.sql")).unwrap();
    let summary = serde_json::to_string(&Summary::default()).unwrap();
    old.execute(
        "INSERT INTO runs VALUES (1, 's', 't', NULL, NULL, 0, 'm', 'v', NULL, 'valid', ?1)",
        [summary],
    )
    .unwrap();
    old.pragma_update(None, "application_id", 0x5055_4c53).unwrap();
    old.pragma_update(None, "user_version", 1).unwrap();
    drop(old);
    let mut history = History::open(&path).unwrap();
    history.save_baseline("kept", RunId(1)).unwrap();
    assert_eq!(history.load(RunId(1)).unwrap().suite, "s");
    assert_eq!(history.baseline("kept").unwrap(), Some(RunId(1)));
    assert_eq!(history.runs(&RunFilter::default()).unwrap()[0].ending, Ending::Finished);
}

/// Version 2 knew neither plans nor endings apart from the summaries; both come from there.
#[test]
fn plans_and_endings_of_older_files_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.db");
    let old = Connection::open(&path).unwrap();
    for migration in
        [include_str!("../src/history/schema_1.sql"), include_str!("../src/history/schema_2.sql")]
    {
        old.execute_batch(migration).unwrap();
    }
    let planned = planned("a", 5, "open, 100/s").data.summary;
    for (id, ending) in [(1, Ending::Finished), (2, Ending::Interrupted)] {
        let json = |summary| serde_json::to_string(&summary).unwrap();
        let run = Summary { ending, ..Summary::default() };
        old.execute(
            "INSERT INTO runs VALUES (?1, 's', 't', NULL, NULL, 0, 'm', 'v', NULL, 'valid', ?2)",
            (id, json(run)),
        )
        .unwrap();
        old.execute(
            "INSERT INTO cases VALUES (?1, ?1, 'a', NULL, 'valid', ?2, NULL)",
            (id, json(planned.clone())),
        )
        .unwrap();
        old.execute("INSERT INTO metrics VALUES (?1, 'p50', 5.0)", [id]).unwrap();
    }
    old.pragma_update(None, "application_id", 0x5055_4c53).unwrap();
    old.pragma_update(None, "user_version", 2).unwrap();
    drop(old);
    let history = History::open(&path).unwrap();
    let endings: Vec<Ending> =
        history.runs(&RunFilter::default()).unwrap().into_iter().map(|row| row.ending).collect();
    assert_eq!(endings, [Ending::Interrupted, Ending::Finished]);
    let points = history.series("a", "p50", &RunFilter::default()).unwrap();
    let plans: Vec<(i64, &str)> = points.iter().map(|point| (point.run.0, point.plan.as_str())).collect();
    assert_eq!(plans, [(1, "GET /: open, 100/s")]);
}

/// A case with a plan.
fn planned(id: &str, millis: u64, load: &str) -> CaseRecord {
    let mut case = case(id, millis);
    case.data.summary.run.scenarios =
        vec![ScenarioInfo { name: "GET /".into(), load: load.into(), ..ScenarioInfo::default() }];
    case
}

#[test]
fn interrupted_runs_are_listed_and_followed_by_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut history = open(folder.path());
    history.record(&record("a", vec![case("a", 5)])).unwrap();
    let mut cut = record("b", vec![case("a", 50), case("only", 5)]);
    cut.summary.ending = Ending::Interrupted;
    let id = history.record(&cut).unwrap();
    let rows = history.runs(&RunFilter::default()).unwrap();
    assert_eq!([&rows[0].ending, &rows[1].ending], [&Ending::Interrupted, &Ending::Finished]);
    assert_eq!(history.load(id).unwrap(), cut, "what was measured is kept");
    assert_eq!(history.series("a", "p50", &RunFilter::default()).unwrap().len(), 1);
    assert_eq!(history.case_ids(&RunFilter::default()).unwrap(), ["a"]);
    let error = history.save_baseline("main", id).unwrap_err();
    assert!(matches!(error, HistoryError::CutShort { run: 2 }), "{error}");
    assert!(save_baseline(&mut history, "main", &cut).is_err());
    assert_eq!(history.baselines().unwrap(), []);
}

/// Twenty runs at 100/s, then twenty at 1/s with response times of their own: nothing changed but the plan.
#[test]
fn a_changed_plan_is_no_change_of_the_service() {
    let folder = tempfile::tempdir().unwrap();
    let mut history = open(folder.path());
    for number in 0..40_u64 {
        let (millis, load) = if number < 20 { (100, "open, 100/s") } else { (50, "open, 1/s") };
        // From run 31 on the service is slower.
        let slower = if number < 30 { 0 } else { 20 };
        let case = planned("a", millis + slower + number * 7 % 3, load);
        history.record(&record(&number.to_string(), vec![case])).unwrap();
    }
    let points = history.series("a", "p95", &RunFilter::default()).unwrap();
    let changes = changes_over(&points, &EDivisive::default());
    assert_eq!(changes.iter().map(|change| change.at).collect::<Vec<_>>(), [30], "{changes:#?}");
    let plans = plan_changes(&points);
    assert_eq!(plans.len(), 1);
    assert_eq!((plans[0].at, plans[0].before.as_str()), (20, "GET /: open, 100/s"));
    assert_eq!((plans[0].first.run.0, plans[0].first.plan.as_str()), (21, "GET /: open, 1/s"));
}

#[test]
fn spreads_come_from_runs_of_one_commit() {
    let folder = tempfile::tempdir().unwrap();
    let mut history = open(folder.path());
    for number in 0..8_u64 {
        let commit = if number < 4 { "a" } else { "b" };
        let millis = if number < 4 { 100 } else { 200 } + number % 2 * 2;
        history.record(&record(commit, vec![planned("a", millis, "open, 100/s")])).unwrap();
    }
    let spreads = history.spreads("a", "ci-1").unwrap();
    let p50 = spreads.of("p50").unwrap();
    assert!(p50.freedom == 6 && (0.005..0.015).contains(&p50.deviation), "{p50:?}");
    assert_eq!(history.spreads("a", "ci-2").unwrap(), Spreads::default());
    assert_eq!(history.spreads("b", "ci-1").unwrap(), Spreads::default());
}

fn newer(path: &Path) {
    drop(History::open(path).unwrap());
    Connection::open(path).unwrap().pragma_update(None, "user_version", 99).unwrap();
}

type Make = fn(&Path);

#[test]
fn what_is_no_history_of_ours_is_left_alone() {
    let rows: [(Make, &str); 5] = [
        (
            |path| fs::write(path, "hello, this is no database, not at all\n".repeat(99)).unwrap(),
            "is not a history of Pulse",
        ),
        (
            |path| Connection::open(path).unwrap().execute_batch("CREATE TABLE mine (x)").unwrap(),
            "is not a history of Pulse",
        ),
        (newer, "has version 99, this release reads versions up to 3"),
        (|path| fs::create_dir(path).unwrap(), "cannot be written"),
        (|path| fs::write(path, []).unwrap(), ""),
    ];
    for (make, message) in rows {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.db");
        make(&path);
        match History::open(&path) {
            Err(error) => assert!(!message.is_empty() && error.to_string().contains(message), "{error}"),
            Ok(_) => assert_eq!(message, "", "an empty file is a new history"),
        }
    }
}

#[test]
fn a_damaged_row_names_its_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.db");
    let mut history = History::open(&path).unwrap();
    let id = history.record(&record("c", vec![case("a", 5)])).unwrap();
    Connection::open(&path).unwrap().execute_batch("UPDATE cases SET intervals = '[{'").unwrap();
    let error = history.load(id).unwrap_err().to_string();
    assert!(error.contains("the intervals of a case of run 1 cannot be read"), "{error}");
    Connection::open(&path).unwrap().execute_batch("UPDATE runs SET validity = 'excellent'").unwrap();
    let error = history.runs(&RunFilter::default()).unwrap_err().to_string();
    assert!(error.contains("excellent"), "{error}");
}

#[test]
fn where_nothing_can_be_written_the_reason_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "x").unwrap();
    let error = History::open(&file.join("history.db")).unwrap_err();
    assert!(matches!(error, HistoryError::NotWritable { .. }), "{error}");
    assert!(error.to_string().contains("make its folder writable"), "{error}");
}

#[cfg(unix)]
#[test]
fn a_read_only_folder_is_readable_still() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.db");
    History::open(&path).unwrap().record(&record("c", vec![case("a", 5)])).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let allow = |file, folder_mode| {
        fs::set_permissions(&path, fs::Permissions::from_mode(file)).unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(folder_mode)).unwrap();
    };
    allow(0o400, 0o500);
    // The superuser may write everywhere; for everybody else the file is opened for reading alone.
    let mut history = History::open_existing(&path).unwrap().unwrap();
    assert_eq!(history.runs(&RunFilter::default()).unwrap().len(), 1);
    if !rustix::process::geteuid().is_root() {
        let error = history.record(&record("d", Vec::new())).unwrap_err();
        assert!(matches!(error, HistoryError::NotWritable { .. }), "{error}");
    }
    drop(history);
    allow(0o600, 0o700);
}

#[test]
fn a_history_that_another_process_is_making_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()));
    // As it is for a moment while it is made: complete, but not yet in the journal mode in which it is used.
    let mut maker = Connection::open(folder.path().join(History::PATH)).unwrap();
    maker.pragma_update(None, "journal_mode", "delete").unwrap();
    let making = maker.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
    thread::scope(|scope| {
        let opened = scope.spawn(|| open(folder.path()).runs(&RunFilter::default()).unwrap().len());
        thread::sleep(Duration::from_millis(200));
        drop(making);
        assert_eq!(opened.join().unwrap(), 0);
    });
}

#[test]
fn writers_wait_for_each_other() {
    let folder = tempfile::tempdir().unwrap();
    thread::scope(|scope| {
        for writer in 0..4 {
            let folder = folder.path();
            scope.spawn(move || {
                let mut history = open(folder);
                for number in 0..8 {
                    let id =
                        history.record(&record(&format!("{writer}-{number}"), vec![case("a", 5)])).unwrap();
                    history.save_baseline("shared", id).unwrap();
                }
            });
        }
    });
    let history = open(folder.path());
    assert_eq!(history.runs(&RunFilter::default()).unwrap().len(), 32);
    assert!(history.baseline("shared").unwrap().is_some());
}
