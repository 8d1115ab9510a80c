//! One file per command: arguments to job to exit code.

pub(crate) mod demo;
pub(crate) mod load;
pub(crate) mod report;
