//! One runtime for all inputs of a target: to make one costs more than most inputs do.

use std::cell::OnceCell;

use tokio::runtime::{Builder, Runtime};

thread_local! {
    static RUNTIME: OnceCell<Runtime> = const { OnceCell::new() };
}

/// Runs a future to its end.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let made = || Builder::new_current_thread().enable_all().build().expect("the host gives a runtime");
    RUNTIME.with(|cell| cell.get_or_init(made).block_on(future))
}
