//! The memory that the processes of a service share.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use pulse_monitor::SharedReader;

use super::{ReadError, Reading};
use crate::problem::Problem;

/// Watches a group from outside: reads, and takes no part.
pub(crate) struct SharedSource {
    group: String,
    reader: SharedReader,
    /// Which file it is: a service that is started anew may make another under the same name.
    file: u64,
}

impl SharedSource {
    /// The group of a name.
    pub(crate) fn open(group: &str) -> Result<Self, Problem> {
        let reader = SharedReader::open(group).map_err(|error| {
            let groups = SharedReader::groups();
            let there = if groups.is_empty() {
                "there are no groups of this user here; a service makes one when it is started with PULSE_GROUP=NAME"
                    .to_owned()
            } else {
                format!("there are: {}", groups.join(", "))
            };
            Problem::usage(format!("{error}\n{there}"))
        })?;
        Ok(Self { group: group.to_owned(), file: inode(reader.path()), reader })
    }

    pub(crate) fn name(&self) -> String {
        format!("shm:{}", self.group)
    }

    pub(crate) fn read(&mut self) -> Result<Reading, ReadError> {
        let file = inode(self.reader.path());
        if file != self.file {
            // The old file is still mapped, but nobody writes to it any more.
            let gone = |_| ReadError::Unreachable(format!("the group {} has gone", self.group));
            self.reader = SharedReader::open(&self.group).map_err(gone)?;
            self.file = inode(self.reader.path());
        }
        let mut totals = self.reader.totals();
        self.reader.slow_queries().iter().for_each(|slow| slow.add_to(&mut totals));
        Ok(Reading { totals, counter: Some(self.file.to_string()), ..Reading::default() })
    }
}

/// The number of the file at a path; 0 where there is none.
fn inode(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |file| file.ino())
}
