//! The counters of a run as a dict.

use outgate_core::capture::link;
use outgate_core::pipeline::Stats;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

/// Converts; the keys are listed in docs/architecture.md.
pub fn to_dict<'py>(py: Python<'py>, stats: &Stats) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    let first = stats.files.first();
    let single = first.filter(|_| stats.files.len() == 1);
    dict.set_item("sha256", single.map_or("", |file| &file.sha256))?;
    dict.set_item("format", first.map_or("", |file| file.format))?;
    dict.set_item("compression", first.map_or("", |file| file.compression))?;
    dict.set_item("file_bytes", stats.files.iter().map(|file| file.bytes).sum::<u64>())?;
    dict.set_item("files", files(py, stats)?)?;
    dict.set_item("interfaces", interfaces(py, stats)?)?;
    dict.set_item("link_types", link_types(stats))?;
    counters(&dict, stats)?;
    Ok(dict)
}

fn counters(dict: &Bound<'_, PyDict>, stats: &Stats) -> PyResult<()> {
    dict.set_item("frames", stats.frames)?;
    dict.set_item("captured_bytes", stats.captured_bytes)?;
    dict.set_item("wire_bytes", stats.wire_bytes)?;
    dict.set_item("first_ns", stats.first_ns)?;
    dict.set_item("last_ns", stats.last_ns)?;
    dict.set_item("resolution_ns", stats.resolution_ns)?;
    dict.set_item("snaplen_cut", stats.snaplen_cut)?;
    dict.set_item("time_backwards", stats.time_backwards)?;
    dict.set_item("truncated_tail", stats.truncated_tail)?;
    dict.set_item("comments", stats.comments)?;
    dict.set_item("drops_reported", stats.drops_reported)?;
    dict.set_item("issue_counts", stats.issue_counts.clone())?;
    dict.set_item("rows_dropped", stats.rows_dropped.clone())?;
    dict.set_item("not_ip", stats.not_ip.clone())?;
    dict.set_item("tunnelled_undecoded", stats.tunnelled_undecoded.clone())?;
    dict.set_item("not_tcp_udp", stats.not_tcp_udp)?;
    dict.set_item("packets", stats.packets)?;
    dict.set_item("flows", stats.flows)?;
    dict.set_item("flows_evicted", stats.flows_evicted)?;
    dict.set_item("peak_flows", stats.peak_flows)?;
    dict.set_item("fragments", stats.fragments)?;
    dict.set_item("fragments_incomplete", stats.fragments_incomplete)?;
    dict.set_item("stream_gap_bytes", stats.stream_gap_bytes)?;
    dict.set_item("reassembly_dropped_bytes", stats.reassembly_dropped_bytes)?;
    dict.set_item("conflicting_bytes", stats.conflicting_bytes)
}

fn files<'py>(py: Python<'py>, stats: &Stats) -> PyResult<Bound<'py, PyList>> {
    let list = PyList::empty(py);
    for file in &stats.files {
        let item = PyDict::new(py);
        item.set_item("path", &file.path)?;
        item.set_item("sha256", &file.sha256)?;
        item.set_item("format", file.format)?;
        item.set_item("compression", file.compression)?;
        item.set_item("bytes", file.bytes)?;
        item.set_item("first_frame", file.first_frame)?;
        item.set_item("frames", file.frames)?;
        list.append(item)?;
    }
    Ok(list)
}

fn interfaces<'py>(py: Python<'py>, stats: &Stats) -> PyResult<Bound<'py, PyList>> {
    let list = PyList::empty(py);
    for interface in &stats.interfaces {
        let item = PyDict::new(py);
        item.set_item("name", &interface.name)?;
        item.set_item("description", &interface.description)?;
        item.set_item("link_type", link::name(interface.link_number))?;
        item.set_item("snaplen", interface.snaplen)?;
        item.set_item("frames", interface.frames)?;
        item.set_item("dropped", interface.dropped)?;
        list.append(item)?;
    }
    Ok(list)
}

fn link_types(stats: &Stats) -> Vec<String> {
    let mut names: Vec<_> = stats.interfaces.iter().map(|i| link::name(i.link_number)).collect();
    names.sort_unstable();
    names.dedup();
    names
}
