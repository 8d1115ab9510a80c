//! From a [`Group`] to the name of a file, the folders in which it may be, and the identity of the service's start.

use std::env;
use std::path::PathBuf;

use nix::unistd::geteuid;

use crate::config::Group;
use crate::liveness::{self, Occupant, fingerprint};

/// The longest name of a group; a file's name has its limits.
const NAME_BYTES: usize = 64;

/// A group that can be looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// How people call it.
    pub(crate) name: String,
    /// Where the file may be, the best first.
    pub(crate) paths: Vec<PathBuf>,
    /// Which start of the service this is.
    pub(crate) identity: u64,
}

/// Where a group is; `None` when the process is to count alone.
pub(crate) fn place(group: &Group) -> Option<Place> {
    match group {
        Group::Private => None,
        Group::Named(name) => Some(named(name, &start_of_service())),
        Group::Supervised(pid) => {
            let supervisor = Occupant::find(*pid)?;
            let start = format!("{}-{}", supervisor.pid, supervisor.started);
            Some(named(&format!("{SUPERVISED}{start}"), &start))
        }
        Group::FromEnvironment => {
            let name = env::var("PULSE_GROUP").ok().filter(|name| !name.trim().is_empty())?;
            Some(named(name.trim(), &start_of_service()))
        }
    }
}

/// Names of groups that are given by their supervisor begin like this.
const SUPERVISED: &str = "supervisor-";

/// The supervisor whose group a file is, if it is of that kind.
pub(crate) fn supervisor(file_name: &str) -> Option<(u32, u64)> {
    let start = file_name.strip_prefix(&file_prefix())?.strip_prefix(SUPERVISED)?;
    let (pid, started) = start.split_once('-')?;
    Some((pid.parse().ok()?, started.parse().ok()?))
}

/// What all files of this user begin with.
pub(crate) fn file_prefix() -> String {
    format!("pulse-{}-", geteuid())
}

/// The folders in which a group's file may be.
pub(crate) fn folders() -> Vec<PathBuf> {
    let runtime = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let mut folders: Vec<PathBuf> = Some("/dev/shm".into()).into_iter().chain(runtime).collect();
    folders.push(env::temp_dir());
    folders.retain(|folder| folder.is_absolute());
    folders
}

fn named(name: &str, start: &str) -> Place {
    let name = file_part(name);
    let file = format!("{}{name}", file_prefix());
    Place {
        paths: folders().into_iter().map(|folder| folder.join(&file)).collect(),
        identity: fingerprint([liveness::boot().as_str(), start]),
        name,
    }
}

/// A name as a part of a file's name. What does not fit is replaced, and told apart by a number.
pub(crate) fn file_part(name: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    if name.len() <= NAME_BYTES && name.chars().all(fits) && !name.is_empty() {
        return name.to_owned();
    }
    let kept: String = name.chars().take(NAME_BYTES - 17).map(|c| if fits(c) { c } else { '_' }).collect();
    format!("{kept}-{:016x}", fingerprint([name]))
}

/// What all workers of one start of the service have in common: the unit's invocation where the service manager says it, else
/// their parent.
fn start_of_service() -> String {
    let invocation = env::var("INVOCATION_ID").ok().filter(|id| !id.is_empty());
    let parent = || Occupant::parent().map_or_else(String::new, |p| format!("{}-{}", p.pid, p.started));
    invocation.unwrap_or_else(parent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_names_of_files() {
        let long = "n".repeat(1_000_000);
        for (name, expected) in [
            ("api", "api"),
            ("api.v2_x-1", "api.v2_x-1"),
            ("", "-"),
            ("../../etc/passwd", ".._.._etc_passwd-"),
            ("a b", "a_b-"),
            ("ü", "_-"),
            (&long, &"n".repeat(47)),
        ] {
            let part = file_part(name);
            assert!(part.starts_with(expected), "{part}");
            assert!(part.len() <= NAME_BYTES && !part.contains('/'), "{part}");
        }
        assert_ne!(file_part("a b"), file_part("a?b"));
    }

    #[test]
    fn a_supervisor_is_found_in_the_name_of_its_file() {
        let this = Occupant::this();
        let place = place(&Group::Supervised(this.pid)).unwrap();
        let file = place.paths[0].file_name().unwrap().to_str().unwrap();
        assert_eq!(supervisor(file), Some((this.pid, this.started)));
        let other = named("api", "").paths.remove(0);
        assert_eq!(supervisor(other.file_name().unwrap().to_str().unwrap()), None);
    }
}
