//! What should happen: plans, profiles, arrivals, segments, steps and their file format.
//!
//! A [`Plan`] holds one or more [`Scenario`]s, each with a [`LoadModel`] (users or a rate over time, as a [`Profile`])
//! and [`Step`]s (requests with checks, extractions and pauses). It is made from a URL ([`Plan::for_url`]) or from a
//! [`ScenarioFile`], with [`Overrides`] from the command line. [`Arrivals`] says when the n-th iteration is due, and a
//! [`Segment`] which n belong to whom. A [`Suite`] holds plans and other cases with the targets that each must meet; it is
//! made from a [`SuiteFile`].
//!
//! ```
//! use std::collections::BTreeMap;
//! use pulse_plan::{Overrides, ScenarioFile};
//!
//! let text = r#"
//!     [load]
//!     users = 20
//!     duration = "10s"
//!     [[scenario]]
//!     name = "browse"
//!     [[scenario.step]]
//!     request = "GET /api/v1/trades?symbol=${symbols.symbol}"
//!     [data.symbols]
//!     file = "symbols.csv"
//! "#;
//! let file = ScenarioFile::parse("shop.toml", text, &|_| None)?;
//! assert_eq!(file.needs(), ["symbols.csv"]);
//!
//! let files = BTreeMap::from([("symbols.csv".to_owned(), b"symbol\nSPY\nQQQ\n".to_vec())]);
//! let plan = file.into_plan(&files, &Overrides::default())?;
//! assert_eq!(plan.scenarios[0].planned_requests(), Some(2_000));
//! assert_eq!(&*plan.scenarios[0].steps[0].name, "GET /api/v1/trades");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What it does *not* do: it opens no file, reads no clock and no environment, and sends nothing. Whoever calls it
//! hands in the contents of files; `pulse-engine` makes a plan happen.

mod answer_limits;
mod arrivals;
mod body_file;
mod bounded_json;
mod check;
mod connection;
mod connection_reuse;
mod draft;
mod events;
mod extraction;
mod feed;
mod file;
mod grpc;
mod http_version;
mod load;
mod multipart;
mod options;
mod plan;
mod planned;
mod profile;
mod proto;
mod scenario;
mod segment;
mod service;
mod status;
mod step;
mod suite;
mod target_conflict;
mod template;
mod url_plan;
mod websocket;

pub use answer_limits::{AnswerLimits, ByteSize, ByteSizeError, LimitOptions};
pub use arrivals::Arrivals;
pub use body_file::{BodyFile, MAX_HELD_BODY_BYTES};
pub use check::{Check, Condition, HeaderTest, JsonTest};
pub use connection::{
    AddressOrder, Cidr, ClientKey, ConnectTo, ConnectionError, ConnectionOptions, DnsServer, HostAddresses,
    IpVersion, NoProxy, ProxyChoice, ProxyEnvironment, ProxyScheme, ProxyUrl, SourceAddresses, TlsSettings,
    TlsVersion, UnixSocket,
};
pub use connection_reuse::{ConnectionReuse, ConnectionReuseError};
pub use events::EventsUntil;
pub use extraction::{Extraction, ExtractionSource, REGEX_SIZE_LIMIT};
pub use feed::{Feed, FeedError, FeedOrder, FeedTable, MAX_FEED_BYTES, MAX_FEED_COLUMNS, MAX_FEED_ROWS};
pub use file::{BaseService, FileError, FileErrors, MAX_SCENARIO_FILE_BYTES, ScenarioFile, SuiteFile};
pub use grpc::{CallError, DEFAULT_MAX_MESSAGE_BYTES, GRPC_STATUSES, GrpcCall, GrpcStatusSet};
pub use http_version::{HttpVersion, HttpVersionError};
pub use load::{ArrivalLaw, Budget, Closed, IdleStrategy, LoadModel, Missed, Open, UnknownWord, UserPool};
pub use multipart::{FormPart, FormValue, parse_form_field};
pub use options::{
    DEFAULT_DURATION, DEFAULT_GRACEFUL_STOP, DEFAULT_PACE, DEFAULT_SEED, DEFAULT_USERS, LoadError,
    LoadOptions, MAX_RATE, MAX_USERS,
};
pub use plan::{Overrides, Plan, PlanError, Slot};
pub use profile::{Profile, ProfileError, Span, Stage};
pub use proto::{GrpcMethod, MAX_PROTO_BYTES, MessageError, ProtoError, ProtoSources, ProtoTypes};
pub use scenario::Scenario;
pub use segment::{Segment, SegmentError};
pub use service::{Authorization, DEFAULT_URL, MAX_REDIRECTS, Service, ServiceError, ServiceOptions};
pub use status::{StatusError, StatusSet};
pub use step::{Body, BodyPart, Step, StepKind, Think};
pub use suite::{Case, CaseKind, CaseLimits, MESSAGE_ID, ProcessSelector, Suite, SuiteService, WebSocketTls};
pub use target_conflict::target_conflict;
pub use template::{Escape, Piece, Template, Variable};
pub use url_plan::UrlRequest;
pub use websocket::{Action, Receive, WebSocketScript};
