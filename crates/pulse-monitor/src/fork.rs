//! What happens when the process forks. One of the few files with `unsafe`.
//!
//! A child has one thread, the one that forked, and a copy of everything its parent had, locks of other threads included.
//! So the locks of this crate are taken before a fork and given back on both sides after it. The child's monitors get new
//! keys, by which every cold path notices that slot, shards and lock were the parent's; and the descriptors that hold the
//! parent's locks are closed at once, because the kernel keeps such a lock as long as anybody has the descriptor.

#![expect(unsafe_code, reason = "pthread_atfork has no safe wrapper")]

use std::cell::RefCell;
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError, Weak};

use crate::core::Core;

/// All monitors of this process.
static CORES: Mutex<Vec<Weak<Core>>> = Mutex::new(Vec::new());

/// What is held from just before a fork to just after it.
struct Held {
    cores: MutexGuard<'static, Vec<Weak<Core>>>,
    _reading: MutexGuard<'static, ()>,
    _registry: MutexGuard<'static, ()>,
}

thread_local! {
    static HELD: RefCell<Option<Held>> = const { RefCell::new(None) };
}

/// Makes a monitor that survives forks. None happens while it is made, so that no child has descriptors of which it knows
/// nothing.
pub(crate) fn watched(make: impl FnOnce() -> Arc<Core>) -> Arc<Core> {
    static REGISTER: Once = Once::new();
    REGISTER.call_once(|| {
        // SAFETY: the three functions live as long as the program, take nothing and do not unwind. It fails only for want of
        // memory, and then children share their parent's cells.
        unsafe {
            libc::pthread_atfork(Some(before), Some(after_in_parent), Some(after_in_child));
        }
    });
    let mut cores = CORES.lock().unwrap_or_else(PoisonError::into_inner);
    cores.retain(|core| core.strong_count() > 0);
    let core = make();
    cores.push(Arc::downgrade(&core));
    core
}

/// The monitors that there are. When there are none, `last` runs before another can come.
pub(crate) fn cores(last: impl FnOnce()) -> Vec<Arc<Core>> {
    let cores = CORES.lock().unwrap_or_else(PoisonError::into_inner);
    let living: Vec<Arc<Core>> = cores.iter().filter_map(Weak::upgrade).collect();
    if living.is_empty() {
        last();
    }
    living
}

extern "C" fn before() {
    let cores = CORES.lock().unwrap_or_else(PoisonError::into_inner);
    let held = Held { cores, _reading: crate::reading::lock_all(), _registry: crate::registry::lock_all() };
    // A thread at its end has no place for it left: then the fork goes ahead without.
    let _ = HELD.try_with(|place| place.replace(Some(held)));
}

extern "C" fn after_in_parent() {
    let _ = HELD.try_with(RefCell::take);
}

extern "C" fn after_in_child() {
    crate::ticker::became_child();
    let held = HELD.try_with(RefCell::take).ok().flatten();
    for core in held.iter().flat_map(|held| held.cores.iter()).filter_map(Weak::upgrade) {
        core.became_child();
    }
}
