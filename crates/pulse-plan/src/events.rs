//! A step that reads server-sent events.

use pulse_model::Nanos;

use crate::Template;

/// How long events are read. Whatever of it comes first ends the step well.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EventsUntil {
    /// So many events have come.
    pub count: Option<u64>,
    /// So much time has passed since the answer began.
    pub length: Option<Nanos>,
    /// An event's data contain this text.
    pub text: Option<Template>,
}
