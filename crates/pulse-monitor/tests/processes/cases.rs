//! The tests.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use pulse_model::{Aggregate, Series, Snapshot};
use pulse_monitor::SharedReader;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::runner::Case;
use crate::service::{Service, Worker, dropped, requests};
use crate::worker::NANOS;

pub(crate) const ALL: &[Case] = &[
    ("killed_workers_lose_at_most_what_they_had_in_hand", killed_workers_lose_at_most_what_they_had_in_hand),
    ("groups_do_not_see_each_other", groups_do_not_see_each_other),
    (
        "a_new_start_begins_at_zero_and_a_restart_counts_on",
        a_new_start_begins_at_zero_and_a_restart_counts_on,
    ),
    ("a_child_counts_on_when_its_parent_is_killed", a_child_counts_on_when_its_parent_is_killed),
    ("forks_under_load_lose_nothing", forks_under_load_lose_nothing),
    ("the_child_of_a_private_monitor_begins_at_zero", the_child_of_a_private_monitor_begins_at_zero),
    ("closed_descriptors_cost_nothing", closed_descriptors_cost_nothing),
    ("two_programs_in_one_group_are_told", two_programs_in_one_group_are_told),
    ("a_file_that_cannot_be_shared_is_left_alone", a_file_that_cannot_be_shared_is_left_alone),
    ("without_any_place_each_counts_alone", without_any_place_each_counts_alone),
    ("memory_that_is_full_is_counted_and_kills_nobody", memory_that_is_full_is_counted_and_kills_nobody),
];

/// How often workers are killed and restarted. More of it: `PULSE_TEST_RESTARTS=10000`.
fn restarts() -> usize {
    std::env::var("PULSE_TEST_RESTARTS").ok().and_then(|n| n.parse().ok()).unwrap_or(200)
}

const WORKERS: usize = 4;
const THREADS: usize = 2;

fn killed_workers_lose_at_most_what_they_had_in_hand() {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let service = Service::new();
    let start = || service.start("endless", &[&THREADS.to_string()]);
    let mut workers: Vec<Worker> = (0..WORKERS).map(|_| start()).collect();
    // All threads of all workers have recorded once: from here on nothing more is needed.
    let mut acknowledged: u64 = workers.iter_mut().map(|worker| worker.acknowledged(100)).sum();
    let mut size = 0;
    for restart in 0..restarts() {
        let worker = &mut workers[random.random_range(0..WORKERS)];
        acknowledged += worker.acknowledged(random.random_range(1..300));
        acknowledged += std::mem::replace(worker, start()).kill();
        acknowledged += worker.acknowledged(1);
        if restart == restarts() / 4 {
            size = service.file_bytes();
        }
    }
    assert_eq!(service.file_bytes(), size, "the file grows with restarts");
    let mut reader = service.reader();
    let alive: BTreeSet<u32> = workers.iter().map(|worker| worker.child.id()).collect();
    let present: BTreeSet<u32> = reader.workers().iter().map(|worker| worker.pid).collect();
    assert_eq!(present, alive);
    assert_eq!(levels(&reader.totals()), alive.iter().map(|&pid| u64::from(pid)).collect());
    acknowledged += workers.into_iter().map(Worker::kill).sum::<u64>();
    let totals = reader.totals();
    let recorded = requests(&totals);
    let in_hand = ((restarts() + WORKERS) * THREADS) as u64;
    println!("{acknowledged} acknowledged, {} recorded, at most {in_hand} in hand", recorded.count());
    assert!((acknowledged..=acknowledged + in_hand).contains(&recorded.count()));
    let sum = recorded.sum() / u128::from(NANOS);
    assert!((u128::from(recorded.count())..=u128::from(acknowledged + in_hand)).contains(&sum));
    assert_eq!((recorded.min(), recorded.max()), (Some(NANOS), Some(NANOS)));
    assert_eq!(dropped(&totals), 0);
    assert!(levels(&totals).is_empty() && reader.workers().is_empty());
}

/// What the workers that are there have as the size of their pool.
fn levels(snapshot: &Snapshot) -> BTreeSet<u64> {
    let size = Series::new("pool_size");
    snapshot
        .matching(&size)
        .filter_map(|(_, level)| if let Aggregate::Gauge(level) = level { Some(level.last) } else { None })
        .collect()
}

fn groups_do_not_see_each_other() {
    let services = [Service::new(), Service::new()];
    let mut workers = [
        services[0].start("some", &["10"]),
        services[0].start("some", &["20"]),
        services[1].start("some", &["40"]),
    ];
    workers.iter_mut().for_each(|worker| assert_eq!(worker.hear(), "recorded"));
    assert_eq!(services.each_ref().map(|service| service.requests().count()), [30, 40]);
    assert_eq!(services.each_ref().map(|service| service.reader().workers().len()), [2, 1]);
    for worker in workers {
        assert_eq!(worker.end(), "");
    }
    assert!(SharedReader::open("no-such-group").unwrap_err().to_string().contains("no-such-group"));
}

fn a_new_start_begins_at_zero_and_a_restart_counts_on() {
    let service = Service::new();
    let start = |invocation: &str| {
        let mut worker = Worker::start(service.command("some", &["10"]).env("INVOCATION_ID", invocation));
        assert_eq!(worker.hear(), "recorded");
        worker
    };
    let first = start("a");
    let second = start("a");
    assert_eq!(service.requests().count(), 20);
    first.kill();
    let third = start("a");
    assert_eq!(service.requests().count(), 30);
    // Another start joins as long as one of this is there.
    let other = start("b");
    assert_eq!(service.requests().count(), 40);
    for worker in [second, third, other] {
        worker.kill();
    }
    let back = start("a");
    assert_eq!(service.requests().count(), 50);
    let mut before = service.reader();
    back.kill();
    let new = start("b");
    assert_eq!(service.requests().count(), 10);
    // Who looks at the old file still sees it.
    assert_eq!(requests(&before.totals()).count(), 50);
    assert_eq!(new.end(), "");
}

fn a_child_counts_on_when_its_parent_is_killed() {
    let service = Service::new();
    let mut parent = service.start("forking", &[]);
    let child: u32 = parent.hear().parse().unwrap();
    let mut reader = service.reader();
    let workers = reader.workers();
    assert_eq!(workers.iter().map(|worker| worker.pid).collect::<Vec<_>>(), [parent.child.id(), child]);
    parent.child.kill().unwrap();
    parent.child.wait().unwrap();
    // The child has the parent's descriptors, but not its lock: the place is free.
    assert_eq!(reader.workers().iter().map(|worker| worker.pid).collect::<Vec<_>>(), [child]);
    assert_eq!(requests(&reader.totals()).count(), 150);
    assert!(levels(&reader.totals()).is_empty());
    parent.say("go on");
    assert_eq!(parent.hear(), "200");
    let mut heir = service.start("some", &["7"]);
    assert_eq!(heir.hear(), "recorded");
    let workers = reader.workers();
    assert_eq!(workers.iter().map(|worker| worker.pid).collect::<Vec<_>>(), [heir.child.id(), child]);
    assert_eq!(requests(&reader.totals()).count(), 207);
    assert_eq!(levels(&reader.totals()), [2, u64::from(heir.child.id())].into());
}

fn forks_under_load_lose_nothing() {
    let service = Service::new();
    let mut parent = service.start("forking-under-load", &["60", "100"]);
    let expected: u64 = parent.hear().parse().unwrap_or_else(|_| panic!("{}", service.name));
    let mut reader = service.reader();
    let totals = reader.totals();
    assert_eq!((requests(&totals).count(), dropped(&totals)), (expected, 0));
    assert_eq!(reader.workers().len(), 1);
    parent.end();
}

fn the_child_of_a_private_monitor_begins_at_zero() {
    let service = Service::new();
    let mut parent = service.start("private", &[]);
    // Of the child: before and after its 5 requests, in its window, and that it is its own worker.
    assert_eq!(parent.hear(), "0 5 5 true");
    assert_eq!(parent.hear(), "100 true");
    assert_eq!(parent.end(), "");
}

fn closed_descriptors_cost_nothing() {
    let service = Service::new();
    let mut closing = service.start("closing", &[]);
    assert_eq!(closing.hear(), "recorded");
    // Its lock was lost and found again, or it would be as good as dead; either way its place is not given away.
    let mut other = service.start("some", &["10"]);
    assert_eq!(other.hear(), "recorded");
    let mut reader = service.reader();
    assert_eq!(
        reader.workers().iter().map(|worker| worker.pid).collect::<Vec<_>>(),
        [closing.child.id(), other.child.id()]
    );
    closing.say("go on");
    assert_eq!(closing.hear(), "recorded");
    let totals = reader.totals();
    assert_eq!((requests(&totals).count(), dropped(&totals)), (31, 0));
    assert_eq!(closing.end(), "");
    assert_eq!(other.end(), "");
}

fn two_programs_in_one_group_are_told() {
    let service = Service::new();
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("another");
    fs::copy(std::env::current_exe().unwrap(), &copy).unwrap();
    let mut first = service.start("some", &["10"]);
    assert_eq!(first.hear(), "recorded");
    let mut second = Worker::start(&mut service.command_of(&copy, "some", &["10"]));
    assert_eq!(second.hear(), "recorded");
    assert_eq!(service.requests().count(), 20);
    let said = second.end();
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains("records into the same group"), "{said}");
    assert_eq!(first.end(), "");
}

/// What may be in a file's place, and what is said about it.
fn a_file_that_cannot_be_shared_is_left_alone() {
    let newer = [b"PULSEMON".as_slice(), &999_u64.to_ne_bytes(), &[0; 100]].concat();
    for (content, reason) in
        [(b"somebody else's data".repeat(10), "not a file of this program"), (newer, "newer version")]
    {
        let service = Service::new();
        fs::write(service.path(), &content).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut workers: Vec<Worker> = (0..2)
            .map(|_| {
                Worker::start(
                    service
                        .command("some", &["10"])
                        .env_remove("XDG_RUNTIME_DIR")
                        .env("TMPDIR", folder.path()),
                )
            })
            .collect();
        workers.iter_mut().for_each(|worker| assert_eq!(worker.hear(), "recorded"));
        // The next folder serves as well, for all of them.
        let path = folder.path().join(service.path().file_name().unwrap());
        let mut reader = SharedReader::open(path.to_str().unwrap()).unwrap();
        assert_eq!(requests(&reader.totals()).count(), 20);
        for worker in workers {
            let said = worker.end();
            assert!(said.lines().count() == 1 && said.contains(reason), "{said}");
        }
        assert_eq!(fs::read(service.path()).unwrap(), content);
    }
}

fn without_any_place_each_counts_alone() {
    let service = Service::new();
    fs::create_dir(service.path()).unwrap();
    let nowhere = format!("/nowhere/{}", service.name);
    let mut command = service.command("some", &["10"]);
    let mut worker = Worker::start(command.env_remove("XDG_RUNTIME_DIR").env("TMPDIR", nowhere));
    assert_eq!(worker.hear(), "recorded");
    let said = worker.end();
    assert!(said.lines().count() == 1 && said.contains("counts alone"), "{said}");
    assert!(SharedReader::open(&service.name).is_err());
    fs::remove_dir(service.path()).unwrap();
}

/// A shared memory of half a megabyte, and one that cannot be written to. Mounting them needs a namespace of one's own.
fn memory_that_is_full_is_counted_and_kills_nobody() {
    let service = Service::new();
    let Some(unshare) = unshare() else { return };
    for (options, is_shared) in [("size=512k", true), ("size=64k", false), ("ro", false)] {
        let mut command = Command::new(unshare[0]);
        let mount = format!("mount -t tmpfs -o {options} none /dev/shm && exec \"$0\" \"$@\"");
        command.args(&unshare[1..]).args(["sh", "-c", &mount]);
        let worker = service.command("growing", &[]);
        command.arg(worker.get_program()).args(worker.get_args());
        command.env("PULSE_GROUP", &service.name).env_remove("XDG_RUNTIME_DIR").env("TMPDIR", "/nowhere");
        command
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped());
        let mut worker = Worker::start(&mut command);
        let line = worker.hear();
        let counts: Vec<u64> = line.split(' ').filter_map(|count| count.parse().ok()).collect();
        let [made, recorded, dropped] = counts[..] else { panic!("{options}: `{line}` {}", worker.end()) };
        assert_eq!(made, recorded + dropped, "{options}");
        assert_eq!(dropped > 0, is_shared, "{options}: {dropped} of {made}");
        let warning = worker.hear();
        assert_eq!(warning.contains("counts alone"), !is_shared, "{options}: {warning}");
        worker.end();
    }
}

/// How to get a namespace in which one may mount, if there is a way.
fn unshare() -> Option<Vec<&'static str>> {
    let ways = [vec!["unshare", "-m"], vec!["unshare", "-rm"], vec!["sudo", "-n", "unshare", "-m"]];
    let works = |way: &Vec<&str>| {
        let tried =
            Command::new(way[0]).args(&way[1..]).args(["mount", "-t", "tmpfs", "none", "/dev/shm"]).output();
        tried.is_ok_and(|tried| tried.status.success())
    };
    let found = ways.into_iter().find(works);
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "no way to mount a small /dev/shm");
        println!("SKIPPED: no way to mount a small /dev/shm; as root, or with user namespaces, it runs");
    }
    found
}
