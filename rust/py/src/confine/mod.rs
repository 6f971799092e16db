//! Gives up, for the calling process and for good, what a worker does not need: kernel calls, files,
//! capabilities, namespaces. Each step stands alone and fails with `OSError` where the kernel refuses.

mod files;
mod syscalls;

use std::io;

use caps::CapSet;
use nix::errno::Errno;
use nix::sched::{self, CloneFlags};
use nix::sys::prctl;
use nix::sys::signal::Signal;
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;

pub use files::confine_files;
pub use syscalls::confine_syscalls;

/// Has the kernel kill this process when the thread that forked it ends.
#[pyfunction]
pub fn end_with_parent() -> PyResult<()> {
    prctl::set_pdeathsig(Signal::SIGKILL).map_err(|errno| refused("parent death signal", errno))
}

/// Moves the process, which must have one thread, into namespaces of its own without any network.
///
/// The new user namespace maps nobody yet: whoever calls writes `/proc/self/uid_map`.
#[pyfunction]
pub fn confine_namespaces() -> PyResult<()> {
    let flags = CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWIPC;
    sched::unshare(flags).map_err(|errno| refused("namespaces", errno))
}

/// Empties every set of capabilities, so that root is a user like any other.
#[pyfunction]
pub fn drop_capabilities() -> PyResult<()> {
    // The bounding set needs CAP_SETPCAP; without it there is nothing to gain by exec either, as
    // no new privileges are granted from here on.
    if caps::has_cap(None, CapSet::Effective, caps::Capability::CAP_SETPCAP).unwrap_or(false) {
        caps::clear(None, CapSet::Bounding).map_err(|error| failed(&error))?;
    }
    for set in [CapSet::Inheritable, CapSet::Effective, CapSet::Permitted] {
        caps::clear(None, set).map_err(|error| failed(&error))?;
    }
    prctl::set_no_new_privs().map_err(|errno| refused("no new privileges", errno))
}

fn refused(what: &str, errno: Errno) -> PyErr {
    let text = io::Error::from(errno).to_string();
    PyOSError::new_err((errno as i32, format!("{what}: {text}")))
}

fn failed(error: &dyn std::error::Error) -> PyErr {
    PyOSError::new_err(error.to_string())
}
