//! Telling the host once what it should know.

use std::io::Write;
use std::sync::OnceLock;

/// Warnings that are kept of a monitor; there are fewer kinds than that.
const KEPT: usize = 32;

static HOOK: OnceLock<fn(&str)> = OnceLock::new();

/// Replaces what happens with a warning, which by default is a line on standard error. The hook is called once for each, from
/// whichever thread met the reason, and should not record anything itself. It can be set once, before the first monitor is
/// made; `false` when it was set already.
pub fn set_warning_hook(hook: fn(&str)) -> bool {
    HOOK.set(hook).is_ok()
}

fn to_stderr(warning: &str) {
    // Nobody can be told that nobody can be told.
    let _ = writeln!(std::io::stderr(), "pulse: {warning}");
}

/// The warnings of a monitor.
#[derive(Debug, Default)]
pub(crate) struct Warnings {
    list: Vec<String>,
    told: usize,
}

impl Warnings {
    /// Adds a warning unless it is there already.
    pub(crate) fn add(&mut self, warning: String) {
        if self.list.len() < KEPT && !self.list.contains(&warning) {
            self.list.push(warning);
        }
    }

    pub(crate) fn list(&self) -> &[String] {
        &self.list
    }

    /// Those of which the host was not told yet; now it is.
    pub(crate) fn untold(&mut self) -> Vec<String> {
        let untold = self.list[self.told..].to_vec();
        self.told = self.list.len();
        untold
    }
}

/// Tells the host. Without any lock held, because the hook is not ours.
pub(crate) fn tell(warnings: &[String]) {
    let hook = HOOK.get().copied().unwrap_or(to_stderr);
    warnings.iter().for_each(|warning| hook(warning));
}
