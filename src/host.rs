//! The name of the machine, for those who read a server's list of connections or a line of the log elsewhere.
//!
//! Never asks the network.

/// Returns the name that the kernel has, which `hostname` prints. Needs no file that the package's unit could hide.
pub(crate) fn name() -> String {
    let system = rustix::system::uname();
    system.nodename().to_string_lossy().into_owned()
}
