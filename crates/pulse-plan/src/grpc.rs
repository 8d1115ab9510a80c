//! A call of a gRPC method: what is sent, and which statuses count as success.

use std::fmt;

use serde::de::IgnoredAny;

use crate::{GrpcMethod, MessageError, ProtoError, Template};

/// Names of the status codes; each stands at its number.
pub const GRPC_STATUSES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// The longest message that is taken when nobody says, in bytes: what gRPC's own clients take.
pub const DEFAULT_MAX_MESSAGE_BYTES: u64 = 4 << 20;

/// One call.
#[derive(Clone, Debug, PartialEq)]
pub struct GrpcCall {
    /// Full name of the service, such as `trading.v1.Quotes`.
    pub service: String,
    /// Name of the method.
    pub method: String,
    /// Its types; `None` when the service has to be asked for them (server reflection).
    pub types: Option<GrpcMethod>,
    /// The messages to send, each a JSON document with variables. One, unless the method takes a stream.
    pub messages: Vec<Template>,
    /// Whether messages are compressed with gzip.
    pub gzip: bool,
    /// Statuses that count as success.
    pub expect: GrpcStatusSet,
    /// The longest message of the answer that is taken, in bytes.
    pub max_message_bytes: u64,
}

/// Why a call cannot be made as it is described by flags.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The path of the URL names no method.
    #[error(
        "`{path}` names no method: {reason}; write for example grpc://127.0.0.1:50051/trading.v1.Quotes/Get"
    )]
    Method {
        /// Path of the URL.
        path: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The method's types cannot be found.
    #[error("the .proto files do not help: {0}")]
    Types(#[from] ProtoError),
    /// The data are not JSON.
    #[error("the data are no messages: {0}; write for example -d '{{\"symbol\": \"SPY\"}}'")]
    Data(String),
    /// A message that its type does not allow.
    #[error("the message cannot be sent: {0}")]
    Message(#[from] MessageError),
    /// Options that only requests have.
    #[error("--method and --events go with requests, not with a gRPC call; leave them out")]
    HttpOnly,
    /// `.proto` files for a request that is no call.
    #[error("--proto goes with the URL of a method: grpc://127.0.0.1:50051/trading.v1.Quotes/Get")]
    NoCall,
    /// Several messages for a method that takes one.
    #[error("the method `{method}` takes one message, not {count}")]
    Several {
        /// Name of the method.
        method: String,
        /// Messages given.
        count: usize,
    },
}

impl GrpcCall {
    /// A call of the method in the path of a URL. `data` are its messages: JSON documents, one after another.
    pub(crate) fn of_url(path: &str, data: Option<&[u8]>) -> Result<Self, CallError> {
        let (service, method) =
            split_method(path).map_err(|reason| CallError::Method { path: path.to_owned(), reason })?;
        let mut messages = Vec::new();
        let data = std::str::from_utf8(data.unwrap_or_default())
            .map_err(|error| CallError::Data(error.to_string()))?;
        let mut documents = serde_json::Deserializer::from_str(data).into_iter::<IgnoredAny>();
        let mut start = 0;
        while let Some(document) = documents.next() {
            document.map_err(|error| CallError::Data(error.to_string()))?;
            messages.push(Template::literal(&data[start..documents.byte_offset()]));
            start = documents.byte_offset();
        }
        if messages.is_empty() {
            messages.push(Template::literal("{}"));
        }
        Ok(Self {
            service: service.to_owned(),
            method: method.to_owned(),
            types: None,
            messages,
            gzip: false,
            expect: GrpcStatusSet::default(),
            max_message_bytes: DEFAULT_MAX_MESSAGE_BYTES,
        })
    }

    /// Gives the call its types, once they are known: from files, or from the service. Messages that are always the same
    /// must fit them.
    pub fn set_types(&mut self, types: GrpcMethod) -> Result<(), CallError> {
        if self.messages.len() > 1 && !types.takes_stream() {
            return Err(CallError::Several { method: self.method.clone(), count: self.messages.len() });
        }
        for text in self.messages.iter().filter_map(Template::as_static) {
            types.encode(text.as_bytes())?;
        }
        self.types = Some(types);
        Ok(())
    }
}

/// Status codes of gRPC. The default is `OK` alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GrpcStatusSet {
    /// One bit per code.
    bits: u32,
}

impl Default for GrpcStatusSet {
    fn default() -> Self {
        Self { bits: 1 }
    }
}

impl GrpcStatusSet {
    /// No code at all.
    pub(crate) fn empty() -> Self {
        Self { bits: 0 }
    }

    /// Adds the code of this name, in any case; `false` when gRPC has no such code.
    pub(crate) fn add(&mut self, name: &str) -> bool {
        let place = GRPC_STATUSES.iter().position(|known| known.eq_ignore_ascii_case(name));
        self.bits |= place.map_or(0, |place| 1 << place);
        place.is_some()
    }

    /// Whether the code with this number is in the set.
    pub fn contains(self, number: u8) -> bool {
        self.bits.checked_shr(u32::from(number)).is_some_and(|bits| bits & 1 == 1)
    }
}

/// The names, separated by commas.
impl fmt::Display for GrpcStatusSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = (0..).zip(GRPC_STATUSES).filter(|(number, _)| self.contains(*number));
        for (i, (_, name)) in names.enumerate() {
            let comma = if i > 0 { "," } else { "" };
            write!(f, "{comma}{name}")?;
        }
        Ok(())
    }
}

/// `package.Service/Method` taken apart; a slash in front is allowed, as in the path of a URL.
pub(crate) fn split_method(text: &str) -> Result<(&str, &str), &'static str> {
    let text = text.strip_prefix('/').unwrap_or(text);
    let (service, method) = text.split_once('/').ok_or("the slash between service and method is missing")?;
    let is_name = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    if !service.split('.').all(is_name) {
        return Err(
            "the name of a service is made of letters, digits and _, its packages before it with dots",
        );
    }
    if !is_name(method) {
        return Err("the name of a method is made of letters, digits and _");
    }
    Ok((service, method))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_taken_apart() {
        assert_eq!(split_method("a.b.C/D"), Ok(("a.b.C", "D")));
        assert_eq!(split_method("/C/D_1"), Ok(("C", "D_1")));
        for text in ["", "/", "C", "C/", "/D", "a..C/D", "a.C/D/E", "a b/C", "1a/C", "C/ü", "C/D?x"] {
            assert!(split_method(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sets_of_statuses() {
        let mut set = GrpcStatusSet::empty();
        assert!(set.add("not_found") && set.add("UNAUTHENTICATED") && !set.add("FINE"));
        assert!(set.contains(5) && set.contains(16) && !set.contains(0) && !set.contains(255));
        assert_eq!(set.to_string(), "NOT_FOUND,UNAUTHENTICATED");
        assert_eq!(GrpcStatusSet::default().to_string(), "OK");
    }
}
