//! A WebSocket step: what a user sends and waits for on a connection of its own.

use std::ops::Range;
use std::sync::Arc;

use pulse_model::Nanos;

use crate::{Condition, Template};

/// A conversation over a WebSocket. Its step's request is the upgrade.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WebSocketScript {
    /// What is done, in this order, each time.
    pub actions: Vec<Action>,
    /// Whether a user keeps the connection from one time to the next. Otherwise each time opens one and closes it at its
    /// end.
    pub keep: bool,
}

/// One thing to do on a WebSocket.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Sends a text message.
    Send(Template),
    /// Sends a binary message.
    SendBinary(Arc<[u8]>),
    /// Waits for a message.
    Receive(Receive),
    /// Does nothing for a while.
    Pause(Nanos),
    /// Does other things several times; they contain no further repetition.
    Repeat {
        /// How often, at least once.
        times: u32,
        /// What.
        actions: Vec<Self>,
    },
    /// Ends the connection with this code and waits for the service's answer.
    Close(u16),
}

/// What message is waited for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Receive {
    /// What it must fulfil, all of it; messages that do not are counted and passed over.
    pub conditions: Vec<Condition>,
    /// How long it may take; the limit of the step when there is none.
    pub timeout: Option<Nanos>,
    /// Which of the step's extractions are taken from it.
    pub extractions: Range<usize>,
}

impl WebSocketScript {
    /// Messages that are waited for each time.
    pub fn receives(&self) -> u64 {
        receives(&self.actions)
    }

    /// How long it pauses each time.
    pub(crate) fn pauses(&self) -> Nanos {
        pauses(&self.actions)
    }

    /// Every template of it.
    pub fn templates(&self) -> Vec<&Template> {
        let mut found = Vec::new();
        collect(&self.actions, &mut found);
        found
    }
}

fn receives(actions: &[Action]) -> u64 {
    let each = |action: &Action| match action {
        Action::Receive(_) => 1,
        Action::Repeat { times, actions } => u64::from(*times) * receives(actions),
        _ => 0,
    };
    actions.iter().map(each).sum()
}

fn pauses(actions: &[Action]) -> Nanos {
    actions.iter().fold(Nanos::ZERO, |sum, action| match action {
        Action::Pause(length) => sum + *length,
        Action::Repeat { times, actions } => sum + pauses(actions).times(u64::from(*times)),
        _ => sum,
    })
}

fn collect<'a>(actions: &'a [Action], found: &mut Vec<&'a Template>) {
    for action in actions {
        match action {
            Action::Send(template) => found.push(template),
            Action::Receive(receive) => {
                found.extend(receive.conditions.iter().flat_map(Condition::templates))
            }
            Action::Repeat { actions, .. } => collect(actions, found),
            Action::SendBinary(_) | Action::Pause(_) | Action::Close(_) => {}
        }
    }
}
