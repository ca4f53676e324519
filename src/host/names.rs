//! A host's name → its addresses, although the resolver may hang, fail, or come back with something else.
//!
//! The operating system's lookup blocks for as long as it likes, and cannot be cancelled. So each name has a thread of its
//! own while it is looked up, and never more than one: a resolver that hangs for one name delays no other, and memory is
//! bounded by the number of names. The last addresses that were found are kept for the time in which it fails.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

/// How long addresses that work are used before the name is looked up again.
const FRESH: Duration = Duration::from_secs(60);
/// Name services keep large buffers on their stack.
const STACK: usize = 512 << 10;

/// The names of this process, as the operating system looks them up.
pub static HOST: LazyLock<Names> = LazyLock::new(|| {
    Names::looked_up_by(|host| Ok((host, 0).to_socket_addrs()?.map(|address| address.ip()).collect()))
});

/// Why a name has no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unresolved {
    /// The resolver said so.
    #[error("{0}")]
    Refused(String),
    /// The resolver says nothing.
    #[error("the resolver does not answer")]
    Silent,
    /// The lookup could not be begun.
    #[error("no thread for the lookup: {0}; raise the limit of processes or name addresses")]
    NoThread(String),
}

/// What a lookup came to: nothing yet, or addresses, or why there are none.
type Outcome = Option<Result<Vec<IpAddr>, Unresolved>>;

type LookUp = Arc<dyn Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync>;

/// Everything known of names.
pub struct Names {
    look_up: LookUp,
    known: Arc<Mutex<HashMap<String, Known>>>,
}

/// What is known of one name.
#[derive(Debug, Default)]
struct Known {
    /// The last addresses that were found, the one that answered last in front.
    addresses: Vec<IpAddr>,
    /// Until when they are used without asking.
    fresh_until: Option<Instant>,
    running: Option<Running>,
    /// The lookup fails, and this was said.
    failing: bool,
}

#[derive(Debug, Clone)]
struct Running {
    since: Instant,
    outcome: watch::Receiver<Outcome>,
}

impl std::fmt::Debug for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Names").field("known", &self.known).finish_non_exhaustive()
    }
}

impl Names {
    /// Names that are looked up by this function, which may block.
    pub fn looked_up_by(look_up: impl Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync + 'static) -> Names {
        Names { look_up: Arc::new(look_up), known: Arc::default() }
    }

    /// The addresses of a name, the one that answered last in front; an address is its own. Waits at most this long, and
    /// only a quarter of it where earlier addresses can be used instead.
    ///
    /// # Errors
    /// There is none, and never was one.
    pub async fn resolve(&self, host: &str, within: Duration) -> Result<Vec<IpAddr>, Unresolved> {
        if let Ok(address) = host.parse() {
            return Ok(vec![address]);
        }
        let now = Instant::now();
        let (running, earlier) = {
            let mut known = lock(&self.known);
            let known = known.entry(host.to_owned()).or_default();
            if known.fresh_until.is_some_and(|until| now < until) {
                return Ok(known.addresses.clone());
            }
            let running = match &known.running {
                Some(running) => running.clone(),
                None => known.running.insert(self.begin(host)?).clone(),
            };
            (running, known.addresses.clone())
        };
        let until = if earlier.is_empty() { now + within } else { running.since + within / 4 };
        let outcome = timeout_at(until, finished(running.outcome)).await.unwrap_or(Err(Unresolved::Silent));
        match outcome {
            Ok(addresses) => Ok(self.remembered(host).unwrap_or(addresses)),
            Err(reason) if earlier.is_empty() => Err(reason),
            Err(reason) => {
                // One that is only slow is no failure.
                let failed = reason != Unresolved::Silent || running.since.elapsed() >= within;
                if failed && self.begins_to_fail(host) {
                    log::warn!("Cannot resolve \"{host}\" ({reason}); its last addresses are used meanwhile");
                }
                Ok(earlier)
            }
        }
    }

    /// Notes that an address of a name accepted a connection.
    pub fn answered(&self, host: &str, address: IpAddr) {
        if let Some(known) = lock(&self.known).get_mut(host)
            && let Some(at) = known.addresses.iter().position(|one| *one == address)
            && let Some(until_here) = known.addresses.get_mut(..=at)
        {
            until_here.rotate_right(1);
        }
    }

    /// Notes that no address of a name accepted a connection: it is looked up again before the next one.
    pub fn forget_freshness(&self, host: &str) {
        if let Some(known) = lock(&self.known).get_mut(host) {
            known.fresh_until = None;
        }
    }

    fn remembered(&self, host: &str) -> Option<Vec<IpAddr>> {
        lock(&self.known).get(host).map(|known| known.addresses.clone())
    }

    /// Whether this failure is the first one after a success.
    fn begins_to_fail(&self, host: &str) -> bool {
        lock(&self.known).get_mut(host).is_some_and(|known| !std::mem::replace(&mut known.failing, true))
    }

    /// Begins to look a name up, in a thread of its own.
    fn begin(&self, host: &str) -> Result<Running, Unresolved> {
        let (tell, outcome) = watch::channel(None);
        let (look_up, known, host) = (self.look_up.clone(), self.known.clone(), host.to_owned());
        let thread = std::thread::Builder::new().name("lookup".to_owned()).stack_size(STACK);
        let begun = thread.spawn(move || {
            let found = match look_up(&host) {
                Ok(addresses) if addresses.is_empty() => {
                    Err(Unresolved::Refused("it has no address".to_owned()))
                }
                Ok(addresses) => Ok(addresses),
                Err(error) => Err(Unresolved::Refused(error.to_string())),
            };
            let recovered = lock(&known)
                .get_mut(&host)
                .is_some_and(|known| known.finish(found.as_deref().unwrap_or_default()));
            if recovered {
                log::info!("\"{host}\" can be resolved again");
            }
            let _ = tell.send(Some(found));
        });
        match begun {
            Ok(_) => Ok(Running { since: Instant::now(), outcome }),
            Err(error) => Err(Unresolved::NoThread(error.to_string())),
        }
    }
}

impl Known {
    /// Takes in what a lookup has found, nothing if it failed; whether lookups had failed before.
    fn finish(&mut self, found: &[IpAddr]) -> bool {
        self.running = None;
        if found.is_empty() {
            return false;
        }
        // The one that answered last stays in front, if it is still one.
        let mut found = found.to_vec();
        if let Some(first) = self.addresses.first()
            && let Some(at) = found.iter().position(|one| one == first)
            && let Some(until_here) = found.get_mut(..=at)
        {
            until_here.rotate_right(1);
        }
        self.addresses = found;
        self.fresh_until = Some(Instant::now() + FRESH);
        std::mem::take(&mut self.failing)
    }
}

async fn finished(mut outcome: watch::Receiver<Outcome>) -> Result<Vec<IpAddr>, Unresolved> {
    match outcome.wait_for(Option::is_some).await.as_deref() {
        Ok(Some(found)) => found.clone(),
        // The thread is gone without a word.
        _ => Err(Unresolved::Silent),
    }
}

fn lock(known: &Mutex<HashMap<String, Known>>) -> MutexGuard<'_, HashMap<String, Known>> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    const WITHIN: Duration = Duration::from_secs(20);
    const SHORT: Duration = Duration::from_millis(40);

    fn at(last: u8) -> IpAddr {
        Ipv4Addr::new(10, 0, 0, last).into()
    }

    #[tokio::test]
    async fn a_resolver_that_hangs_for_one_name_has_one_thread_and_delays_no_other() {
        let asked = Arc::new(AtomicUsize::new(0));
        let (release, released) = mpsc::channel::<()>();
        let (count, released) = (asked.clone(), Mutex::new(released));
        let names = Names::looked_up_by(move |host| {
            if host == "hangs" {
                count.fetch_add(1, Ordering::Relaxed);
                let _ = released.lock().unwrap().recv();
            }
            Ok(vec![at(1)])
        });
        for _ in 0..600 {
            assert_eq!(names.resolve("hangs", Duration::ZERO).await, Err(Unresolved::Silent));
        }
        assert_eq!(names.resolve("works", WITHIN).await, Ok(vec![at(1)]));
        assert!(asked.load(Ordering::Relaxed) <= 1);
        // What it says in the end is used.
        release.send(()).unwrap();
        assert_eq!(names.resolve("hangs", WITHIN).await, Ok(vec![at(1)]));
        assert_eq!(names.resolve("10.0.0.9", Duration::ZERO).await, Ok(vec![at(9)]));
    }

    #[tokio::test]
    async fn the_last_addresses_are_kept_while_the_resolver_fails_or_hangs_and_a_new_one_is_taken() {
        type Answer = io::Result<Vec<IpAddr>>;
        let (answer, answers) = mpsc::channel::<Answer>();
        let answers = Mutex::new(answers);
        let names = Names::looked_up_by(move |_| answers.lock().unwrap().recv().unwrap());
        let again = || names.forget_freshness("meter-7");

        answer.send(Err(io::Error::other("no such host"))).unwrap();
        let refused = Err(Unresolved::Refused("no such host".to_owned()));
        assert_eq!(names.resolve("meter-7", WITHIN).await, refused);
        answer.send(Ok(vec![at(1), at(2)])).unwrap();
        assert_eq!(names.resolve("meter-7", WITHIN).await, Ok(vec![at(1), at(2)]));
        // Fresh: nobody is asked.
        names.answered("meter-7", at(2));
        assert_eq!(names.resolve("meter-7", Duration::ZERO).await, Ok(vec![at(2), at(1)]));

        again();
        answer.send(Err(io::Error::other("no server"))).unwrap();
        assert_eq!(names.resolve("meter-7", WITHIN).await, Ok(vec![at(2), at(1)]));
        again();
        // It hangs.
        assert_eq!(names.resolve("meter-7", SHORT).await, Ok(vec![at(2), at(1)]));
        answer.send(Ok(vec![at(3), at(2)])).unwrap();
        assert_eq!(names.resolve("meter-7", WITHIN * 4).await, Ok(vec![at(2), at(3)]));
    }
}
