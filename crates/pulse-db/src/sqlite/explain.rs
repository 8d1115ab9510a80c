//! How statements would be answered, now or with other indexes.

use super::Sqlite;
use super::what_if::{Knowledge, WhatIf, WhatIfOptions};
use crate::candidate::Candidate;
use crate::error::DatabaseError;
use crate::plan::Explained;
use crate::workload::Statement;

impl Sqlite {
    /// How each statement would be answered if there were these further indexes, in order; `Err` with SQLite's words for what
    /// cannot be prepared. Reads the schema, statistics and a bounded sample; never writes.
    ///
    /// # Errors
    /// When the database cannot be read, or a candidate cannot be an index of it.
    pub fn explain(
        &self,
        statements: &[Statement],
        given: &[Candidate],
    ) -> Result<Vec<Result<Explained, String>>, DatabaseError> {
        self.explain_with(statements, given, WhatIfOptions::default())
    }

    /// As [`Self::explain`], with options.
    ///
    /// # Errors
    /// As [`Self::explain`].
    pub fn explain_with(
        &self,
        statements: &[Statement],
        given: &[Candidate],
        options: WhatIfOptions,
    ) -> Result<Vec<Result<Explained, String>>, DatabaseError> {
        let mut what_if = WhatIf::open(self, options)?;
        explain(&mut what_if, statements, given)
    }
}

/// Plans are those that SQLite would choose by what it knew then; costs are those of plans by all that is known here, so that
/// they can be compared whether or not a table was ever analyzed.
pub(crate) fn explain(
    what_if: &mut WhatIf,
    statements: &[Statement],
    given: &[Candidate],
) -> Result<Vec<Result<Explained, String>>, DatabaseError> {
    let studied: Vec<_> = statements.iter().map(|statement| what_if.study(statement)).collect();
    let given: Vec<_> = given.iter().collect();
    give(what_if, &given, Knowledge::Full)?;
    let costs: Vec<_> = studied
        .iter()
        .map(|studied| studied.as_ref().ok().and_then(|studied| what_if.price(studied).ok()))
        .collect();
    give(what_if, &given, Knowledge::AsBuilt)?;
    let mut explained = Vec::with_capacity(statements.len());
    for (studied, priced) in studied.into_iter().zip(costs) {
        explained.push(studied.and_then(|studied| {
            let now = what_if.price(&studied)?;
            let cost = priced.map_or(now.cost, |priced| priced.cost);
            Ok(Explained { plan: now.plan, cost, questions: studied.questions, effects: studied.effects })
        }));
    }
    Ok(explained)
}

fn give(what_if: &mut WhatIf, given: &[&Candidate], knowledge: Knowledge) -> Result<(), DatabaseError> {
    what_if.give(given, knowledge).map_err(|message| DatabaseError::Sql {
        what: "cannot think of such an index".to_owned(),
        source: rusqlite::Error::ModuleError(message),
    })
}
