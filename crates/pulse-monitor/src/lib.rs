//! Records what a service does, at a cost nobody notices.

mod totals;
mod window;
