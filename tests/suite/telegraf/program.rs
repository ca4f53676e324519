//! Telegraf itself: its files as they are shipped, its log, and the plugin that it starts.

use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};

use super::plant::wait_for;
use crate::common::peer::peer;
use crate::common::process::Process;

/// What is Telegraf's own and not shipped. Nothing waits longer than it must.
const AGENT: &str = r#"
[agent]
  interval = "1s"
  flush_interval = "200ms"
  hostname = "collector-1"
  skip_processors_after_aggregators = true
"#;

/// A file of telegraf/, changed only as an operator would.
#[derive(Clone)]
pub(crate) struct Shipped {
    name: String,
    text: String,
}

impl Shipped {
    /// A file as it is shipped; `path` begins below telegraf/.
    pub(crate) fn file(path: &str) -> Shipped {
        let file = folder().join(path);
        let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{path}: {error}"));
        Shipped { name: path.replace('/', "_"), text }
    }

    /// Writes something else in place of what is there once.
    #[track_caller]
    pub(crate) fn with(mut self, old: &str, new: &str) -> Shipped {
        assert_eq!(self.text.matches(old).count(), 1, "{old:?} in {}", self.name);
        self.text = self.text.replace(old, new);
        self
    }

    /// What is in it.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Telegraf's own file output, to see what leaves it; it has no settings worth shipping.
    pub(crate) fn stdout() -> Shipped {
        let text = "[[outputs.file]]\nfiles = [\"stdout\"]\ndata_format = \"influx\"\n";
        Shipped { name: "stdout.conf".to_owned(), text: text.to_owned() }
    }
}

/// The folder that is shipped.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("telegraf")
}

/// A command of Telegraf's that sees nothing of the environment but this; without a home its Snowflake driver would
/// leave a cache in the working directory.
pub(crate) fn telegraf(arguments: &[&str], environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(peer("telegraf"));
    command
        .args(arguments)
        .env_clear()
        .env("HOME", env!("CARGO_TARGET_TMPDIR"))
        .envs(environment.iter().copied());
    command
}

/// A running Telegraf; ends with its owner.
pub(crate) struct Telegraf {
    pub(crate) process: Process,
}

impl Telegraf {
    /// Starts it with these files in its telegraf.d.
    pub(crate) fn start(
        directory: &Path,
        files: &[Shipped],
        environment: &[(&str, &str)],
        flags: &[&str],
    ) -> Telegraf {
        let (main, more) = (directory.join("telegraf.conf"), directory.join("telegraf.d"));
        std::fs::create_dir_all(&more).unwrap();
        std::fs::write(&main, AGENT).unwrap();
        for file in files {
            std::fs::write(more.join(&file.name), &file.text).unwrap();
        }
        let (main, more) = (main.display().to_string(), more.display().to_string());
        let arguments = [&["--config", &main, "--config-directory", &more], flags].concat();
        Telegraf { process: Process::start(&mut telegraf(&arguments, environment)) }
    }

    /// The process id of the plugin, once it is started; `not` is one that was.
    pub(crate) fn plugin(&self, not: Option<Pid>) -> Pid {
        let parent = self.process.id();
        wait_for("the plugin is started", || children(parent).into_iter().find(|child| Some(*child) != not))
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn stop(self) -> String {
        self.process.signal(Signal::TERM);
        self.process.end("", 0)
    }
}

/// Whether a process is there.
pub(crate) fn lives(id: Pid) -> bool {
    std::fs::read_to_string(format!("/proc/{}/stat", id.as_raw_nonzero())).is_ok_and(|stat| !is_zombie(&stat))
}

/// Sends a signal to a process that runs.
pub(crate) fn signal(id: Pid, signal: Signal) {
    kill_process(id, signal).unwrap();
}

/// The plugin among the processes that this one has started.
fn children(parent: u32) -> Vec<Pid> {
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let entry = entry.ok()?;
        let id: i32 = entry.file_name().to_str()?.parse().ok()?;
        // The name, in parentheses, may contain anything; state and parent follow it.
        let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        let fields = stat.rsplit_once(") ")?.1;
        let ours = fields.split(' ').nth(1)? == parent.to_string() && stat.contains("(telegraf-pm500)");
        if ours && !is_zombie(&stat) { Pid::from_raw(id) } else { None }
    });
    processes.collect()
}

fn is_zombie(stat: &str) -> bool {
    stat.rsplit_once(") ").is_some_and(|(_, fields)| fields.starts_with('Z'))
}
