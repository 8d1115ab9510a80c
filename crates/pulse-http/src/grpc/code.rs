//! The status codes of gRPC, and which of them stands for what HTTP/2 says instead.

use std::fmt;

/// How a call ended, as the service or the protocol says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum GrpcCode {
    /// Success.
    Ok,
    /// The caller took the call back.
    Cancelled,
    /// No other code fits, or the answer carried none.
    Unknown,
    /// The caller gave an argument that is wrong whatever the state of the service.
    InvalidArgument,
    /// The deadline passed before the call was complete.
    DeadlineExceeded,
    /// What was asked for does not exist.
    NotFound,
    /// What was to be created exists already.
    AlreadyExists,
    /// The caller may not do this.
    PermissionDenied,
    /// A quota, a limit or memory is used up.
    ResourceExhausted,
    /// The state of the service does not allow it.
    FailedPrecondition,
    /// Somebody else's change got in the way.
    Aborted,
    /// Beyond the valid range.
    OutOfRange,
    /// The service does not know the method.
    Unimplemented,
    /// The service or the protocol is broken.
    Internal,
    /// The service cannot answer now.
    Unavailable,
    /// Data are lost for good.
    DataLoss,
    /// Nobody knows who the caller is.
    Unauthenticated,
}

impl GrpcCode {
    /// Every code; each stands at its number.
    pub const ALL: [Self; 17] = [
        Self::Ok,
        Self::Cancelled,
        Self::Unknown,
        Self::InvalidArgument,
        Self::DeadlineExceeded,
        Self::NotFound,
        Self::AlreadyExists,
        Self::PermissionDenied,
        Self::ResourceExhausted,
        Self::FailedPrecondition,
        Self::Aborted,
        Self::OutOfRange,
        Self::Unimplemented,
        Self::Internal,
        Self::Unavailable,
        Self::DataLoss,
        Self::Unauthenticated,
    ];

    /// The number on the wire, 0 to 16.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The code with this number. A number that gRPC does not define means [`GrpcCode::Unknown`].
    pub fn of_number(number: u64) -> Self {
        usize::try_from(number).ok().and_then(|place| Self::ALL.get(place)).copied().unwrap_or(Self::Unknown)
    }

    /// The name that the protocol's documents use, such as `NOT_FOUND`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Cancelled => "CANCELLED",
            Self::Unknown => "UNKNOWN",
            Self::InvalidArgument => "INVALID_ARGUMENT",
            Self::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Self::NotFound => "NOT_FOUND",
            Self::AlreadyExists => "ALREADY_EXISTS",
            Self::PermissionDenied => "PERMISSION_DENIED",
            Self::ResourceExhausted => "RESOURCE_EXHAUSTED",
            Self::FailedPrecondition => "FAILED_PRECONDITION",
            Self::Aborted => "ABORTED",
            Self::OutOfRange => "OUT_OF_RANGE",
            Self::Unimplemented => "UNIMPLEMENTED",
            Self::Internal => "INTERNAL",
            Self::Unavailable => "UNAVAILABLE",
            Self::DataLoss => "DATA_LOSS",
            Self::Unauthenticated => "UNAUTHENTICATED",
        }
    }

    /// The stable name as a class of failure in machine-readable reports, such as `grpc_not_found`.
    pub const fn class(self) -> &'static str {
        match self {
            Self::Ok => "grpc_ok",
            Self::Cancelled => "grpc_cancelled",
            Self::Unknown => "grpc_unknown",
            Self::InvalidArgument => "grpc_invalid_argument",
            Self::DeadlineExceeded => "grpc_deadline_exceeded",
            Self::NotFound => "grpc_not_found",
            Self::AlreadyExists => "grpc_already_exists",
            Self::PermissionDenied => "grpc_permission_denied",
            Self::ResourceExhausted => "grpc_resource_exhausted",
            Self::FailedPrecondition => "grpc_failed_precondition",
            Self::Aborted => "grpc_aborted",
            Self::OutOfRange => "grpc_out_of_range",
            Self::Unimplemented => "grpc_unimplemented",
            Self::Internal => "grpc_internal",
            Self::Unavailable => "grpc_unavailable",
            Self::DataLoss => "grpc_data_loss",
            Self::Unauthenticated => "grpc_unauthenticated",
        }
    }

    /// What an HTTP status means where the answer is not one of gRPC: that of a proxy, or of a server of something else
    /// (gRPC's *HTTP to gRPC Status Code Mapping*).
    pub const fn of_http(status: u16) -> Self {
        match status {
            400 => Self::Internal,
            401 => Self::Unauthenticated,
            403 => Self::PermissionDenied,
            404 => Self::Unimplemented,
            429 | 502 | 503 | 504 => Self::Unavailable,
            _ => Self::Unknown,
        }
    }

    /// What an HTTP/2 error code means where the peer reset the stream (gRPC over HTTP/2, section *Errors*).
    pub const fn of_reset(reason: u32) -> Self {
        match reason {
            // NO_ERROR to COMPRESSION_ERROR but for STREAM_CLOSED, which has no mapping; CONNECT_ERROR.
            0..=4 | 6 | 9 | 10 => Self::Internal,
            7 => Self::Unavailable,
            8 => Self::Cancelled,
            11 => Self::ResourceExhausted,
            12 => Self::PermissionDenied,
            _ => Self::Unknown,
        }
    }
}

/// The name that the protocol's documents use.
impl fmt::Display for GrpcCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_stands_at_its_number_and_names_its_class() {
        for (number, code) in GrpcCode::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(code.number()), number);
            assert_eq!(GrpcCode::of_number(number as u64), code);
            assert_eq!(code.class(), format!("grpc_{}", code.name().to_lowercase()));
        }
        assert_eq!(GrpcCode::of_number(17), GrpcCode::Unknown);
        assert_eq!(GrpcCode::of_number(u64::MAX), GrpcCode::Unknown);
    }

    #[test]
    fn what_http_says_instead() {
        for (status, code) in [
            (200, GrpcCode::Unknown),
            (400, GrpcCode::Internal),
            (401, GrpcCode::Unauthenticated),
            (403, GrpcCode::PermissionDenied),
            (404, GrpcCode::Unimplemented),
            (429, GrpcCode::Unavailable),
            (500, GrpcCode::Unknown),
            (502, GrpcCode::Unavailable),
            (503, GrpcCode::Unavailable),
            (504, GrpcCode::Unavailable),
        ] {
            assert_eq!(GrpcCode::of_http(status), code, "{status}");
        }
    }

    #[test]
    fn what_a_reset_says() {
        let expected = [
            "INTERNAL",
            "INTERNAL",
            "INTERNAL",
            "INTERNAL",
            "INTERNAL",
            "UNKNOWN",
            "INTERNAL",
            "UNAVAILABLE",
            "CANCELLED",
            "INTERNAL",
            "INTERNAL",
            "RESOURCE_EXHAUSTED",
            "PERMISSION_DENIED",
            "UNKNOWN",
        ];
        for (reason, name) in (0..).zip(expected) {
            assert_eq!(GrpcCode::of_reset(reason).name(), name, "{reason}");
        }
    }
}
