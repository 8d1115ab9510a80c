//! The server's side of a WebSocket, as far as tests need it: the answer to an upgrade, and frames in both directions.

use tungstenite::handshake::derive_accept_key;

/// The 101 that answers an upgrade request; a wrong key is answered with a wrong one.
pub(crate) fn accept(request: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(request);
    let field = |line: &str| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("sec-websocket-key").then(|| value.trim().to_owned())
    };
    let key = text.lines().find_map(field).unwrap_or_default();
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n\r\n",
        derive_accept_key(key.as_bytes())
    )
    .into_bytes()
}

/// A frame from a server, unmasked; `first` is its first byte (FIN, reserved bits and opcode).
#[must_use]
pub fn server_frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        length @ ..126 => frame.push(length as u8),
        length @ ..0x1_0000 => {
            frame.push(126);
            frame.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            frame.push(127);
            frame.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(payload);
    frame
}

/// Takes one whole frame of a client off the input: its first byte and its payload without the mask.
pub(crate) fn take_frame(input: &mut Vec<u8>) -> Option<(u8, Vec<u8>)> {
    let (first, second) = (*input.first()?, *input.get(1)?);
    let (length, mut at) = match second & 0x7f {
        126 => (u64::from(u16::from_be_bytes(input.get(2..4)?.try_into().ok()?)), 4),
        127 => (u64::from_be_bytes(input.get(2..10)?.try_into().ok()?), 10),
        length => (u64::from(length), 2),
    };
    let mut mask = [0; 4];
    if second & 0x80 != 0 {
        mask.copy_from_slice(input.get(at..at + 4)?);
        at += 4;
    }
    let end = at + usize::try_from(length).ok()?;
    let payload = input.get(at..end)?.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask);
    let payload = payload.collect();
    input.drain(..end);
    Some((first, payload))
}
