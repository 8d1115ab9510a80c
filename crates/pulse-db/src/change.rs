//! Something that is done to a database: exact statements, and what takes them back.

use pulse_model::Fix;
use serde::{Deserialize, Serialize};

use crate::catalog::TableName;

/// One thing that is done to a database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What kind of change.
    pub kind: ChangeKind,
    /// The schema that it is done in: `main`, or the name of an attached database.
    #[serde(default = "main_schema")]
    pub schema: String,
    /// What it is done to: an index of the schema, or the database.
    pub subject: String,
    /// The statements, and those that take them back.
    pub fix: Fix,
}

fn main_schema() -> String {
    TableName::main("").schema
}

impl Change {
    /// What it is done to, for people: with its schema in front unless that is the main one.
    pub fn title(&self) -> String {
        TableName { schema: self.schema.clone(), name: self.subject.clone() }.to_string()
    }
}

/// What kind of change, in the order in which they are safe to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// A new index.
    CreateIndex,
    /// An index goes.
    DropIndex,
    /// The file is written anew.
    Vacuum,
    /// The planner's statistics are taken anew.
    Analyze,
}
