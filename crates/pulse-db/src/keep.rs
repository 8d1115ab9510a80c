//! Which of the tried changes are worth making: those that the clock liked, not only the planner.
//!
//! A statement's gain belongs to an index when the plan with the changes names it, a drop's loss when the plan without them
//! did. Where one plan uses several new indexes, the trial cannot tell whose the gain is: a join may owe all of it to one, and
//! name the other. An index without better proof than such a statement is tried once more with the others given, and judged by
//! what it adds to them ([`settle`]). Drops are tried together, too, and one may slow down what another alone is named by: a
//! scan of a larger index drives a neighbour's pages out of the cache. So the one that costs most stays first, and the others
//! get a second trial without it ([`still_open`]). A plan that changes although it names no tried index (with an index go its statistics, by
//! which others are judged, too) is held against every drop. Pure functions over the results of trials.

use serde::{Deserialize, Serialize};

use crate::change::{Change, ChangeKind};
use crate::trial::{StatementTrial, TrialResult};
use crate::weighted::middle_mean;
use crate::workload::Workload;

/// The loss of a statement that a drop may cost at most, once the interval shows that it is one: 5 %. Two indexes that do the same
/// lie on other pages, which alone makes some per cent either way; what every write saves outweighs less than that.
pub const MAX_LOSS: f64 = 0.05;

/// What becomes of a change that was tried.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Judged {
    /// The change's place in the trial.
    pub change: usize,
    /// Whether it is worth making.
    pub is_kept: bool,
    /// Why, with the figures.
    pub reason: String,
    /// Statements that use it, by their place in the workload: what is judged by.
    pub users: Vec<usize>,
    /// Statements that it made significantly faster, by their place in the workload.
    pub helped: Vec<usize>,
    /// Statements that it made significantly slower.
    pub hurt: Vec<usize>,
    /// Time of the workload's calls of the statements that use it: the share that is saved, negative when it is lost.
    pub saved_share: f64,
    /// Time that the workload's calls of the statements that use it lose by it, in nanoseconds; negative when it is saved.
    pub lost: f64,
}

/// Judges every change of a trial. `min_gain` is the least share of time that has to be saved: 0.1 for 10 %.
pub fn keep(workload: &Workload, changes: &[Change], result: &TrialResult, min_gain: f64) -> Vec<Judged> {
    (0..changes.len()).map(|number| judge(workload, number, changes, result, min_gain)).collect()
}

/// Tries indexes that may owe their gain to others once more, one by one: each is kept only for what it adds to those that are
/// kept beside it. `retry` tries a change where the others are given.
///
/// # Errors
/// Those of `retry`.
pub fn settle<E>(
    workload: &Workload,
    changes: &[Change],
    judged: &mut [Judged],
    result: &TrialResult,
    min_gain: f64,
    mut retry: impl FnMut(&Change, &[Change]) -> Result<TrialResult, E>,
) -> Result<(), E> {
    let mut settled = Vec::new();
    while let Some(number) = doubtful(workload, changes, judged, &settled, result, min_gain) {
        let others = judged.iter().filter(|other| other.is_kept && other.change != number);
        let given: Vec<Change> = others.map(|other| changes[other.change].clone()).collect();
        let change = &changes[number];
        let found = judge(workload, 0, std::slice::from_ref(change), &retry(change, &given)?, min_gain);
        let reason = format!("beside the other new indexes: {}", found.reason);
        judged[number] = Judged { change: number, reason, ..found };
        settled.push(number);
    }
    Ok(())
}

/// The drops that are tried again, by their places in the trial, after those in it that are refused: all that are kept, and those
/// that only the clock refused and that had no second chance yet, but for the one by which most time is lost.
pub fn still_open(judged: &[Judged], had_chance: &[bool]) -> Vec<usize> {
    let is_slower = |number: usize| !judged[number].is_kept && !judged[number].hurt.is_empty();
    let slower = (0..judged.len()).filter(|&number| is_slower(number));
    let worst = slower.max_by(|&one, &other| judged[one].lost.total_cmp(&judged[other].lost));
    let gets_one = |number: usize| {
        is_slower(number) && Some(number) != worst && !had_chance.get(number).copied().unwrap_or(true)
    };
    (0..judged.len()).filter(|&number| judged[number].is_kept || gets_one(number)).collect()
}

/// The kept index that saves least among those that would not be kept for the statements that use no other new index.
fn doubtful(
    workload: &Workload,
    changes: &[Change],
    judged: &[Judged],
    settled: &[usize],
    result: &TrialResult,
    min_gain: f64,
) -> Option<usize> {
    let is_kept = |&number: &usize| judged[number].is_kept && changes[number].kind == ChangeKind::CreateIndex;
    let kept: Vec<usize> = (0..changes.len().min(judged.len())).filter(is_kept).collect();
    let is_shared = |number: usize, user: usize| {
        let plan = &result.statements[user].plan_after;
        kept.iter().any(|&other| other != number && names(plan, &changes[other].subject))
    };
    let is_doubtful = |&number: &usize| {
        let mut own = users(&changes[number], changes, result);
        own.retain(|&user| !is_shared(number, user));
        !settled.contains(&number)
            && !judge_users(workload, number, &changes[number], result, &own, min_gain).is_kept
    };
    let saved = |number: &usize| judged[*number].saved_share;
    kept.iter().copied().filter(is_doubtful).min_by(|one, other| saved(one).total_cmp(&saved(other)))
}

fn judge(
    workload: &Workload,
    number: usize,
    changes: &[Change],
    result: &TrialResult,
    min_gain: f64,
) -> Judged {
    let change = &changes[number];
    judge_users(workload, number, change, result, &users(change, changes, result), min_gain)
}

/// Judges a change by some of the statements that use it.
fn judge_users(
    workload: &Workload,
    number: usize,
    change: &Change,
    result: &TrialResult,
    users: &[usize],
    min_gain: f64,
) -> Judged {
    let significant = |is: &dyn Fn(f64, f64) -> bool| {
        let gains = users.iter().filter_map(|&user| Some((user, result.statements[user].gain?)));
        gains.filter(|(_, gain)| is(gain.lo, gain.hi)).map(|(user, _)| user).collect::<Vec<_>>()
    };
    let mut judged = Judged {
        change: number,
        helped: significant(&|lo, _| lo > 1.0),
        hurt: significant(&|_, hi| hi < 1.0),
        ..Judged::default()
    };
    let [before, after] = time_of(workload, result, users);
    judged.saved_share = if before > 0.0 { 1.0 - after / before } else { 0.0 };
    judged.lost = after - before;
    (judged.is_kept, judged.reason) = match obstacle(workload, number, result, users) {
        Some(obstacle) => (false, obstacle),
        None if change.kind == ChangeKind::CreateIndex => {
            judge_index(workload, &judged, result, users, min_gain)
        }
        None if change.kind == ChangeKind::DropIndex => judge_drop(workload, &judged, result, users),
        None => (true, "made on the copy".to_owned()),
    };
    judged.users = users.to_vec();
    judged
}

/// Statements whose plan names the index; of a drop also those whose plan changes and names no index of the trial.
fn users(change: &Change, changes: &[Change], result: &TrialResult) -> Vec<usize> {
    let is_explained = |trial: &StatementTrial| {
        let is_in = |change: &Change| {
            names(&trial.plan_before, &change.subject) || names(&trial.plan_after, &change.subject)
        };
        trial.plan_before == trial.plan_after || changes.iter().any(is_in)
    };
    let plan = |trial: &StatementTrial| match change.kind {
        ChangeKind::CreateIndex => names(&trial.plan_after, &change.subject),
        ChangeKind::DropIndex => names(&trial.plan_before, &change.subject) || !is_explained(trial),
        // These touch every plan that they change.
        ChangeKind::Vacuum | ChangeKind::Analyze => trial.plan_before != trial.plan_after,
    };
    let statements = result.statements.iter().enumerate();
    statements.filter(|(_, trial)| plan(trial)).map(|(number, _)| number).collect()
}

/// Whether a plan uses the index: `USING COVERING INDEX name (…)`. The name may hold anything, so its end is looked at.
fn names(plan: &[String], index: &str) -> bool {
    let word = format!("INDEX {index}");
    plan.iter().any(|line| {
        line.match_indices(&word).any(|(at, _)| {
            let rest = &line[at + word.len()..];
            rest.is_empty()
                || [" (", " LEFT-JOIN", " FOR IN-OPERATOR"].iter().any(|next| rest.starts_with(next))
        })
    })
}

/// Nanoseconds of the workload's calls of these statements, without and with the changes.
fn time_of(workload: &Workload, result: &TrialResult, users: &[usize]) -> [f64; 2] {
    let total = |side: &dyn Fn(&StatementTrial) -> Option<f64>| {
        let weighted = |&user: &usize| {
            let calls = workload.statements.get(user).map_or(1, |statement| statement.calls.max(1));
            side(&result.statements[user]).unwrap_or(0.0) * calls as f64
        };
        users.iter().map(weighted).sum::<f64>()
    };
    [total(&|trial| middle_mean(&trial.before)), total(&|trial| middle_mean(&trial.after))]
}

/// What forbids a change whatever the clock says.
fn obstacle(workload: &Workload, number: usize, result: &TrialResult, users: &[usize]) -> Option<String> {
    match result.changes.get(number) {
        None => return Some("it was not tried".to_owned()),
        Some(tried) => {
            if let Some(failure) = &tried.failure {
                return Some(format!("it could not be made on the copy: {failure}"));
            }
        }
    }
    let differing = |user: &usize| {
        let difference = result.statements[*user].difference.as_ref()?;
        Some(format!("REJECTED: it changes the answer of {}: {difference}", title(workload, *user)))
    };
    if let Some(found) = users.iter().find_map(differing) {
        return Some(found);
    }
    let is_unseen = |user: &&usize| {
        let trial = &result.statements[**user];
        trial.compared == 0 && trial.failure.is_none() && !trial.cut_off
    };
    if let Some(&user) = users.iter().find(is_unseen) {
        return Some(format!(
            "not proven: the answers of {} were not compared for want of time",
            title(workload, user)
        ));
    }
    // A statement that writes names no index in its plan, and still fails on one.
    let fails =
        |trial: &StatementTrial| trial.difference.as_ref().is_some_and(|what| what.contains("fails with"));
    let failing = result.statements.iter().position(fails)?;
    let what = result.statements[failing].difference.clone().unwrap_or_default();
    Some(format!("REJECTED: with the changes {} no longer works: {what}", title(workload, failing)))
}

fn judge_index(
    workload: &Workload,
    judged: &Judged,
    result: &TrialResult,
    users: &[usize],
    min_gain: f64,
) -> (bool, String) {
    const LIKED: &str = "the planner liked it, the clock did not";
    if users.is_empty() {
        return (false, "no statement's plan uses it once it is there".to_owned());
    }
    let is_unknown = |user: &&usize| {
        let trial = &result.statements[**user];
        trial.before.is_empty() && (trial.cut_off || trial.failure.is_none())
    };
    if let Some(&user) = users.iter().find(is_unknown) {
        let title = title(workload, user);
        return (false, format!("not proven: {title} uses it and did not end in the time given: give more"));
    }
    let gains = || users.iter().filter_map(|&user| result.statements[user].gain);
    let Some(best) = gains().max_by(|a, b| a.lo.total_cmp(&b.lo)) else {
        return (
            false,
            "not proven: there was no time for enough rounds of the statements that use it".to_owned(),
        );
    };
    let of_best = format!("{:.2} times as fast ({:.2} … {:.2})", best.value, best.lo, best.hi);
    if best.lo <= 1.0 {
        return (false, format!("{LIKED}: at best {of_best}, which may be chance"));
    }
    let saved = format!("{:.0} % of the time of the statements that use it", judged.saved_share * 100.0);
    if 1.0 - 1.0 / best.value < min_gain {
        return (false, format!("{LIKED}: at best {of_best}, under the {:.0} % asked for", min_gain * 100.0));
    }
    if judged.saved_share < min_gain {
        return (
            false,
            format!(
                "{LIKED}: weighted by calls it saves {saved}, under the {:.0} % asked for",
                min_gain * 100.0
            ),
        );
    }
    (true, format!("{of_best} at best; weighted by calls it saves {saved}"))
}

fn judge_drop(workload: &Workload, judged: &Judged, result: &TrialResult, users: &[usize]) -> (bool, String) {
    let worse =
        |&&user: &&usize| result.statements[user].gain.is_some_and(|gain| gain.value < 1.0 - MAX_LOSS);
    if let Some(&user) = judged.hurt.iter().find(worse) {
        let gain = result.statements[user].gain.unwrap_or_default();
        let slower = format!("{:.2} times as fast ({:.2} … {:.2})", gain.value, gain.lo, gain.hi);
        let reason = format!(
            "the planner does not need it, the clock does: without it {} is {slower}, more than {:.0} % slower",
            title(workload, user),
            MAX_LOSS * 100.0
        );
        return (false, reason);
    }
    let unproven = |&&user: &&usize| {
        let trial = &result.statements[user];
        trial.gain.is_none() || trial.failure.is_some()
    };
    if let Some(&user) = users.iter().find(unproven) {
        return (false, format!("not proven: {} uses it and could not be measured", title(workload, user)));
    }
    let reason = match users.len() {
        0 => "no statement of the workload uses it".to_owned(),
        1 => "the statement that uses it is no slower without it, and answers the same".to_owned(),
        count => format!("{count} statements that use it are no slower without it, and answer the same"),
    };
    (true, reason)
}

/// A statement for people: its form, cut.
fn title(workload: &Workload, number: usize) -> String {
    let form = workload.statements.get(number).map_or("", |statement| statement.form.as_str());
    let cut: String = form.chars().take(80).collect();
    format!("statement {} (`{cut}`)", number + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::{ChangeTrial, Gain};
    use crate::workload::Statement;
    use pulse_model::Histogram;

    fn times(nanos: u64) -> Histogram {
        let mut histogram = Histogram::default();
        histogram.record_n(nanos, 10);
        histogram
    }

    fn trial(before: u64, after: u64, scatter: f64, plans: [&str; 2]) -> StatementTrial {
        let value = before as f64 / after as f64;
        StatementTrial {
            before: times(before),
            after: times(after),
            gain: Some(Gain { value, lo: value - scatter, hi: value + scatter }),
            plan_before: vec![plans[0].to_owned()],
            plan_after: vec![plans[1].to_owned()],
            compared: 1,
            ..StatementTrial::default()
        }
    }

    fn judged(kind: ChangeKind, statements: Vec<(u64, StatementTrial)>) -> Judged {
        let form = |calls| Statement { form: "SELECT".to_owned(), calls, ..Statement::default() };
        let workload = Workload {
            statements: statements.iter().map(|(calls, _)| form(*calls)).collect(),
            ..Workload::default()
        };
        let result = TrialResult {
            statements: statements.into_iter().map(|(_, trial)| trial).collect(),
            changes: vec![ChangeTrial::default()],
            ..TrialResult::default()
        };
        let change = Change {
            kind,
            schema: "main".to_owned(),
            subject: "t a".to_owned(),
            fix: pulse_model::Fix::default(),
        };
        keep(&workload, &[change], &result, 0.1).remove(0)
    }

    const SCAN: &str = "SCAN t";
    const FOUND: &str = "SEARCH t USING INDEX t a (a=?)";

    #[test]
    fn an_index_is_kept_for_what_the_clock_says() {
        let index = |statements| judged(ChangeKind::CreateIndex, statements);
        let kept = index(vec![(1, trial(2_000, 1_000, 0.1, [SCAN, FOUND]))]);
        assert!(kept.is_kept && kept.helped == [0] && (kept.saved_share - 0.5).abs() < 1e-9, "{kept:?}");
        let cases = [
            (vec![(1, trial(2_000, 1_000, 0.1, [SCAN, SCAN]))], "no statement's plan uses it"),
            (vec![(1, trial(2_000, 1_000, 1.5, [SCAN, FOUND]))], "which may be chance"),
            (vec![(1, trial(1_050, 1_000, 0.01, [SCAN, FOUND]))], "under the 10 % asked for"),
            // A small statement gains, an often called one loses more.
            (
                vec![
                    (1, trial(2_000, 1_000, 0.1, [SCAN, FOUND])),
                    (1_000, trial(1_000, 2_000, 0.1, [SCAN, FOUND])),
                ],
                "weighted by calls it saves -",
            ),
            (
                vec![(1, StatementTrial { gain: None, ..trial(2, 1, 0.0, [SCAN, FOUND]) })],
                "not proven: there was no time",
            ),
            (
                vec![(1, StatementTrial { compared: 0, ..trial(9, 1, 0.0, [SCAN, FOUND]) })],
                "were not compared",
            ),
            (
                vec![(
                    1,
                    StatementTrial {
                        difference: Some("the rows differ".to_owned()),
                        ..trial(9, 1, 0.0, [SCAN, FOUND])
                    },
                )],
                "REJECTED",
            ),
        ];
        // What it does to a statement that never ended is not known.
        let endless =
            StatementTrial { before: Histogram::default(), gain: None, ..trial(1, 1, 0.0, [SCAN, FOUND]) };
        let unknown = vec![(1, trial(9, 1, 0.0, [SCAN, FOUND])), (1, endless)];
        for (statements, words) in cases.into_iter().chain([(unknown, "did not end in the time given")]) {
            let found = index(statements);
            assert!(!found.is_kept && found.reason.contains(words), "{words}: {found:?}");
        }
    }

    /// A join that owes its gain to one of two indexes, and names both.
    #[test]
    fn an_index_is_kept_only_for_what_it_adds_to_the_others() {
        const BOTH: &str = "SEARCH t USING INDEX a (a=?), SEARCH u USING INDEX b (b=?)";
        let [only_a, only_b] = ["SEARCH t USING INDEX a (a=?)", "SEARCH u USING INDEX b (b=?)"];
        let fix = pulse_model::Fix::default;
        let index = |subject: &str| Change {
            kind: ChangeKind::CreateIndex,
            schema: "main".to_owned(),
            subject: subject.to_owned(),
            fix: fix(),
        };
        let changes = [index("a"), index("b")];
        let result = |statements: Vec<StatementTrial>| TrialResult {
            statements,
            changes: vec![ChangeTrial::default(); 2],
            ..TrialResult::default()
        };
        let settled = |statements: Vec<StatementTrial>, added: [u64; 2]| {
            let (joint, workload) = (result(statements), Workload::default());
            let mut judged = keep(&workload, &changes, &joint, 0.1);
            assert!(judged.iter().all(|judged| judged.is_kept), "{judged:?}");
            let mut asked = Vec::new();
            let retry = |change: &Change, given: &[Change]| {
                asked.push((change.subject.clone(), given.len()));
                let before = added[usize::from(change.subject == "b")];
                let plan = if change.subject == "b" { only_a } else { only_b };
                Ok::<_, ()>(result(vec![trial(before, 1_000, 0.01, [plan, BOTH])]))
            };
            settle(&workload, &changes, &mut judged, &joint, 0.1, retry).unwrap();
            (judged.iter().map(|judged| judged.is_kept).collect::<Vec<_>>(), asked)
        };
        let both = || trial(9_000, 1_000, 0.1, [SCAN, BOTH]);
        let asked = |subjects: &[(&str, usize)]| -> Vec<(String, usize)> {
            subjects.iter().map(|(subject, given)| ((*subject).to_owned(), *given)).collect()
        };
        // All of it is the first one's; each adds its part; one would do, and the other is left.
        assert_eq!(settled(vec![both()], [9_000, 1_000]), (vec![true, false], asked(&[("a", 1), ("b", 1)])));
        assert_eq!(settled(vec![both()], [3_000, 3_000]), (vec![true, true], asked(&[("a", 1), ("b", 1)])));
        assert_eq!(settled(vec![both()], [1_000, 1_000]), (vec![false, true], asked(&[("a", 1)])));
        // With a statement of its own there is no doubt about it.
        let own = trial(9_000, 1_000, 0.1, [SCAN, only_a]);
        assert_eq!(settled(vec![both(), own], [1_000, 1_000]), (vec![true, false], asked(&[("b", 1)])));
    }

    #[test]
    fn a_drop_is_proven_by_those_that_used_the_index() {
        let drop = |statements| judged(ChangeKind::DropIndex, statements);
        let other = "SEARCH t USING INDEX t a b (a=?)";
        let kept = [
            vec![(1, trial(1_000, 9_000, 0.1, [SCAN, SCAN]))],
            vec![(1, trial(1_000, 1_010, 0.1, [FOUND, other]))],
            vec![(1, trial(1_000, 1_020, 0.001, [FOUND, other]))],
            // The index with the longer name is another one.
            vec![(1, trial(1_000, 9_000, 0.1, [other, other]))],
        ];
        for statements in kept {
            let found = drop(statements);
            assert!(found.is_kept, "{found:?}");
        }
        let slower = drop(vec![(1, trial(1_000, 2_000, 0.1, [FOUND, SCAN]))]);
        assert!(!slower.is_kept && slower.reason.contains("0.50 times as fast"), "{slower:?}");
        assert!(slower.reason.starts_with("the planner does not need it, the clock does"), "{slower:?}");
        // Its statistics went with it, and another statement is planned otherwise.
        let misled = drop(vec![(1, trial(1_000, 9_000, 0.1, [other, SCAN]))]);
        assert!(!misled.is_kept && misled.users == [0], "{misled:?}");
        // A loss that may be chance, or that is smaller than the bound, is none.
        for trial in [trial(1_000, 1_200, 0.4, [FOUND, other]), trial(1_000, 1_040, 0.001, [FOUND, other])] {
            assert!(drop(vec![(1, trial)]).is_kept);
        }
        let just_beyond = drop(vec![(1, trial(1_000, 1_060, 0.001, [FOUND, other]))]);
        assert!(!just_beyond.is_kept, "{just_beyond:?}");
        let unproven = drop(vec![(1, StatementTrial { gain: None, ..trial(1, 1, 0.0, [FOUND, other]) })]);
        assert!(!unproven.is_kept && unproven.reason.contains("not proven"), "{unproven:?}");
    }

    /// The one that scans a larger index now, and one whose pages that scan drives out of the cache.
    #[test]
    fn a_drop_that_another_slowed_down_has_a_second_chance() {
        let slower = |lost| Judged { hurt: vec![0], lost, ..Judged::default() };
        let kept = || Judged { is_kept: true, ..Judged::default() };
        let refused = Judged::default;
        let tried = [kept(), slower(50.0), slower(900.0), refused(), slower(60.0)];
        assert_eq!(still_open(&tried, &[false; 5]), [0, 1, 4]);
        assert_eq!(still_open(&tried, &[false, true, false, false, false]), [0, 4]);
        assert_eq!(still_open(&[kept(), slower(50.0), refused()], &[false; 3]), [0]);
        assert!(still_open(&[slower(1.0)], &[false]).is_empty());

        let called = vec![(7, trial(1_000, 3_000, 0.1, [FOUND, SCAN]))];
        let lost = judged(ChangeKind::DropIndex, called).lost;
        assert!((lost - 14_000.0).abs() < 300.0, "{lost}");
    }

    #[test]
    fn what_was_not_tried_or_failed_is_not_kept() {
        let change = Change {
            kind: ChangeKind::CreateIndex,
            schema: "main".to_owned(),
            subject: "a".to_owned(),
            fix: pulse_model::Fix::default(),
        };
        let changes = [change.clone(), change];
        let failed = ChangeTrial { failure: Some("no such column".to_owned()), ..ChangeTrial::default() };
        let result = TrialResult { changes: vec![failed], ..TrialResult::default() };
        let found = keep(&Workload::default(), &changes, &result, 0.1);
        assert!(
            found[0].reason.contains("no such column") && found[1].reason.contains("not tried"),
            "{found:?}"
        );
    }
}
