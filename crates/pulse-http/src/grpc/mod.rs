//! gRPC over HTTP/2: messages and statuses of calls whose messages are bytes. What is in them is for others to know.

mod client;
mod code;
mod compression;
mod frames;
mod head;
mod kept;
mod status;

pub use client::{GrpcAnswer, GrpcClient, GrpcRequest};
pub use code::GrpcCode;
pub use compression::gzip;
pub use frames::{FrameError, Message, MessageReader, append_message};
pub use head::GrpcHead;
pub use status::GrpcStatus;
