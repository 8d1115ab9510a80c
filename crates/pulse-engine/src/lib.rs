//! Makes the plan happen.

mod dispatcher;

pub use dispatcher::{Action, Control, Dispatcher, UserId};
