//! Cases that time a program: `command = "…"`.

use pulse_model::Nanos;

use crate::CaseKind;
use crate::file::reader::{Field, TableReader};
use crate::file::suite::amount::Amount;
use crate::file::suite::case::Work;
use crate::file::suite::service::read_command;

const DEFAULT_ROUNDS: u32 = 10;
const DEFAULT_TIMEOUT: Nanos = Nanos::from_secs(60);

pub(crate) fn read(field: &Field<'_>, table: &TableReader<'_>, defaults: &Amount) -> Option<Work> {
    let amount = Amount::read_rounds(table).or(defaults);
    let timeout = table.get("timeout").and_then(|field| field.time_span("\"60s\""));
    let command = read_command(field, "\"python tools/report.py\"")?;
    let rounds = amount.rounds.unwrap_or(DEFAULT_ROUNDS);
    let kind = CaseKind::Command {
        command,
        rounds,
        warmup_rounds: amount.warmup_rounds.unwrap_or(1),
        timeout: timeout.unwrap_or(DEFAULT_TIMEOUT),
    };
    Some(Work::Done { kind, limits: amount.counted(rounds.into()) })
}
