//! How much of a response is accepted.

/// Bounds on what one response may make the client read or hold. What exceeds them ends the exchange with
/// [`FailureClass::TooLarge`](crate::FailureClass::TooLarge) and closes the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest head (status line and header fields) in bytes, and longest trailer section; 64 KiB by default.
    pub head_bytes: usize,
    /// Longest body in bytes whether or not it is kept; 1 GiB by default. It ends bodies that never end.
    pub body_bytes: u64,
    /// Longest body in bytes that is kept in memory under [`Keep::Body`](crate::Keep::Body); 16 MiB by default.
    pub kept_body_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { head_bytes: 64 << 10, body_bytes: 1 << 30, kept_body_bytes: 16 << 20 }
    }
}
