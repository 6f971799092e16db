//! Seccomp: which calls of the kernel a process may still make.
//!
//! A list of what is refused, not of what is allowed: Python, Arrow and the C library differ in
//! what they call from one version to the next, and a worker that dies of a harmless call on
//! somebody's machine helps nobody. What is refused covers every way to a network, to other
//! processes, to mounts, modules, keys and the kernel's less reviewed parts.

use std::collections::BTreeMap;
use std::env::consts::ARCH;

use pyo3::prelude::*;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch,
};

use super::failed;

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Numbers of the x32 way into a 64-bit kernel are the usual ones with this bit.
#[cfg(target_arch = "x86_64")]
const X32_BIT: i64 = 0x4000_0000;

/// Refused always, whatever the arguments.
const REFUSED: &[i64] = &[
    // networks, and ways around the calls below
    libc::SYS_socket,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_sendmsg,
    libc::SYS_sendmmsg,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    // other processes
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_kcmp,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_tgsigqueueinfo,
    libc::SYS_tkill,
    libc::SYS_setsid,
    libc::SYS_setpgid,
    // file systems, links and devices
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_mknodat,
    libc::SYS_symlinkat,
    libc::SYS_linkat,
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
    libc::SYS_fanotify_init,
    libc::SYS_quotactl,
    libc::SYS_acct,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    // the kernel itself
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_reboot,
    libc::SYS_syslog,
    libc::SYS_personality,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_adjtimex,
    libc::SYS_clock_adjtime,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    // privileges and namespaces
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_capset,
    // memory that outlives the process or counts for nobody
    libc::SYS_memfd_create,
    libc::SYS_memfd_secret,
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_msgget,
    libc::SYS_semget,
    libc::SYS_mq_open,
];

/// The old numbers only this processor has.
#[cfg(target_arch = "x86_64")]
const REFUSED_OLD: &[i64] = &[
    libc::SYS_mknod,
    libc::SYS_symlink,
    libc::SYS_link,
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_modify_ldt,
];
#[cfg(not(target_arch = "x86_64"))]
const REFUSED_OLD: &[i64] = &[];

/// Refused to whoever starts no other program. Programs make a show of giving up privileges they do
/// not have, and end if they may not: without capabilities there is nothing to gain by it.
const REFUSED_ALONE: &[i64] = &[
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_socketpair,
    libc::SYS_pidfd_open,
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setreuid,
    libc::SYS_setregid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setfsuid,
    libc::SYS_setfsgid,
    libc::SYS_setgroups,
];
#[cfg(target_arch = "x86_64")]
const REFUSED_ALONE_OLD: &[i64] = &[libc::SYS_fork, libc::SYS_vfork];
#[cfg(not(target_arch = "x86_64"))]
const REFUSED_ALONE_OLD: &[i64] = &[];

/// Refuses, with EPERM, what a worker has no business with; threads are still allowed.
///
/// With `programs` it may start other programs and end them; those inherit the refusals.
#[pyfunction]
pub fn confine_syscalls(programs: bool) -> PyResult<()> {
    let rules = refusals(programs).map_err(|error| failed(&error))?;
    let denied = u32::try_from(libc::EPERM).unwrap_or(1);
    install(rules, SeccompAction::Errno(denied))?;
    // The C library takes ENOSYS for an old kernel and falls back to clone, whose flags a filter
    // can see; those of clone3 lie in memory.
    let missing = u32::try_from(libc::ENOSYS).unwrap_or(38);
    install(always(&[libc::SYS_clone3]), SeccompAction::Errno(missing))
}

fn install(rules: Rules, action: SeccompAction) -> PyResult<()> {
    let program = compile(rules, action).map_err(|error| failed(&error))?;
    seccompiler::apply_filter(&program).map_err(|error| failed(&error))
}

fn compile(rules: Rules, action: SeccompAction) -> Result<BpfProgram, BackendError> {
    let arch = TargetArch::try_from(ARCH)?;
    SeccompFilter::new(rules, SeccompAction::Allow, action, arch)?.try_into()
}

fn refusals(programs: bool) -> Result<Rules, BackendError> {
    let mut rules = always(REFUSED);
    rules.extend(always(REFUSED_OLD));
    if programs {
        // Pairs of local sockets, which event loops wake themselves with, reach nobody else.
        let local = u64::try_from(libc::AF_UNIX).unwrap_or(1);
        add(&mut rules, libc::SYS_socketpair, 0, SeccompCmpOp::Ne, local)?;
    } else {
        rules.extend(always(REFUSED_ALONE));
        rules.extend(always(REFUSED_ALONE_OLD));
        let own = u64::from(std::process::id());
        add(&mut rules, libc::SYS_kill, 0, SeccompCmpOp::Ne, own)?;
        add(&mut rules, libc::SYS_tgkill, 0, SeccompCmpOp::Ne, own)?;
        add(&mut rules, libc::SYS_clone, 0, bits(libc::CLONE_THREAD), 0)?;
    }
    // Namespaces by the flags of clone, as by unshare.
    for flag in [
        libc::CLONE_NEWUSER,
        libc::CLONE_NEWNET,
        libc::CLONE_NEWNS,
        libc::CLONE_NEWPID,
        libc::CLONE_NEWIPC,
        libc::CLONE_NEWUTS,
        libc::CLONE_NEWCGROUP,
    ] {
        let value = u64::try_from(flag).unwrap_or(0);
        add(&mut rules, libc::SYS_clone, 0, bits(flag), value)?;
    }
    // An address given with the data would reach a socket nobody connected.
    add64(&mut rules, libc::SYS_sendto, 4, SeccompCmpOp::Ne, 0)?;
    // Limits of other processes; zero is the caller.
    add(&mut rules, libc::SYS_prlimit64, 0, SeccompCmpOp::Ne, 0)?;
    let death = u64::try_from(libc::PR_SET_PDEATHSIG).unwrap_or(1);
    add(&mut rules, libc::SYS_prctl, 0, SeccompCmpOp::Eq, death)?;
    Ok(rules)
}

/// Rules without conditions.
fn always(numbers: &[i64]) -> Rules {
    let mut rules: Rules = BTreeMap::new();
    for number in numbers {
        for entry in entries(*number) {
            rules.insert(entry, vec![]);
        }
    }
    rules
}

fn add(
    rules: &mut Rules,
    number: i64,
    argument: u8,
    operator: SeccompCmpOp,
    value: u64,
) -> Result<(), BackendError> {
    insert(rules, number, argument, SeccompCmpArgLen::Dword, operator, value)
}

fn add64(
    rules: &mut Rules,
    number: i64,
    argument: u8,
    operator: SeccompCmpOp,
    value: u64,
) -> Result<(), BackendError> {
    insert(rules, number, argument, SeccompCmpArgLen::Qword, operator, value)
}

fn insert(
    rules: &mut Rules,
    number: i64,
    argument: u8,
    length: SeccompCmpArgLen,
    operator: SeccompCmpOp,
    value: u64,
) -> Result<(), BackendError> {
    for entry in entries(number) {
        let condition = SeccompCondition::new(argument, length.clone(), operator.clone(), value)?;
        rules.entry(entry).or_default().push(SeccompRule::new(vec![condition])?);
    }
    Ok(())
}

/// Compares these bits of the argument and no others.
fn bits(flag: i32) -> SeccompCmpOp {
    SeccompCmpOp::MaskedEq(u64::try_from(flag).unwrap_or(0))
}

#[cfg(target_arch = "x86_64")]
fn entries(number: i64) -> [i64; 2] {
    [number, number | X32_BIT]
}

#[cfg(not(target_arch = "x86_64"))]
fn entries(number: i64) -> [i64; 1] {
    [number]
}
