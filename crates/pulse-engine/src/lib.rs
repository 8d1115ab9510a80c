//! Makes the plan happen: decides when each iteration starts, runs it on worker threads, records without locks, and
//! merges what they recorded into a [`pulse_model::Summary`] with verdicts and validity.
//!
//! **Main types**
//! - [`Dispatcher`]: the schedule of a scenario on a worker, sans-IO;
//! - [`Behavior`] and [`VirtualUser`]: what an iteration does; plans run on the built-in steps;
//! - [`Job`] and [`run`]: a plan from start to [`pulse_model::RunEvent::kind`] `Finished`;
//! - [`Collector`]: from intervals to a summary, for a run and for its replay alike;
//! - [`CookieJar`], [`JsonPointers`], [`redirect_target`]: what an answer asks for and holds, read without a socket. They never
//!   panic on any input; fuzz targets call them.
//!
//! A worker is one OS thread: its own current-thread runtime, its users, their connections, its recorder. Every second
//! (or oftener, [`Job::interval`]) it seals what it recorded and sends it to the thread that called [`run`].
//!
//! ```
//! use pulse_engine::{Action, Dispatcher};
//! use pulse_model::Nanos;
//! use pulse_plan::{ArrivalLaw, Budget, LoadModel, Open, Profile, Segment, UserPool};
//!
//! let load = LoadModel::Open(Open {
//!     rate: Profile::constant(10.0, Some(Nanos::from_secs(1))),
//!     arrivals: ArrivalLaw::Even,
//!     users: UserPool { initial: 1, max: 1 },
//!     budget: Budget::default(),
//! });
//! let mut dispatcher = Dispatcher::new(&load, Segment::WHOLE, Nanos::ZERO, Nanos::ZERO, None, 0);
//! dispatcher.handle_timeout(Nanos::ZERO);
//! assert!(matches!(dispatcher.poll_action(), Some(Action::Spawn { .. })));
//! assert!(matches!(dispatcher.poll_action(), Some(Action::Start { due: Nanos::ZERO, .. })));
//! assert_eq!(dispatcher.poll_timeout(), Some(Nanos::from_millis(100)));
//! ```
//!
//! What it does *not* do: it reads no files and prints nothing; it does not render summaries (`pulse-report`) nor show
//! running jobs (`pulse-live`).

mod alarm;
mod behavior;
mod clock;
mod collector;
mod connect;
mod connections;
mod courses;
mod dispatcher;
mod endpoints;
mod extras;
mod findings;
mod host;
mod idle;
mod iteration;
mod kick;
mod pauses;
mod phases;
mod proc_text;
mod recorder;
mod reflection;
mod run;
mod steps;
mod thinned;
mod validity;
mod waiting;
mod watch;
mod worker;

pub use behavior::{Behavior, Outcome, VirtualUser};
pub use clock::Clock;
pub use collector::Collector;
pub use connect::{connection_notices, connector, connector_to};
pub use connections::Connections;
pub use dispatcher::{Action, Control, Dispatcher, UserId};
pub use endpoints::{Endpoint, EndpointId, Endpoints};
pub use extras::{Extra, Extras};
pub use host::{cores, host_info, raise_descriptor_limit};
pub use iteration::{Iteration, Measurement};
pub use phases::{Connecting, Phases};
pub use recorder::RequestEnd;
pub use run::{INTERVAL, Job, RunError, ScenarioLoad, Setup, StopHandle, probe, run, run_behavior};
pub use steps::{
    Jar as CookieJar, Places as JsonPlaces, Pointers as JsonPointers, StepsError, equals as json_equals,
    resolve as redirect_target, text_of as json_text,
};
