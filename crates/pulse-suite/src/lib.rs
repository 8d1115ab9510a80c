//! Suites of cases with targets: running them, judging them so that the verdict holds, and comparing them.
//!
//! **Main types**
//! - [`run_suite`]: every selected case, one after another through the ordinary engine, to one tree of summaries;
//! - [`RunOptions`] with its [`Selection`]: which cases, how often, and what ends the run;
//! - [`SuiteEvent`]: what happens meanwhile;
//! - [`find_process`]: the service's process, whose memory and CPU time are watched;
//! - [`compare`](compare()): two runs, as [`RunData`], to [`pulse_model::Change`]s and an effect; [`run_ab`] for two commands;
//! - [`run_capacity`]: the highest load that still meets the targets, by a [`CapacitySearch`];
//! - [`MachineReadings`] and [`calibrate`]: whether this machine can give true numbers;
//! - [`History`]: the runs that were kept, their baselines and the changes over them; [`load_baseline`] for files as well.
//!
//! A case is measured in batches until all of its targets are decided, or its budget is used up.
//!
//! ```
//! use pulse_model::CaseInfo;
//! use pulse_suite::Selection;
//!
//! let case = CaseInfo { id: "api::health".into(), marks: vec!["slow".into()], ..CaseInfo::default() };
//! let selection = Selection { words: Some("api and not trades".parse()?), ..Selection::default() };
//! assert!(selection.selects(&case));
//! let selection = Selection { marks: Some("not slow".parse()?), ..Selection::default() };
//! assert!(!selection.selects(&case));
//! # Ok::<(), pulse_suite::SelectionError>(())
//! ```
//!
//! What it does *not* do: it reads no suite files (`pulse-plan` makes suites from their text), prints nothing, renders no
//! report, and does not decide about exit codes.

mod ab;
mod attempts;
mod baseline;
mod blocks;
mod calibration;
mod capacity;
mod capacity_run;
mod case_run;
mod check;
mod command;
mod compare;
mod cpu;
mod database;
mod database_check;
mod degradation;
mod estimate_judgement;
mod gathering;
mod history;
mod invocation;
mod law_server;
mod machine_checks;
mod memory;
mod output_tail;
mod process;
mod progress;
mod readiness;
mod run_data;
mod run_options;
mod run_record;
mod runner;
mod sampling;
mod selection;
mod service;
mod service_check;
mod suite_event;
mod trend_chart;
mod warm_up_check;
mod watch;
mod websocket;
mod work;

pub use ab::{AbError, AbPlan, AbResult, AbRun, AbStop, MAX_PAIRS, MIN_PAIRS, Variant, run_ab};
pub use baseline::{BaselineError, load_baseline, read_baseline, save_baseline, write_baseline};
pub use calibration::{CalibratedQuantile, Calibration, CalibrationError, calibrate, measure_url};
pub use capacity::{
    CapacityEnd, CapacityMode, CapacitySearch, CapacityStep, MAX_CAPACITY_STEPS, StepOutcome,
};
pub use capacity_run::{
    CapacityError, CapacityEvent, CapacityOptions, CapacityPoint, CapacityResult, StepLoad,
    capacity_in_words, run_capacity, unjudgeable,
};
pub use check::{Check, CheckState};
pub use compare::{CompareOptions, Comparison, Pair, Precision, Spread, Spreads, compare, compare_all};
pub use database_check::check_databases;
pub use estimate_judgement::judge_measured;
pub use history::{
    BaselineRow, History, HistoryChange, HistoryError, HistoryPoint, PlanChange, Retention, RunFilter, RunId,
    RunRow, changes_over, plan_changes,
};
pub use invocation::{Invocation, InvocationError};
pub use machine_checks::{MachineReadings, judge_calibration};
pub use process::{ProcessError, find_process};
pub use pulse_stats::judge_estimate;
pub use run_data::{MAX_INTERVALS, RunData};
pub use run_options::{MAX_REPEAT, MAX_RETRIES, RunOptions, WhenInconclusive};
pub use run_record::{CaseRecord, Origin, RunRecord, metric_unit, metrics};
pub use runner::{SuiteError, run_suite, selected};
pub use sampling::is_decided;
pub use selection::{Expression, Selection, SelectionError};
pub use service::{ServiceStartError, StartedService};
pub use service_check::check_services;
pub use suite_event::SuiteEvent;
pub use trend_chart::{ChartCharacters, DrawnTrend, TrendChart};
