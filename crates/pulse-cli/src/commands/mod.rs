//! One file per command: arguments to job to exit code.

pub(crate) mod ab;
pub(crate) mod capacity;
pub(crate) mod compare;
pub(crate) mod db;
pub(crate) mod demo;
pub(crate) mod history;
pub(crate) mod load;
pub(crate) mod monitor;
pub(crate) mod report;
pub(crate) mod test;
pub(crate) mod validate;
