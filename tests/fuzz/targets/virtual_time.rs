//! One runtime for all inputs of a target that opens no socket: nobody waits, for time moves on by itself.

use std::cell::OnceCell;

use tokio::runtime::{Builder, Runtime};

thread_local! {
    static RUNTIME: OnceCell<Runtime> = const { OnceCell::new() };
}

/// Runs a future to its end.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let made = || {
        let mut builder = Builder::new_current_thread();
        builder.enable_time().start_paused(true).build().expect("the host gives a runtime")
    };
    RUNTIME.with(|cell| cell.get_or_init(made).block_on(future))
}
