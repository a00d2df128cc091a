//! The machine and the process, for those who read a server's list of connections or a checkpoint elsewhere.
//!
//! Never asks the network.

use std::fs;

use serde::{Deserialize, Serialize};

/// Returns the name that the kernel has, which `hostname` prints. Needs no file that the package's unit could hide.
pub(crate) fn name() -> String {
    let system = rustix::system::uname();
    system.nodename().to_string_lossy().into_owned()
}

/// One process of one machine, since that machine's start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Process {
    host: String,
    /// The kernel's id of the machine's start.
    boot: String,
    /// The space that process ids count in: a container has its own.
    ids: String,
    pid: u32,
    /// When the process began, in the kernel's ticks since the machine's start: ids are used again.
    began: u64,
}

impl Process {
    /// This one; `None`: the kernel does not tell.
    pub(crate) fn current() -> Option<Self> {
        let pid = std::process::id();
        Some(Self {
            host: name(),
            boot: boot()?,
            ids: ids()?,
            pid,
            began: began(pid)?,
        })
    }

    /// It is this one.
    pub(crate) fn is_current(&self) -> bool {
        Self::current().as_ref() == Some(self)
    }

    /// It was one of this machine, since its last start, and has ended. False where that cannot be told.
    pub(crate) fn is_gone(&self) -> bool {
        let is_ours = self.host == name()
            && boot().is_some_and(|boot| boot == self.boot)
            && ids().is_some_and(|ids| ids == self.ids);
        is_ours && began(self.pid) != Some(self.began)
    }
}

fn boot() -> Option<String> {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().to_owned())
}

fn ids() -> Option<String> {
    let space = fs::read_link("/proc/self/ns/pid").ok()?;
    Some(space.to_string_lossy().into_owned())
}

/// When a process began; `None`: there is none. The name before it is in brackets and may hold anything (proc(5), stat).
fn began(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::Process;

    #[test]
    fn process_is_gone_if_it_was_one_of_this_machine_and_has_ended() {
        let own = Process::current().expect("this system has /proc");
        let mut child = std::process::Command::new("true").spawn().expect("spawned");
        let ended = Process {
            pid: child.id(),
            ..own.clone()
        };
        child.wait().expect("ended");
        let same = |change: fn(&mut Process)| {
            let mut other = ended.clone();
            change(&mut other);
            other
        };
        for (name, process, expected) in [
            ("itself", own.clone(), false),
            ("a child that ended", ended.clone(), true),
            (
                "an id that was used again",
                same(|process| process.pid = std::process::id()),
                true,
            ),
            (
                "another machine",
                same(|process| process.host.push('x')),
                false,
            ),
            (
                "before the last start",
                same(|process| process.boot.push('x')),
                false,
            ),
            (
                "another container",
                same(|process| process.ids.push('x')),
                false,
            ),
        ] {
            let process = match name {
                "an id that was used again" => Process {
                    began: process.began + 1,
                    ..process
                },
                _ => process,
            };
            assert_eq!(process.is_gone(), expected, "{name}");
        }
    }
}
