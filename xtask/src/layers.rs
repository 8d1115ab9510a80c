//! The layers of the workspace, as a table: the twin of the one in `ARCHITECTURE.md`.
//!
//! It names every crate of the design, so that a new crate finds its place already decided. A crate that has no line
//! here needs one, and with it a new dependency boundary that justifies it.

/// One line of the table.
#[derive(Debug)]
pub(crate) struct Crate {
    pub(crate) name: &'static str,
    pub(crate) layer: Layer,
    /// The own crates it may depend on, dev-dependencies aside.
    pub(crate) may_use: &'static [&'static str],
}

/// Where a crate stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layer {
    /// Depends on lower numbers only.
    Numbered(u8),
    /// Outside the stack: an ordinary program that happens to live here.
    Beside,
    /// Serves the development of the others; never part of what is shipped.
    Development,
}

/// The crates that every other may use in its tests: scripted servers, and a real API with a known character.
pub(crate) const TEST_SUPPORT: [&str; 2] = ["pulse-testkit", "pulse-demo"];

/// Every crate, from the top layer down.
pub(crate) const LAYERS: &[Crate] = &[
    entry(
        "pulse-py",
        7,
        &["pulse-monitor", "pulse-export", "pulse-cli", "pulse-suite", "pulse-stats", "pulse-model"],
    ),
    entry("pulse-cli", 6, BELOW_CLI),
    entry(
        "pulse-suite",
        5,
        &["pulse-model", "pulse-stats", "pulse-plan", "pulse-monitor", "pulse-http", "pulse-engine"],
    ),
    entry("pulse-cluster", 5, &["pulse-model", "pulse-plan", "pulse-engine"]),
    entry("pulse-script", 4, &["pulse-model", "pulse-plan", "pulse-http", "pulse-engine"]),
    entry("pulse-live", 4, &["pulse-model", "pulse-report", "pulse-export"]),
    entry("pulse-engine", 3, &["pulse-model", "pulse-stats", "pulse-plan", "pulse-http"]),
    entry("pulse-http", 2, &["pulse-model"]),
    entry("pulse-monitor", 2, &["pulse-model", "pulse-stats", "pulse-export"]),
    entry("pulse-db", 2, &["pulse-model", "pulse-stats"]),
    entry("pulse-plan", 1, &["pulse-model"]),
    entry("pulse-stats", 1, &["pulse-model"]),
    entry("pulse-report", 1, &["pulse-model"]),
    entry("pulse-export", 1, &["pulse-model"]),
    entry("pulse-model", 0, &[]),
    Crate {
        name: "pulse-demo",
        layer: Layer::Beside,
        may_use: &["pulse-monitor", "pulse-db", "pulse-model"],
    },
    Crate { name: "pulse-testkit", layer: Layer::Development, may_use: &["pulse-model"] },
    Crate { name: "xtask", layer: Layer::Development, may_use: &[] },
];

const BELOW_CLI: &[&str] = &[
    "pulse-suite",
    "pulse-cluster",
    "pulse-script",
    "pulse-live",
    "pulse-engine",
    "pulse-http",
    "pulse-monitor",
    "pulse-db",
    "pulse-plan",
    "pulse-stats",
    "pulse-report",
    "pulse-export",
    "pulse-model",
    "pulse-demo",
];

const fn entry(name: &'static str, layer: u8, may_use: &'static [&'static str]) -> Crate {
    Crate { name, layer: Layer::Numbered(layer), may_use }
}

/// The table's line for a crate.
pub(crate) fn find(name: &str) -> Option<&'static Crate> {
    LAYERS.iter().find(|entry| entry.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_itself_points_down() {
        for upper in LAYERS {
            for used in upper.may_use {
                let lower = find(used).unwrap_or_else(|| panic!("{used} has no line"));
                if let (Layer::Numbered(from), Layer::Numbered(to)) = (upper.layer, lower.layer) {
                    assert!(to < from, "{} uses {used}", upper.name);
                }
                assert_ne!(lower.layer, Layer::Development, "{} uses {used}", upper.name);
            }
        }
    }

    #[test]
    fn every_crate_has_one_line() {
        for entry in LAYERS {
            assert_eq!(LAYERS.iter().filter(|other| other.name == entry.name).count(), 1, "{}", entry.name);
        }
    }
}
