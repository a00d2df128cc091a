//! The crate's client on its way to a proven address over TLS.
//!
//! The crate takes the address and the name to verify from one text, and stays with the first address of a name even if
//! nothing answers there (protocol §11 T40, T41). So it gets a socket of this process, from which TLS goes to the
//! proven address, by the right name. Never lets in a connection of another process.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener as StdListener};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;

use super::client::{Proven, dial};
use crate::config::cluster::Endpoint;
use crate::net::tls::TlsMaterial;

/// Connections at once; the crate opens another one only when it has lost the one before.
const MOST_CONNECTIONS: usize = 8;

/// Where the bridge leads.
#[derive(Clone)]
struct Far {
    address: SocketAddr,
    name: ServerName<'static>,
    config: Arc<ClientConfig>,
    /// Limit of connecting, and again of the handshake.
    limit: Duration,
}

/// Opens a bridge that lives as long as the runtime, and returns the address of its near end.
///
/// # Errors
/// The name is none that a certificate can hold, or the machine gives no socket.
pub(super) fn open(
    runtime: &Handle,
    proven: &Proven,
    tls: &TlsMaterial,
    limit: Duration,
) -> Result<Endpoint, String> {
    let far = Far {
        address: proven.address,
        name: ServerName::try_from(proven.host.clone()).map_err(|error| error.to_string())?,
        config: tls.client_config()?,
        limit,
    };
    let near = StdListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| {
            listener.set_nonblocking(true)?;
            Ok((listener.local_addr()?, listener))
        })
        .map_err(|error| format!("a socket on the loopback interface: {error}"))?;
    let (address, listener) = near;
    runtime.spawn(async move {
        // Without a reactor there is nothing to serve: the crate's connection is refused, and its error told.
        if let Ok(listener) = TcpListener::from_std(listener) {
            serve(&listener, &far).await;
        }
    });
    Ok(Endpoint {
        host: address.ip().to_string(),
        port: address.port(),
    })
}

async fn serve(listener: &TcpListener, far: &Far) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((near, _)) if connections.len() < MOST_CONNECTIONS => {
                    connections.spawn(carry(near, far.clone()));
                }
                // One too many is closed.
                Ok(_) => {}
                // No file descriptor, most likely: there may be one soon.
                Err(_) => sleep(Duration::from_millis(100)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Carries bytes both ways until either end closes. HTTP/2's own pings go through, and so find an end that is silent.
async fn carry(mut near: TcpStream, far: Far) {
    let (Ok(ours), Ok(theirs)) = (near.local_addr(), near.peer_addr()) else {
        return;
    };
    if !matches!(spawn_blocking(move || is_own(theirs, ours)).await, Ok(true)) {
        return;
    }
    let Ok(Ok(stream)) = timeout(far.limit, dial(far.address)).await else {
        return;
    };
    let handshake = TlsConnector::from(far.config).connect(far.name, stream);
    let Ok(Ok(mut far)) = timeout(far.limit, handshake).await else {
        return;
    };
    if near.set_nodelay(true).is_ok() {
        // However it ends, both ends are closed, and the crate tells it as the end of its connection.
        drop(copy_bidirectional(&mut near, &mut far).await);
    }
}

/// Whether the near end of a connection of the loopback interface belongs to this process.
fn is_own(near: SocketAddr, far: SocketAddr) -> bool {
    let (SocketAddr::V4(near), SocketAddr::V4(far)) = (near, far) else {
        return false;
    };
    let Some(inode) = fs::read_to_string("/proc/self/net/tcp")
        .ok()
        .and_then(|table| inode(&table, near, far))
    else {
        return false;
    };
    let wanted = format!("socket:[{inode}]");
    let Ok(descriptors) = fs::read_dir("/proc/self/fd") else {
        return false;
    };
    descriptors
        .flatten()
        .any(|descriptor| fs::read_link(descriptor.path()).is_ok_and(|to| to == Path::new(&wanted)))
}

/// The inode of the socket with these ends, in the kernel's table.
fn inode(table: &str, local: SocketAddrV4, remote: SocketAddrV4) -> Option<u64> {
    let hex = |address: SocketAddrV4| {
        let ip = u32::from_ne_bytes(address.ip().octets());
        format!("{ip:08X}:{:04X}", address.port())
    };
    let (local, remote) = (hex(local), hex(remote));
    table.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let is_it = fields.get(1) == Some(&&*local) && fields.get(2) == Some(&&*remote);
        fields
            .get(9)
            .filter(|_| is_it)
            .and_then(|inode| inode.parse().ok())
    })
}

#[cfg(test)]
mod tests {
    use super::{inode, is_own};
    use std::net::{SocketAddr, TcpListener, TcpStream};
    use std::process::Command;

    #[test]
    fn the_inode_of_a_connection_is_that_of_both_its_ends() {
        let table = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:A4D3 00000000:0000 0A 00000000:00000001 00:00000000 00000000     0        0 23030 2 00000000d7f60aae
   6: 0100007F:8168 0100007F:A4D3 01 00000000:00000000 00:00000000 00000000     0        0 23031 2 00000000603f397c
   7: 0100007F:A4D3 0100007F:8168 01 00000000:00000000 00:00000000 00000000     0        0 0 1 00000000709dde14
";
        let at = |port: u16| match SocketAddr::from(([127, 0, 0, 1], port)) {
            SocketAddr::V4(address) => address,
            SocketAddr::V6(_) => unreachable!("it is IPv4"),
        };
        for (local, remote, expected) in [
            (0x8168, 0xA4D3, Some(23031)),
            (0xA4D3, 0x8168, Some(0)),
            (0x8168, 0x8168, None),
        ] {
            assert_eq!(
                inode(table, at(local), at(remote)),
                expected,
                "{local:x} {remote:x}"
            );
        }
    }

    #[test]
    fn only_a_connection_of_this_process_is_its_own() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let ours = TcpStream::connect(address).expect("connected");
        let near = ours.local_addr().expect("an address");
        assert!(is_own(near, address));
        let script = format!(
            "exec 3<>/dev/tcp/127.0.0.1/{} && read -r -n 1 <&3",
            address.port()
        );
        let mut stranger = Command::new("bash")
            .args(["-c", &script])
            .spawn()
            .expect("a shell");
        let (_, _) = listener.accept().expect("ours");
        let (theirs, near) = listener.accept().expect("the stranger's");
        assert!(!is_own(near, address));
        drop(theirs);
        stranger.wait().expect("it ends");
    }
}
