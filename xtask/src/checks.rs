//! The checks, as a table. Each is a pure function over the repository and lives in a file of its own, with an
//! example that fails among its tests. A new check is a new file and a new line here.

mod architecture;
mod file_length;
mod function_length;
mod fuzz_targets;
mod generated;
mod layering;
mod links;
mod machine_paths;
mod marks;
mod module_names;
mod unused_dependencies;

use crate::finding::Finding;
use crate::repository::Repository;

/// A check: everything it finds, in any order.
pub(crate) type Check = fn(&Repository) -> Vec<Finding>;

/// Every check of `cargo xtask tidy`.
pub(crate) const ALL: &[Check] = &[
    layering::check,
    file_length::check,
    function_length::check,
    marks::check,
    machine_paths::check,
    module_names::check,
    links::check,
    architecture::check,
    generated::check,
    unused_dependencies::check,
    fuzz_targets::check,
];

/// Runs all checks; the findings are sorted by place.
pub(crate) fn run(repository: &Repository) -> Vec<Finding> {
    let mut findings: Vec<Finding> = ALL.iter().flat_map(|check| check(repository)).collect();
    findings.sort();
    findings
}
