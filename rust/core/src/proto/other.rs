//! Names for protocols that are recognised but not parsed.
