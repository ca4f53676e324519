//! For tests of what a system may do to a socket whose interface has gone: nothing can be received from it any more, and
//! it says at each look that something waits.

use std::net::UdpSocket;
use std::os::fd::OwnedFd;
use std::sync::mpsc;
use std::time::Duration;

/// The socket: in truth a pipe that has ended.
pub fn socket() -> UdpSocket {
    let (reader, _) = std::io::pipe().unwrap();
    let socket = UdpSocket::from(OwnedFd::from(reader));
    socket.set_nonblocking(true).unwrap();
    socket
}

/// Waits in virtual time, which passes only while nobody is busy: whoever tries again and again without a pause
/// never ends, and this panics.
#[track_caller]
pub fn ends<F: Future<Output: Send + 'static>>(what: impl FnOnce() -> F + Send + 'static) -> F::Output {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().start_paused(true).build().unwrap();
        tell.send(runtime.block_on(async { what().await }))
    });
    told.recv_timeout(Duration::from_secs(60)).expect("it does nothing but try again")
}
