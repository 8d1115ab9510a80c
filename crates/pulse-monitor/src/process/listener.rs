//! Which process listens on a port.

use std::fs;

use super::pids;

/// Why it is not known which process listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListenerError {
    /// Nobody listens.
    #[error("no process listens on port {port}")]
    Nobody {
        /// The port.
        port: u16,
    },
    /// Somebody listens, but who it is cannot be seen.
    #[error("the process that listens on port {port} belongs to somebody else")]
    Hidden {
        /// The port.
        port: u16,
    },
}

/// The processes that hold a socket which listens on a port, as far as they can be seen.
pub(super) fn holders(port: u16) -> Result<Vec<u32>, ListenerError> {
    let sockets = listening_sockets(port);
    if sockets.is_empty() {
        return Err(ListenerError::Nobody { port });
    }
    Ok(pids().into_iter().filter(|&pid| holds_any(pid, &sockets)).collect())
}

/// Inodes of the sockets that listen on a port.
fn listening_sockets(port: u16) -> Vec<u64> {
    ["/proc/self/net/tcp", "/proc/self/net/tcp6"]
        .into_iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| table.lines().filter_map(|line| listening_inode(line, port)).collect::<Vec<_>>())
        .collect()
}

/// The inode of a line of `/proc/net/tcp` if it listens (state 0A) on the port: the second field is the local address in
/// hexadecimal, the fourth the state, the tenth the inode.
fn listening_inode(line: &str, port: u16) -> Option<u64> {
    let mut fields = line.split_whitespace();
    let (_, local_port) = fields.nth(1)?.rsplit_once(':')?;
    let state = fields.nth(1)?;
    let inode = fields.nth(5)?;
    let found = u16::from_str_radix(local_port, 16) == Ok(port) && state == "0A";
    if found { inode.parse().ok() } else { None }
}

fn holds_any(pid: u32, sockets: &[u64]) -> bool {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    entries.flatten().filter_map(|entry| fs::read_link(entry.path()).ok()).any(|link| {
        let inode =
            link.to_str().and_then(|text| text.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok());
        inode.is_some_and(|inode: u64| sockets.contains(&inode))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_table_of_sockets() {
        let line = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4242 1 0";
        assert_eq!(listening_inode(line, 8080), Some(4242));
        assert_eq!(listening_inode(line, 8081), None);
        assert_eq!(listening_inode(&line.replace(" 0A ", " 01 "), 8080), None);
        let header = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";
        assert_eq!(listening_inode(header, 8080), None);
    }
}
