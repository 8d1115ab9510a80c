//! `pulse test`: suites, a run, a report, and what is kept of it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::{self, DirBuilder};
use std::net::SocketAddr;
use std::path::Path;

use pulse_engine::{RunError, StopHandle, probe, raise_descriptor_limit};
use pulse_live::Server;
use pulse_model::{Ending, Finding, Severity, Summary, Verdict};
use pulse_plan::{Case, CaseKind, Plan, Suite};
use pulse_report::{CommitInfo, Detail, PytestBenchmark, Reporter as _, SuiteText};
use pulse_suite::{
    BaselineError, CaseRecord, History, Origin, RunData, RunRecord, SuiteError, SuiteEvent, load_baseline,
    run_suite, save_baseline, selected, write_baseline,
};

use crate::arguments::{TestArguments, WhenInconclusive};
use crate::commands::ab;
use crate::comparison::{Compared, Pairing, counterpart, options, spreads_of};
use crate::dashboard::serve;
use crate::exit::Exit;
use crate::interrupt::stop_on_signal;
use crate::origin::{commit_times, origin};
use crate::problem::Problem;
use crate::report_files::ReportFiles;
use crate::suite_files::read_suites;
use crate::suite_follower::{SuiteFollower, gathered_validity};
use crate::suite_progress::SuiteProgress;
use crate::terminal::{Stream, note};

/// Most cases that are named in a line.
const MAX_NAMED: usize = 10;
/// What people read after Ctrl-C.
const STOPPING: &str = "Stopping: the report follows. Ctrl-C again to quit.";

pub(crate) fn run(arguments: &TestArguments) -> Result<Exit, Problem> {
    if let Some([a, b]) = arguments.ab.as_deref() {
        return ab::run(a, b, arguments);
    }
    let suites = read_suites(&arguments.paths()?, &arguments.overrides())?;
    let chosen = selected(&suites, &arguments.options()).map_err(|error| suite_problem(&error, arguments))?;
    if arguments.list {
        return list(&suites, &chosen, arguments.verbose);
    }
    // Whatever can be wrong with what is asked for is known before anything is measured.
    let baseline = arguments.baseline.as_deref().map(|name| find_baseline(name, &arguments.history));
    let baseline = baseline.transpose()?;
    if let Some(baseline) = &baseline {
        share_a_case(baseline, &chosen, arguments)?;
    }
    // Before anything of ours lies in the folder, which git would take for a change.
    let origin = origin();
    let mut reports = ReportFiles::prepare(&arguments.out)?;
    let stream = reports.human_stream();
    let dashboard = arguments.dashboard.address().map(|address| show_live(address, arguments, stream));
    let dashboard = dashboard.transpose()?;
    reach(&suites, &chosen)?;
    // Users need descriptors; where they do not suffice, the case says so.
    let _ = raise_descriptor_limit();
    if reports.needs_commit() {
        reports = reports.with_commit(commit(&origin));
    }
    let text = text(arguments, stream);
    let follower = dashboard.as_ref().map(|(follower, _)| follower);
    let (mut summary, cases) = measure(&suites, arguments, stream, text, follower)?;
    let mut record = RunRecord::new(&summary.run.name.clone(), origin, summary.clone(), cases);
    if let Some(baseline) = &baseline {
        judge_changes(&mut summary, &mut record, baseline, arguments);
    }
    if let Some((follower, server)) = dashboard {
        // The server ends with the suites, and tells its viewers how they ended.
        follower.finish(&summary);
        drop(server);
    }
    let mut exit = Exit::of_suite(&summary, arguments.inconclusive);
    let results = [show(&summary, stream, text), reports.write(&summary), keep(&record, arguments)];
    // Whatever cannot be written, the others are.
    for problem in results.into_iter().filter_map(Result::err) {
        problem.print();
        exit = problem.exit;
    }
    remark(&summary, arguments);
    Ok(exit)
}

/// Shows the suites in a browser while they run.
fn show_live(
    address: SocketAddr,
    arguments: &TestArguments,
    stream: Stream,
) -> Result<(SuiteFollower, Server), Problem> {
    let follower = SuiteFollower::new();
    let (server, greeting) = serve("--dashboard", address, arguments.dashboard.token(), follower.feed())?;
    print(stream, &greeting)?;
    Ok((follower, server))
}

/// How the report looks.
fn text(arguments: &TestArguments, stream: Stream) -> SuiteText {
    let detail = match arguments {
        TestArguments { verbose: true, .. } => Detail::Verbose,
        TestArguments { quiet: true, .. } | TestArguments { benchmark_only: true, .. } => Detail::Quiet,
        _ => Detail::Usual,
    };
    let (color, width) = (stream.is_colored(), stream.width());
    SuiteText { color, width, detail, cases: false, benchmark: arguments.benchmark_only }
}

/// Prints the ids of the cases; with `is_verbose` also what they are and where.
fn list(suites: &[Suite], chosen: &[(usize, &Case)], is_verbose: bool) -> Result<Exit, Problem> {
    let mut text = String::new();
    for (_, case) in chosen {
        let info = &case.info;
        text.push_str(&info.id);
        if is_verbose {
            let targets: Vec<String> = case.targets.iter().map(ToString::to_string).collect();
            let marks =
                if info.marks.is_empty() { String::new() } else { format!("  [{}]", info.marks.join(", ")) };
            let _ =
                write!(text, "  {}:{}  {}{marks}  {}", info.file, info.line, info.kind, targets.join(", "));
        }
        text.push('\n');
    }
    let all: usize = suites.iter().map(|suite| suite.cases.len()).sum();
    let count = if chosen.len() == all { String::new() } else { format!(" of {all}") };
    let cases = if all == 1 { "case" } else { "cases" };
    let _ = write!(text, "\n{}{count} {cases}\n", chosen.len());
    print(Stream::Out, &text)?;
    Ok(Exit::Success)
}

/// Checks that the services that should be running are.
fn reach(suites: &[Suite], chosen: &[(usize, &Case)]) -> Result<(), Problem> {
    let used: BTreeSet<usize> =
        chosen.iter().filter(|(_, case)| plan(case).is_some()).map(|(suite, _)| *suite).collect();
    for number in used {
        let suite = &suites[number];
        let plan = chosen.iter().filter(|(of, _)| *of == number).find_map(|(_, case)| plan(case));
        let (None, Some(plan)) = (&suite.service.start, plan) else { continue };
        probe(plan).map_err(|error| match error {
            RunError::Unreachable { .. } => Problem::unreachable(format!(
                "{error}\nIs it running, and is the URL right? `pulse demo serve` starts one to try; with \
                 start = \"…\" in [service] the suite starts it."
            )),
            RunError::Origin(_)
            | RunError::Connection(_)
            | RunError::Connector(_)
            | RunError::Steps(_)
            | RunError::Types { .. } => Problem::usage(error),
            RunError::Machine(_) => Problem::internal(error),
        })?;
    }
    Ok(())
}

fn plan(case: &Case) -> Option<&Plan> {
    match &case.kind {
        CaseKind::Load(plan) | CaseKind::Degradation { many: plan, .. } => Some(plan),
        _ => None,
    }
}

/// Runs the cases.
fn measure(
    suites: &[Suite],
    arguments: &TestArguments,
    stream: Stream,
    text: SuiteText,
    follower: Option<&SuiteFollower>,
) -> Result<(Summary, Vec<CaseRecord>), Problem> {
    let stop = StopHandle::default();
    stop_on_signal(&stop, Some(STOPPING))
        .map_err(|error| Problem::internal(format!("signals cannot be handled: {error}")))?;
    let mut progress = SuiteProgress::new(stream, text);
    let mut cases = Vec::new();
    let summary = run_suite(suites, &arguments.options(), &stop, &mut |event| {
        progress.show(&event);
        if let Some(follower) = follower {
            follower.event(&event);
        }
        if let SuiteEvent::CaseFinished { summary, intervals } = event {
            let info = summary.case.clone().unwrap_or_default();
            if info.skipped.is_none() {
                cases.push(CaseRecord { id: info.id, data: RunData::new(*summary, &intervals) });
            }
        }
    });
    let mut summary = summary.map_err(|error| suite_problem(&error, arguments))?;
    summary.validity = gathered_validity(&summary.children.iter().collect::<Vec<_>>());
    Ok((summary, cases))
}

fn suite_problem(error: &SuiteError, arguments: &TestArguments) -> Problem {
    // A word that is no id may have been meant as a file.
    let word = arguments.places.iter().find(|place| !place.contains("::") && !Path::new(place).exists());
    match (error, word) {
        (SuiteError::Selection(_), Some(word)) => {
            Problem::usage(format!("{error}; nor is there a file or folder `{}`", word.escape_debug()))
        }
        _ => Problem::usage(error),
    }
}

/// The baseline of that name or file.
fn find_baseline(name: &str, history: &Path) -> Result<RunRecord, Problem> {
    let history = History::open_existing(history).map_err(Problem::usage)?;
    load_baseline(history.as_ref(), name).map_err(Problem::usage)
}

/// A comparison of nothing is no comparison, which must not look like one that found nothing.
fn share_a_case(
    baseline: &RunRecord,
    chosen: &[(usize, &Case)],
    arguments: &TestArguments,
) -> Result<(), Problem> {
    if chosen.iter().any(|(_, case)| counterpart(baseline, &case.info.id).is_some()) {
        return Ok(());
    }
    let named = |ids: Vec<&str>| match &ids[..] {
        [] => "none".to_owned(),
        ids if ids.len() <= MAX_NAMED => ids.join(", "),
        ids => format!("{} and {} more", ids[..MAX_NAMED].join(", "), ids.len() - MAX_NAMED),
    };
    Err(Problem::usage(format!(
        "none of the selected cases is in the baseline {}, so that nothing could be compared; it has {}, selected are {}; \
         save it again with these cases: --save-baseline NAME",
        arguments.baseline.as_deref().unwrap_or_default(),
        named(baseline.cases.iter().map(|case| case.id.as_str()).collect()),
        named(chosen.iter().map(|(_, case)| case.info.id.as_str()).collect()),
    )))
}

/// Notes in each case how it differs from the baseline.
fn judge_changes(
    summary: &mut Summary,
    record: &mut RunRecord,
    baseline: &RunRecord,
    arguments: &TestArguments,
) {
    // Without a history, or with one that cannot be read, the assumptions about differences between runs have to do.
    let history = History::open_existing(&arguments.history).ok().flatten();
    let spreads = spreads_of(history.as_ref(), record).unwrap_or_default();
    let compared = Compared::new(baseline, record, Pairing::Ids, &spreads, &options(arguments.min_effect));
    for (id, comparison) in compared.pairs {
        let is_it = |case: &&mut Summary| case.case.as_ref().is_some_and(|info| info.id == id);
        for case in summary.children.iter_mut().filter(is_it) {
            case.changes.clone_from(&comparison.changes);
            case.findings.extend(comparison.findings.iter().cloned());
        }
        if let Some(case) = record.cases.iter_mut().find(|case| case.id == id) {
            case.data.summary.changes = comparison.changes;
        }
    }
    if !compared.only_after.is_empty() {
        let message = format!("not in the baseline, so not compared: {}", compared.only_after.join(", "));
        let help = Some("Save the baseline again to include them: --save-baseline NAME.".to_owned());
        let (code, severity) = ("not_in_baseline".to_owned(), Severity::Note);
        summary.findings.push(Finding {
            code,
            severity,
            subject: String::new(),
            message,
            help,
            ..Finding::default()
        });
    }
}

/// Keeps the run in the history, and as a baseline. A history that cannot be written is not worth a red build, unless
/// a baseline was asked for.
fn keep(record: &RunRecord, arguments: &TestArguments) -> Result<(), Problem> {
    let is_whole = record.summary.ending == Ending::Finished;
    // What was measured until then is kept, too; but nothing is to be compared with it.
    let wanted = arguments.save_baseline.as_deref().filter(|_| is_whole);
    if let Some(file) = wanted.filter(|name| is_file(name)) {
        write_baseline(Path::new(file), record).map_err(Problem::usage)?;
    }
    let name = wanted.filter(|name| !is_file(name));
    if arguments.no_history && name.is_none() {
        return refuse_part(is_whole, arguments);
    }
    let kept = open(&arguments.history).and_then(|mut history| match name {
        Some(name) => save_baseline(&mut history, name, record),
        None => Ok(history.record(record).map(drop)?),
    });
    match kept {
        Err(error) if name.is_some() => Err(Problem::usage(error)),
        Err(error) => {
            note(&format!("warning: {error}; --no-history keeps nothing"));
            refuse_part(is_whole, arguments)
        }
        Ok(()) => refuse_part(is_whole, arguments),
    }
}

/// Part of a run is no baseline.
fn refuse_part(is_whole: bool, arguments: &TestArguments) -> Result<(), Problem> {
    if is_whole || arguments.save_baseline.is_none() {
        return Ok(());
    }
    let mut problem = Problem::usage("an interrupted run is no baseline; it was not saved as one");
    problem.exit = Exit::Interrupted;
    Err(problem)
}

/// Whether a baseline is meant to be a file: the rule of [`save_baseline`].
fn is_file(name: &str) -> bool {
    name.contains(['/', '\\'])
        || Path::new(name).extension().is_some_and(|end| end.eq_ignore_ascii_case("json"))
}

/// Opens the history. A folder that is made for it belongs to its owner alone, and keeps itself out of git.
fn open(path: &Path) -> Result<History, BaselineError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists());
    if let Some(folder) = folder {
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        // Should either fail, opening says what is wrong.
        if builder.create(folder).is_ok() {
            let _ = fs::write(folder.join(".gitignore"), "*\n");
        }
    }
    Ok(History::open(path)?)
}

fn show(summary: &Summary, stream: Stream, text: SuiteText) -> Result<(), Problem> {
    let mut bytes = Vec::new();
    text.render(summary, &mut bytes)
        .map_err(|error| Problem::internal(format!("the report cannot be rendered: {error}")))?;
    print(stream, &String::from_utf8_lossy(&bytes))
}

/// What people should not overlook, although the exit code says all is well.
fn remark(summary: &Summary, arguments: &TestArguments) {
    let undecided =
        summary.children.iter().filter(|case| case.verdict == Some(Verdict::Inconclusive)).count();
    if undecided > 0 && arguments.inconclusive == WhenInconclusive::Warn {
        let cases = if undecided == 1 { "case is" } else { "cases are" };
        note(&format!(
            "warning: {undecided} {cases} inconclusive, which does not fail the run; --inconclusive fail does"
        ));
    }
}

fn commit(origin: &Origin) -> PytestBenchmark {
    let times = commit_times().filter(|_| origin.commit.is_some());
    let (time, author_time) = times.unzip();
    let folder = std::env::current_dir().ok();
    let project = folder.and_then(|folder| Some(folder.file_name()?.to_string_lossy().into_owned()));
    let commit = CommitInfo {
        id: origin.commit.clone(),
        time,
        author_time,
        dirty: origin.dirty,
        project,
        branch: origin.branch.clone(),
    };
    PytestBenchmark { commit, machine: origin.machine.clone() }
}

pub(crate) fn print(stream: Stream, text: &str) -> Result<(), Problem> {
    stream.write(text).map_err(|error| Problem::usage(format!("the output cannot be written: {error}")))
}
