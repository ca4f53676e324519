//! File descriptors: a thousand meters need more of them than a process gets at first.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the soft limit, usually 1,024, to the hard one. A read meter takes one descriptor, a listened one a
/// few, a simulated one five. Where the system gives no more, the meters beyond it say so.
pub fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}
