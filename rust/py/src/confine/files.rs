//! Landlock: which files a process may still reach.

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, Ruleset, RulesetAttr, RulesetCreatedAttr,
    RulesetStatus, Scope, path_beneath_rules,
};
use pyo3::prelude::*;

use super::failed;

/// Newer kernels than this one's rules are fine, older ones enforce what they know.
const KNOWN: ABI = ABI::V6;

/// Leaves `read` readable and `write` writable, paths with all below them, and nothing else.
///
/// Also forbids TCP, abstract sockets and signals to processes outside. Paths that are not there
/// are passed over. Returns `full`, `partial` or `none`: how much of it this kernel enforces.
#[pyfunction]
pub fn confine_files(
    read: Vec<String>,
    write: Vec<String>,
    execute: bool,
) -> PyResult<&'static str> {
    let status = restrict(&read, &write, execute).map_err(|error| failed(&error))?;
    Ok(match status {
        RulesetStatus::FullyEnforced => "full",
        RulesetStatus::PartiallyEnforced => "partial",
        RulesetStatus::NotEnforced => "none",
    })
}

fn restrict(
    read: &[String],
    write: &[String],
    execute: bool,
) -> Result<RulesetStatus, landlock::RulesetError> {
    let mut reading: BitFlags<AccessFs> = AccessFs::ReadFile | AccessFs::ReadDir;
    if execute {
        reading |= AccessFs::Execute;
    }
    // No links, devices, pipes or sockets: what is adopted later is plain files and folders.
    let writing = AccessFs::ReadFile
        | AccessFs::ReadDir
        | AccessFs::WriteFile
        | AccessFs::Truncate
        | AccessFs::MakeReg
        | AccessFs::MakeDir
        | AccessFs::RemoveFile
        | AccessFs::RemoveDir
        | AccessFs::Refer;
    let status = Ruleset::default()
        .handle_access(AccessFs::from_all(KNOWN))?
        .handle_access(AccessNet::from_all(KNOWN))?
        .scope(Scope::from_all(KNOWN))?
        .create()?
        .add_rules(path_beneath_rules(read, reading))?
        .add_rules(path_beneath_rules(write, writing))?
        .restrict_self()?;
    Ok(status.ruleset)
}
