//! What writing a database's file anew would bring, and what came of it. Plain data, with the rule of when it is worth it.

use std::path::PathBuf;

use pulse_model::Nanos;
use serde::{Deserialize, Serialize};

/// A smaller share of the file is not worth writing it anew.
pub const MIN_SAVED_SHARE: f64 = 0.05;

/// Where a forecast comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ForecastSource {
    /// Free pages alone: the least that is saved.
    #[default]
    FreePages,
    /// How full every page is.
    Fill,
    /// A compact copy was written: exact.
    Copy,
}

/// What a `VACUUM` would bring, and what it needs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct VacuumForecast {
    /// Bytes of the database now.
    pub size_bytes: u64,
    /// Bytes per page.
    pub page_size: u64,
    /// Bytes of pages that hold nothing.
    pub free_bytes: u64,
    /// Bytes within used pages that hold nothing; 0 where they were not read.
    pub unused_bytes: u64,
    /// Bytes of the database afterwards.
    pub predicted_bytes: u64,
    /// Where that comes from.
    pub source: ForecastSource,
    /// How long it took to write the compact copy, where one was.
    pub copy_duration: Option<Nanos>,
    /// Where the new file is built.
    pub temp_folder: PathBuf,
    /// Bytes that are needed and free there.
    pub temp_bytes: Room,
    /// Bytes that are needed and free beside the database. Where both folders share a file system, each names its own part.
    pub database_bytes: Room,
    /// Tables whose rows have no key of their own: their row numbers may change.
    pub implicit_rowid_tables: Vec<String>,
    /// `wal`, `delete` and so on.
    pub journal_mode: String,
    /// 0 none, 1 full, 2 incremental.
    pub auto_vacuum: u64,
    /// What to think of before, for people.
    pub warnings: Vec<String>,
    /// Other ways, with their conditions, for people.
    pub alternatives: Vec<String>,
}

/// Room that is needed and there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Room {
    /// Needed.
    pub needed: u64,
    /// There.
    pub free: u64,
}

impl VacuumForecast {
    /// Bytes that are saved.
    pub fn saved_bytes(&self) -> u64 {
        self.size_bytes.saturating_sub(self.predicted_bytes)
    }

    /// The share of the file that is saved.
    pub fn saved_share(&self) -> f64 {
        if self.size_bytes == 0 { 0.0 } else { self.saved_bytes() as f64 / self.size_bytes as f64 }
    }

    /// Why it is not worth it, with the figure; `None` when it is.
    pub fn decline(&self) -> Option<String> {
        (self.saved_share() < MIN_SAVED_SHARE).then(|| {
            format!(
                "nothing to gain: it would save {} of {} bytes ({:.1} %), less than {:.0} %",
                self.saved_bytes(),
                self.size_bytes,
                self.saved_share() * 100.0,
                MIN_SAVED_SHARE * 100.0
            )
        })
    }
}

/// What came of writing a file anew.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Vacuumed {
    /// Bytes before.
    pub before_bytes: u64,
    /// Bytes after.
    pub after_bytes: u64,
    /// How long it took.
    pub duration: Nanos,
    /// What could not be as it was meant to be, for people.
    pub remarks: Vec<String>,
}
